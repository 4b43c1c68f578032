"""Taking one's data along, and closing the account."""

import json
from datetime import datetime

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import TOTP
from django.test import Client

from accounts import mail, personal_data
from accounts.models import AuditEntry, Letter, User
from clubs.models import Club, Officer
from tests.accounts.people import sign_in, sign_in_and_show_again
from tests.factories import OfficerFactory

pytestmark = pytest.mark.django_db


def test_the_export_holds_what_is_ones_own_and_no_secret(
    client: Client, ada: User, club: Club, ben: User
) -> None:
    TOTP.activate(ada, "JBSWY3DPEHPK3PXP")
    client.force_login(ada)
    exported = personal_data.export(user=ada)
    assert exported["account"]["email"] == ada.email
    assert exported["addresses"] == [{"email": ada.email, "verified": True, "primary": True}]
    assert [factor["type"] for factor in exported["second_factors"]] == ["totp"]
    assert exported["clubs"] == [
        {"club": "Night Voices", "task": "owner", "since": Officer.objects.get().since}
    ]
    assert ben.email not in str(exported)
    assert set(exported["second_factors"][0]) == {"type", "created_at", "last_used_at"}


def test_the_export_is_a_file_for_whoever_showed_that_it_is_them(client: Client, ben: User) -> None:
    sign_in_and_show_again(client, ben)
    response = client.get("/me/export/")
    assert response.headers["Content-Disposition"] == 'attachment; filename="stagedoor-ben.json"'
    assert json.loads(response.content)["account"]["handle"] == "ben"


@pytest.mark.parametrize("page", ["/me/export/", "/me/close/"])
def test_delicate_pages_ask_for_the_password_again(client: Client, ben: User, page: str) -> None:
    client.force_login(ben)
    assert client.get(page).headers["Location"] == f"/account/reauthenticate/?next={page.replace('/', '%2F')}"


@pytest.mark.parametrize("page", ["/me/", "/me/export/", "/me/close/"])
def test_strangers_are_led_to_sign_in(client: Client, page: str) -> None:
    assert client.get(page).headers["Location"] == f"/account/login/?next={page}"


def test_a_closed_account_tells_nothing_of_who_it_was(client: Client, ben: User, at: datetime) -> None:
    address = ben.email
    mail.write(
        key="hello", to=address, template="account/email/letter", context={"subject": "Hello Ben"}, at=at
    )
    TOTP.activate(ben, "JBSWY3DPEHPK3PXP")
    client.force_login(ben)
    personal_data.close(user=ben, at=at)
    row = User.objects.get(pk=ben.pk)
    assert (row.name, row.timezone, row.is_active, row.closed_at) == ("", "", False, at)
    assert "ben" not in row.handle + row.email
    assert not row.has_usable_password()
    assert not EmailAddress.objects.filter(user=ben).exists()
    assert not Authenticator.objects.filter(user=ben).exists()
    assert [(letter.to, letter.subject, letter.text) for letter in Letter.objects.all()] == [("", "", "")]
    assert mail.send_due(at=at) == 0
    assert AuditEntry.objects.filter(verb="account-closed", actor=ben).count() == 1


def test_closing_ends_every_session(client: Client, ben: User) -> None:
    elsewhere = Client()
    sign_in(elsewhere, ben)
    elsewhere.get("/me/")
    sign_in_and_show_again(client, ben)
    response = client.post("/me/close/", {"handle": "@Ben"})
    assert response.headers["Location"] == "/"
    assert [browser.get("/me/").status_code for browser in (client, elsewhere)] == [302, 302]


def test_the_address_and_the_handle_can_be_had_again(client: Client, ben: User, at: datetime) -> None:
    personal_data.close(user=ben, at=at)
    client.post("/account/signup/", {"email": "ben@example.com", "username": "ben"})
    assert User.objects.filter(handle="ben", email="ben@example.com").count() == 1


def test_nobody_closes_an_account_by_mistake(client: Client, ben: User) -> None:
    sign_in_and_show_again(client, ben)
    page = client.post("/me/close/", {"handle": "bean"})
    assert page.context["form"].errors["handle"] == ["That is not your handle. It is @ben."]
    assert User.objects.get(pk=ben.pk).is_active


def test_an_owner_hands_the_club_over_first(
    client: Client, ada: User, club: Club, ben: User, at: datetime
) -> None:
    sign_in_and_show_again(client, ada)
    page = client.post("/me/close/", {"handle": "ada"})
    assert page.status_code == 409
    assert page.context["reasons"] == ["Night Voices has no other owner. Make somebody else an owner first."]
    OfficerFactory.create(club=club, user=ben, role=Officer.Role.OWNER)
    personal_data.close(user=User.objects.get(pk=ada.pk), at=at)
    assert list(club.officers.values_list("user", flat=True)) == [ben.pk]
