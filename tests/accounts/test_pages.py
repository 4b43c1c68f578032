"""Every page of one's account: it answers, has one heading, and no script or style inside it."""

import re
from datetime import datetime

import pytest
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP
from allauth.usersessions.models import UserSession
from django.test import Client

from accounts.models import User
from tests.accounts.people import code_in, newest_to, sign_in, sign_in_and_show_again
from tests.factories import PASSWORD

pytestmark = pytest.mark.django_db

ENTRANCE = [
    "/account/login/",
    "/account/signup/",
    "/account/login/code/",
    "/account/password/reset/",
    "/account/password/reset/done/",
    "/account/password/reset/key/done/",
    "/account/password/reset/key/1-wrong/",
    "/account/inactive/",
]
INSIDE = [
    "/me/",
    "/me/close/",
    "/account/email/",
    "/account/password/change/",
    "/account/logout/",
    "/account/reauthenticate/",
    "/account/sessions/",
    "/account/2fa/",
    "/account/2fa/totp/activate/",
    "/account/2fa/webauthn/",
    "/account/2fa/webauthn/add/",
]


def sound(html: str) -> bool:
    """Say whether the page has one heading and brings no script or style of its own, as our CSP demands."""
    headings = re.findall(r"<h1[ >]", html)
    inline = re.findall(r"<script(?![^>]*(?:\ssrc=|type=\"application/json\"))[^>]*>", html)
    return (len(headings), inline, re.findall(r"\sstyle=|\son[a-z]+=\"|<style", html)) == (1, [], [])


@pytest.mark.parametrize("page", ENTRANCE)
def test_pages_for_those_outside_are_sound(client: Client, page: str) -> None:
    response = client.get(page, follow=True)
    assert response.status_code == 200
    assert sound(response.content.decode())


@pytest.mark.parametrize("page", INSIDE)
def test_pages_for_those_inside_are_sound(client: Client, ben: User, page: str) -> None:
    sign_in_and_show_again(client, ben)
    response = client.get(page)
    assert response.status_code == 200
    assert sound(response.content.decode())


@pytest.mark.parametrize(
    "page",
    [
        "/account/2fa/totp/deactivate/",
        "/account/2fa/recovery-codes/",
        "/account/2fa/recovery-codes/generate/",
        "/account/2fa/reauthenticate/",
    ],
)
def test_pages_of_a_second_factor_are_sound(client: Client, ben: User, page: str) -> None:
    sign_in_and_show_again(client, ben)
    TOTP.activate(ben, "JBSWY3DPEHPK3PXP")
    RecoveryCodes.activate(ben)
    response = client.get(page)
    assert response.status_code == 200
    assert sound(response.content.decode())


def test_the_page_that_asks_for_the_factor_is_sound(client: Client, ben: User) -> None:
    TOTP.activate(ben, "JBSWY3DPEHPK3PXP")
    page = client.post("/account/login/", {"login": ben.email, "password": PASSWORD}, follow=True)
    assert page.redirect_chain[-1][0] == "/account/2fa/authenticate/"
    assert sound(page.content.decode())


def test_the_page_that_asks_for_a_code_is_sound_and_names_the_address(client: Client, ben: User) -> None:
    page = client.post("/account/login/code/", {"email": ben.email}, follow=True)
    assert sound(page.content.decode())
    assert f"<strong>{ben.email}</strong>" in page.content.decode()


def test_settings_are_kept(client: Client, ben: User) -> None:
    client.force_login(ben)
    client.post("/me/", {"name": "Benedict", "timezone": "Asia/Tokyo", "locale": "en-gb"})
    ben.refresh_from_db()
    assert (ben.name, ben.timezone, ben.handle) == ("Benedict", "Asia/Tokyo", "ben")


def test_a_zone_that_does_not_exist_is_refused(client: Client, ben: User) -> None:
    client.force_login(ben)
    page = client.post("/me/", {"name": "Ben", "timezone": "Mars/Olympus", "locale": "en-gb"})
    assert list(page.context["form"].errors) == ["timezone"]


def test_other_sessions_are_ended_from_the_list(client: Client, ben: User, at: datetime) -> None:
    elsewhere = Client()
    for browser in (elsewhere, client):
        sign_in(browser, ben)
        browser.get("/me/")
    assert UserSession.objects.filter(user=ben).count() == 2
    client.post("/account/sessions/")
    assert [browser.get("/me/").status_code for browser in (client, elsewhere)] == [200, 302]


def test_somebody_without_a_password_may_set_one(client: Client, ben: User) -> None:
    ben.set_unusable_password()
    ben.save()
    client.force_login(ben)
    page = client.get("/account/password/change/", follow=True)
    assert page.redirect_chain[-1][0] == "/account/password/set/"
    assert sound(page.content.decode())


def test_a_changed_address_takes_over_once_its_code_is_typed(client: Client, ben: User) -> None:
    sign_in(client, ben)
    client.post("/account/email/", {"action_add": "", "email": "new@example.com"})
    ben.refresh_from_db()
    assert ben.email == "ben@example.com"
    client.post("/account/confirm-email/", {"code": code_in(newest_to("new@example.com"))})
    ben.refresh_from_db()
    assert ben.email == "new@example.com"
    assert newest_to("ben@example.com").subject == "Your address was changed"
