"""The page in every state, the seat it asks for, and the doors without a script."""

import json
import re
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from payments.states import move
from rooms import doors, stage
from rooms.models import Room, Seat
from tests.rooms import people
from tests.rooms.people import OTHER_TAB, TAB
from ticketing.models import Event, Order, Ticket

pytestmark = pytest.mark.django_db


def page(client: Client, event: Event) -> tuple[int, str]:
    """Return the status, and what the curtain says first."""
    answered = client.get(f"/rooms/{event.slug}/")
    heading = re.search(r"<h2[^>]*>([^<]+)</h2>", answered.content.decode())
    assert heading is not None
    return answered.status_code, heading[1]


def ask_for_seat(client: Client, event: Event, **wish: Any) -> Any:
    return client.post(
        f"/rooms/{event.slug}/seat", json.dumps({"tab": TAB, **wish}), content_type="application/json"
    )


# ---- The page


def test_a_stranger_is_asked_to_sign_in_and_comes_back_here(
    client: Client, adas_seat: Seat, tonight: Event
) -> None:
    assert page(client, tonight) == (401, "Sign in to come in")
    assert (
        f'href="/account/login/?next=/rooms/{tonight.slug}/"'
        in client.get(f"/rooms/{tonight.slug}/").content.decode()
    )


def test_without_a_ticket_the_page_shows_the_way_to_one(
    client: Client, max: User, adas_seat: Seat, tonight: Event
) -> None:
    client.force_login(max)
    assert page(client, tonight) == (403, "You need a ticket")
    assert f'href="/events/{tonight.slug}/"' in client.get(f"/rooms/{tonight.slug}/").content.decode()


def test_a_ticket_holder_waits_at_shut_doors(
    client: Client, ben: User, bens_ticket: Ticket, tonight: Event
) -> None:
    client.force_login(ben)
    assert page(client, tonight) == (200, "The doors are not open yet")


def test_a_ticket_holder_is_let_in(
    client: Client, ben: User, bens_ticket: Ticket, adas_seat: Seat, tonight: Event
) -> None:
    client.force_login(ben)
    assert page(client, tonight) == (200, "The doors are open")


def test_a_host_finds_the_room_ready(client: Client, ada: User, tonight: Event) -> None:
    client.force_login(ada)
    assert page(client, tonight) == (200, "Your room is ready")


def test_a_full_room_says_so(
    client: Client, ben: User, bens_ticket: Ticket, adas_seat: Seat, tonight: Event, settings: Any
) -> None:
    settings.ROOM_CAPACITY = 1
    client.force_login(ben)
    assert page(client, tonight) == (200, "The room is full")


def test_who_was_removed_is_told_so(
    client: Client, ben: User, adas_seat: Seat, bens_seat: Seat, tonight: Event, at: datetime
) -> None:
    stage.remove(by=adas_seat, seat=bens_seat, reason="", at=at)
    client.force_login(ben)
    assert page(client, tonight) == (403, "You have been removed")


def test_a_closed_room_says_so(
    client: Client, ben: User, adas_seat: Seat, tonight: Event, at: datetime
) -> None:
    doors.close_room(by=adas_seat, at=at)
    client.force_login(ben)
    assert page(client, tonight) == (410, "This room is closed")


