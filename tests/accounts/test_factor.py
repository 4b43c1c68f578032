"""Whoever sees money has a second factor, and has used it in this session."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from allauth.account.internal.flows.login import AUTHENTICATION_METHODS_SESSION_KEY
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal import auth
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY
from django.contrib.messages import get_messages
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import include, path

from accounts import factor
from accounts.models import AuditEntry, User
from tests.accounts.factors import SEED, code, let_time_pass, sign_in_with_factor
from tests.accounts.people import sign_in, sign_in_and_show_again

pytestmark = pytest.mark.django_db


@factor.second_factor_required
def safe(_request: HttpRequest, *, shelf: int = 1) -> HttpResponse:
    return HttpResponse(f"the safe, shelf {shelf}")


urlpatterns = [path("safe/<int:shelf>/", safe), path("", include("stagedoor.urls"))]


@pytest.fixture(autouse=True)
def _with_a_safe(settings: Any) -> None:
    settings.ROOT_URLCONF = __name__


def test_a_stranger_is_led_to_sign_in_and_back(client: Client) -> None:
    assert client.get("/safe/1/").headers["Location"] == "/account/login/?next=/safe/1/"


def test_whoever_has_no_factor_is_led_to_set_one_up(client: Client, rae: User) -> None:
    sign_in(client, rae)
    response = client.get("/safe/1/")
    assert response.headers["Location"] == "/account/2fa/"
    assert [str(message) for message in get_messages(response.wsgi_request)] == [
        (
            "Where money is moved we ask for a second factor: a passkey, or an app on your phone that shows "
            "a code. Set one up here, then go on where you were."
        )
    ]


def test_a_factor_that_was_set_up_must_still_be_used(client: Client, rae: User) -> None:
    sign_in(client, rae)
    auth.TOTP.activate(rae, SEED)
    there = client.get("/safe/1/").headers["Location"]
    assert there == "/account/2fa/reauthenticate/?next=%2Fsafe%2F1%2F"
    assert client.post(there, {"code": code()}).headers["Location"] == "/safe/1/"
    assert client.get("/safe/7/").content == b"the safe, shelf 7"


def test_whoever_signed_in_with_the_factor_gets_in_at_once(client: Client, rae: User) -> None:
    auth.TOTP.activate(rae, SEED)
    sign_in(client, rae)
    client.post("/account/2fa/authenticate/", {"code": code()})
    assert client.post("/safe/1/").status_code == 200


def test_a_recovery_code_gets_in_but_not_to_the_money(client: Client, rae: User) -> None:
    auth.TOTP.activate(rae, SEED)
    [recovery, *_others] = RecoveryCodes.activate(rae).get_unused_codes()
    sign_in(client, rae)
    client.post("/account/2fa/authenticate/", {"code": recovery})
    assert client.session[BACKEND_SESSION_KEY] == settings.AUTHENTICATION_BACKENDS[0]
    assert client.get("/safe/1/").status_code == 302


def test_a_factor_used_in_another_session_counts_for_nothing(client: Client, rae: User) -> None:
    auth.TOTP.activate(rae, SEED)
    client.force_login(rae)
    assert AUTHENTICATION_METHODS_SESSION_KEY not in client.session
    assert client.get("/safe/1/").status_code == 302


def test_a_form_is_kept_on_the_detour_and_offered_again(client: Client, rae: User) -> None:
    sign_in_with_factor(client, rae)
    let_time_pass(client, timedelta(days=13))
    there = client.post("/safe/1/", {"amount": "12.50", "why": "<b>"}).headers["Location"]
    back = client.post(there, {"code": code()}).headers["Location"]
    page = client.get(back).content.decode()
    assert back.startswith("/me/go-on/")
    assert re.findall(r'action="(/safe[^"]+)"', page) == ["/safe/1/"]
    fields = re.findall(r'name="(amount|why)" value="([^"]*)"', page)
    assert fields == [("amount", "12.50"), ("why", "&lt;b&gt;")]
    assert client.post("/safe/1/", {"amount": "12.50"}).content == b"the safe, shelf 1"


@pytest.mark.django_db(transaction=True)
def test_whoever_sets_up_their_first_factor_goes_on_where_they_were(client: Client, rae: User) -> None:
    sign_in_and_show_again(client, rae)
    assert client.post("/safe/3/", {"amount": "12.50"}).headers["Location"] == "/account/2fa/"
    page = client.get("/account/2fa/totp/activate/").content.decode()
    [seed] = re.findall(r'id="authenticator_secret" value="([A-Z2-7]+)"', page)
    codes = client.post("/account/2fa/totp/activate/", {"code": code(seed)}, follow=True).content.decode()
    [back] = re.findall(r'href="(/me/go-on/[^"]+)"', codes)
    assert 'action="/safe/3/"' in client.get(back).content.decode()
    assert client.post("/safe/3/", {"amount": "12.50"}).content == b"the safe, shelf 3"


def test_what_was_kept_is_offered_to_nobody_else_and_not_for_ever(client: Client, rae: User) -> None:
    sign_in_with_factor(client, rae)
    let_time_pass(client, timedelta(days=13))
    client.post("/safe/1/", {"amount": "12.50"})
    token = client.session[factor.WAY_BACK]["token"]
    assert client.get("/me/go-on/another/").headers["Location"] == "/"
    with time_machine.travel(datetime.now(UTC) + factor.KEPT_FOR + timedelta(seconds=1)):
        assert client.get(f"/me/go-on/{token}/").headers["Location"] == "/"


@pytest.mark.parametrize(("seconds", "status"), [(0, 200), (598, 200), (600, 302), (13 * 86_400, 302)])
def test_to_act_the_factor_must_have_been_used_within_ten_minutes(
    client: Client, rae: User, seconds: int, status: int
) -> None:
    sign_in_with_factor(client, rae)
    let_time_pass(client, timedelta(seconds=seconds))
    assert client.post("/safe/1/").status_code == status
    assert client.get("/safe/1/").status_code == 200


def test_a_page_s_part_is_led_there_by_its_script(client: Client, rae: User) -> None:
    sign_in_with_factor(client, rae)
    let_time_pass(client, timedelta(minutes=11))
    answer = client.post("/safe/1/", headers={"HX-Request": "true"})
    assert answer.headers["HX-Redirect"].startswith("/account/2fa/reauthenticate/?next=")


def test_the_admin_opens_only_to_staff_with_a_factor(client: Client, rae: User, max: User) -> None:
    User.objects.filter(pk__in=[rae.pk, max.pk]).update(is_staff=True, is_superuser=True)
    sign_in(client, max)
    assert client.get("/admin/", follow=True).redirect_chain[-1][0] == "/account/2fa/"
    client.post("/account/logout/")
    auth.TOTP.activate(rae, SEED)
    sign_in(client, rae)
    client.post("/account/2fa/authenticate/", {"code": code()})
    assert client.get("/admin/").status_code == 200


def test_trust_given_in_the_admin_is_audited(client: Client, rae: User, ben: User) -> None:
    User.objects.filter(pk=rae.pk).update(is_staff=True, is_superuser=True)
    auth.TOTP.activate(rae, SEED)
    sign_in(client, rae)
    client.post("/account/2fa/authenticate/", {"code": code()})
    client.post(
        f"/admin/accounts/user/{ben.pk}/change/",
        {"handle": "ben", "name": "Ben", "is_finance": "on", "is_active": "on"},
    )
    ben.refresh_from_db()
    entry = AuditEntry.objects.get(verb="account-changed")
    assert (ben.is_finance, entry.actor, entry.subject_id) == (True, rae, str(ben.pk))
    assert entry.details == {"changed": ["is_finance"], "is_finance": True}


def test_the_admin_is_looked_at_with_the_factor_and_acted_in_within_ten_minutes_of_it(
    client: Client, rae: User, ben: User
) -> None:
    User.objects.filter(pk=rae.pk).update(is_staff=True, is_superuser=True)
    sign_in_with_factor(client, rae)
    let_time_pass(client, timedelta(days=13))
    form = {"handle": "ben", "name": "Ben", "is_finance": "on", "is_active": "on"}
    page = f"/admin/accounts/user/{ben.pk}/change/"
    answer = client.post(page, form)
    assert answer.headers["Location"].startswith("/account/2fa/reauthenticate/?next=%2Fme%2Fgo-on%2F")
    assert not User.objects.get(pk=ben.pk).is_finance
    assert client.get(page).status_code == 200
    assert client.post("/admin/logout/").status_code == 200
