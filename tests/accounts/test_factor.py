"""Whoever sees money has a second factor, and has used it in this session."""

from typing import Any

import pytest
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
from tests.accounts.people import sign_in

pytestmark = pytest.mark.django_db
SEED = "JBSWY3DPEHPK3PXP"


@factor.second_factor_required
def safe(_request: HttpRequest, *, shelf: int = 1) -> HttpResponse:
    return HttpResponse(f"the safe, shelf {shelf}")


urlpatterns = [path("safe/<int:shelf>/", safe), path("", include("stagedoor.urls"))]


@pytest.fixture(autouse=True)
def _with_a_safe(settings: Any) -> None:
    settings.ROOT_URLCONF = __name__


def code() -> str:
    return str(auth.format_hotp_value(auth.hotp_value(SEED, next(auth.yield_hotp_counters_from_time()))))


def test_a_stranger_is_led_to_sign_in_and_back(client: Client) -> None:
    assert client.get("/safe/1/").headers["Location"] == "/account/login/?next=/safe/1/"


def test_whoever_has_no_factor_is_led_to_set_one_up(client: Client, rae: User) -> None:
    sign_in(client, rae)
    response = client.get("/safe/1/")
    assert response.headers["Location"] == "/account/2fa/"
    assert [str(message) for message in get_messages(response.wsgi_request)] == [
        "That page needs a second factor. Set up a passkey or an authenticator app, then go back."
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


def test_a_form_is_not_sent_again_after_the_detour(client: Client, rae: User) -> None:
    auth.TOTP.activate(rae, SEED)
    client.force_login(rae)
    assert client.post("/safe/1/").headers["Location"] == "/account/2fa/reauthenticate/?next=%2F"


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
