"""Whoever looks like somebody else is refused at every door: clubs, handles, ticket types, addresses."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.test import Client
from django.utils.timezone import now

from accounts import signup
from accounts.models import Letter, User
from clubs.models import Club
from core.fields import LineField
from tests import factories
from ticketing.models import Event

pytestmark = pytest.mark.django_db

UNSEEN = ["\u200b", "\u3164", "\u2800", "\u00ad\u200d", "\u0301"]
LIKE_NIGHT_VOICES = ["Night Voices\u200b", "night\u00a0voices", "N\u0131ght Voices", "\uff2eight Voices"]


def found(client: Client, name: str) -> Any:
    typed = {"name": name, "timezone": "Berlin", "currency": "EUR", "tagline": "", "description": ""}
    return client.post("/clubs/new/", typed)


@pytest.mark.parametrize("name", LIKE_NIGHT_VOICES)
def test_no_club_stands_beside_one_that_looks_the_same(
    client: Client, club: Club, max: User, name: str
) -> None:
    client.force_login(max)
    page = found(client, name)
    assert page.context["form"].errors["name"] == ["Another club has this name. Choose a name of your own."]
    assert Club.objects.get() == club


def test_a_club_of_another_alphabet_alone_counts_too(client: Client, max: User) -> None:
    factories.ClubFactory.create(name="Coca")
    client.force_login(max)
    page = found(client, "\u0421\u043e\u0441\u0430")
    assert page.context["form"].errors["name"] == ["Another club has this name. Choose a name of your own."]


def test_a_club_name_of_two_alphabets_in_a_word_is_refused(client: Client, max: User) -> None:
    client.force_login(max)
    assert (
        "mixes letters of two alphabets" in found(client, "D\u0430y Desk").context["form"].errors["name"][0]
    )
    assert found(client, "Ночь Night 東京").status_code == 302


def test_a_club_is_renamed_to_no_other_either(client: Client, club: Club, ada: User) -> None:
    factories.ClubFactory.create(name="Day Desk")
    client.force_login(ada)
    page = client.post("/clubs/night-voices/manage/", {"name": "Day Desk\u200b", "timezone": "Berlin"})
    assert list(page.context["form"].errors) == ["name"]
    client.post("/clubs/night-voices/manage/", {"name": "Night Voices!", "timezone": "Berlin"})
    club.refresh_from_db()
    assert (club.name, club.seen_name) == ("Night Voices!", "night voices!")


@pytest.mark.parametrize("name", LIKE_NIGHT_VOICES)
def test_the_database_keeps_clubs_apart(club: Club, name: str) -> None:
    with pytest.raises(IntegrityError, match="seen_name"), transaction.atomic():
        factories.ClubFactory.create(name=name)


@pytest.mark.parametrize("name", UNSEEN)
def test_no_club_and_no_event_without_a_name_that_shows(
    client: Client, club: Club, ada: User, name: str
) -> None:
    client.force_login(ada)
    assert list(found(client, name).context["form"].errors) == ["name"]
    starts = f"{now() + timedelta(days=3):%Y-%m-%dT%H:%M}"
    typed = {"title": name, "starts": starts, "timezone": "UTC", "minutes": "60"}
    rows = {
        "offers-TOTAL_FORMS": "1",
        "offers-INITIAL_FORMS": "0",
        "offers-0-name": name,
        "offers-0-per_person": "1",
    }
    page = client.post("/manage/night-voices/events/new/", typed | rows)
    assert list(page.context["form"].errors) == ["title"]
    assert list(page.context["rows"].forms[0].errors) == ["name"]
    assert not Event.objects.exists()


@pytest.mark.parametrize("taken", ["paul_10", "Paul_10"])
@pytest.mark.parametrize("other", ["PauI_10", "paul_lo", "pau1_1o", "PAUL_10"])
def test_no_handle_looks_like_another(client: Client, taken: str, other: str) -> None:
    factories.UserFactory.create(handle=taken)
    with pytest.raises(IntegrityError, match=r"a_handle_"), transaction.atomic():
        factories.UserFactory.create(handle=other, email="other@example.com")
    client.post("/account/signup/", {"email": "new@example.com", "username": other})
    assert not User.objects.filter(email="new@example.com").exists()


@pytest.mark.parametrize("handle", ["adm1n", "stagedo0r", "supp0rt", "c1osed_x"])
def test_no_handle_looks_like_the_house(handle: str) -> None:
    with pytest.raises(signup.HandleReserved):
        signup.check_handle(handle)


BEYOND_LETTERS = [
    "m\u0131ke@example.com",
    f"{'a' * 65}@example.com",
    "x@[127.0.0.1]",
    "x@localhost",
    "\u212a@example.com",
]


@pytest.mark.parametrize("address", BEYOND_LETTERS)
def test_an_address_that_no_letter_reaches_makes_no_account(
    client: Client, ben: User, at: datetime, address: str
) -> None:
    page = client.post("/account/signup/", {"email": address, "username": "newcomer"})
    assert list(page.context["form"].errors) == ["email"]
    client.force_login(ben)
    client.post("/account/email/", {"email": address, "action_add": ""})
    assert (User.objects.count(), Letter.objects.count()) == (1, 0)
    with pytest.raises(IntegrityError, match="letters_reach"), transaction.atomic():
        User.objects.create(handle="newcomer", email=address)


def test_two_spellings_of_one_domain_are_one_address(client: Client) -> None:
    factories.UserFactory.create(handle="nia", email="nia@xn--bcher-kva.example")
    client.post("/account/signup/", {"email": "nia@b\u00fccher.example", "username": "other"})
    assert [user.handle for user in User.objects.all()] == ["nia"]
    page = Client().post(
        "/account/login/", {"login": "NIA@B\u00dcCHER.example", "password": factories.PASSWORD}
    )
    assert (page.status_code, page.headers.get("Location")) == (302, "/")


def test_password_managers_keep_the_address_not_the_handle(client: Client) -> None:
    form = client.get("/account/signup/").context["form"]
    kept = {name: form.fields[name].widget.attrs.get("autocomplete") for name in ("email", "username")}
    assert kept == {"email": "username", "username": "nickname"}
    login = client.get("/account/login/").context["form"].fields["login"].widget.attrs
    assert login["autocomplete"] == "username"


@pytest.mark.parametrize("name", UNSEEN)
def test_a_name_that_shows_nothing_is_no_name(client: Client, ben: User, name: str) -> None:
    client.force_login(ben)
    page = client.post("/me/", {"name": name, "timezone": "", "locale": "en-gb"})
    assert page.context["form"].errors["name"] == [LineField.default_error_messages["unseen"]]