def test_a_payment_under_way_keeps_the_place(
    client: Client, ben: User, bens_ticket: Ticket, tonight: Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    move(bens_ticket, Ticket.Status.DEAD)
    monkeypatch.setattr("ticketing.entitlement.order_under_way", lambda _user, _event: Order())
    client.force_login(ben)
    assert page(client, tonight) == (200, "Your payment is being confirmed")


@pytest.mark.parametrize("slug", ["no-such-event", None])
def test_a_draft_looks_like_no_event_at_all(
    slug: str | None, client: Client, ada: User, tonight: Event
) -> None:
    Event.objects.filter(pk=tonight.pk).update(status=Event.Status.DRAFT)
    client.force_login(ada)
    assert client.get(f"/rooms/{slug or tonight.slug}/").status_code == 404


def test_the_waiting_page_is_answered_with_nothing_until_the_doors_open(
    client: Client, ada: User, ben: User, bens_ticket: Ticket, tonight: Event, at: datetime
) -> None:
    client.force_login(ben)
    before = client.get(f"/rooms/{tonight.slug}/state?was=doors_shut")
    people.open_room(tonight, ada, at)
    after = client.get(f"/rooms/{tonight.slug}/state?was=doors_shut")
    assert (before.status_code, before.headers.get("HX-Refresh")) == (204, None)
    assert (after.status_code, after.headers.get("HX-Refresh")) == (200, "true")


def test_the_waiting_page_s_answer_is_the_room_s_page_without_scripts(
    client: Client, ben: User, bens_ticket: Ticket, tonight: Event
) -> None:
    client.force_login(ben)
    page = client.get(f"/rooms/{tonight.slug}/state")
    part = client.get(f"/rooms/{tonight.slug}/state", headers={"HX-Request": "true"})
    assert ("<html" in page.content.decode(), part.content) == (True, b"")


def test_the_panel_for_the_sound_is_on_the_team_s_page_alone(
    client: Client, ada: User, ben: User, bens_ticket: Ticket, adas_seat: Seat, tonight: Event
) -> None:
    shown = []
    for person in (ada, ben):
        client.force_login(person)
        shown.append("data-soundcheck" in client.get(f"/rooms/{tonight.slug}/").content.decode())
    assert shown == [True, False]


@pytest.mark.parametrize("listeners", [1, 3])
def test_the_page_costs_the_same_however_many_listen(
    listeners: int,
    client: Client,
    ben: User,
    bens_ticket: Ticket,
    adas_seat: Seat,
    tonight: Event,
    at: datetime,
    django_assert_num_queries: Any,
) -> None:
    for _ in range(listeners):
        people.sit(people.fan(tonight), tonight, at)
    client.force_login(ben)
    client.get(f"/rooms/{tonight.slug}/")
    with django_assert_num_queries(13):  # five of them ask the door
        client.get(f"/rooms/{tonight.slug}/")


def test_nobody_s_id_or_address_is_on_the_page(
    client: Client, ada: User, adas_seat: Seat, tonight: Event
) -> None:
    client.force_login(ada)
    shown = client.get(f"/rooms/{tonight.slug}/").content.decode()
    assert [secret for secret in (str(ada.pk), ada.pk.hex, ada.email) if secret in shown] == []


# ---- The seat


def test_a_seat_comes_with_grants_and_a_secret_that_no_script_can_read(
    client: Client, ben: User, bens_ticket: Ticket, adas_seat: Seat, tonight: Event
) -> None:
    client.force_login(ben)
    answered = ask_for_seat(client, tonight)
    assert sorted(answered.json()) == [
        "grants", "ice_servers", "role", "seat", "seat_url", "socket_url", "whep_url", "whip_url",
    ]  # fmt: skip
    cookie = answered.cookies["resume"]
    assert (cookie["path"], cookie["httponly"], cookie["samesite"]) == (
        f"/rooms/{tonight.slug}/",
        True,
        "Strict",
    )


def test_a_seat_comes_with_the_servers_that_its_browser_may_use(
    client: Client, ben: User, bens_ticket: Ticket, adas_seat: Seat, tonight: Event, settings: Any
) -> None:
    settings.ICE_SERVERS = ["stun:stun.example.com"]
    settings.TURN_URLS, settings.TURN_SECRET = ["turn:turn.example.com"], "north"
    client.force_login(ben)
    stun, turn = ask_for_seat(client, tonight).json()["ice_servers"]
    assert stun == {"urls": ["stun:stun.example.com"]}
    assert (turn["urls"], sorted(turn)) == (["turn:turn.example.com"], ["credential", "urls", "username"])


def test_the_same_page_gets_the_same_seat_and_another_is_asked_first(
    client: Client, ben: User, bens_ticket: Ticket, adas_seat: Seat, tonight: Event
) -> None:
    client.force_login(ben)
    first = ask_for_seat(client, tonight).json()["seat"]
    move(Seat.objects.get(pk=first), Seat.Status.PRESENT)
    assert ask_for_seat(client, tonight).json()["seat"] == first
    refused = ask_for_seat(client, tonight, tab=OTHER_TAB)
    assert (refused.status_code, refused.json()["code"]) == (409, "elsewhere")
    taken = ask_for_seat(client, tonight, tab=OTHER_TAB, take_over=True)
    assert (taken.status_code, taken.json()["seat"]) == (200, first)


def test_a_seat_is_refused_as_the_page_is(client: Client, max: User, adas_seat: Seat, tonight: Event) -> None:
    assert ask_for_seat(client, tonight).json()["code"] == "sign_in"
    client.force_login(max)
    refused = ask_for_seat(client, tonight)
    assert (refused.status_code, refused.json()) == (
        403,
        {"code": "no_ticket", "text": "You need a ticket for this room."},
    )


@pytest.mark.parametrize("wish", [{"tab": "short"}, {"more": 1}, {"take_over": "perhaps"}])
def test_a_wish_that_is_none_is_refused(
    wish: dict[str, Any], client: Client, ada: User, tonight: Event
) -> None:
    client.force_login(ada)
    assert ask_for_seat(client, tonight, **wish).status_code == 400


def test_who_knocks_too_often_has_to_wait(client: Client, max: User, adas_seat: Seat, tonight: Event) -> None:
    client.force_login(max)
    answers = [ask_for_seat(client, tonight).status_code for _ in range(31)]
    assert answers == [403] * 30 + [429]


def test_a_seat_cannot_be_asked_for_by_another_site(ada: User, tonight: Event) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(ada)
    assert ask_for_seat(client, tonight).status_code == 403


# ---- Doors without a script


def test_a_host_opens_and_closes_by_form(client: Client, ada: User, tonight: Event) -> None:
    client.force_login(ada)
    assert client.post(f"/rooms/{tonight.slug}/doors", {"do": "open"}).status_code == 302
    assert Room.objects.get().status == Room.Status.OPEN
    assert client.post(f"/rooms/{tonight.slug}/doors", {"do": "close"}).status_code == 302
    assert Room.objects.get().status == Room.Status.CLOSED


def test_a_fan_moves_no_doors(
    client: Client, ben: User, bens_ticket: Ticket, adas_seat: Seat, tonight: Event
) -> None:
    client.force_login(ben)
    assert client.post(f"/rooms/{tonight.slug}/doors", {"do": "close"}).status_code == 403
    assert Room.objects.get().status == Room.Status.OPEN


def test_a_host_who_is_too_early_is_told_so(client: Client, ada: User, tonight: Event, at: datetime) -> None:
    Event.objects.filter(pk=tonight.pk).update(starts_at=at + timedelta(days=1))
    client.force_login(ada)
    shown = client.post(f"/rooms/{tonight.slug}/doors", {"do": "open"}, follow=True).content.decode()
    assert "Doors open at most two hours before the start." in shown
