"""What the room's page says to whom: before the start, after it, on the way out, and to the team."""

from datetime import datetime, timedelta

import pytest
from django.test import Client
from django.utils.timezone import now
from lxml.html import HtmlElement, document_fromstring

from accounts.models import User
from clubs.models import Officer
from rooms import callboard, doors, presence
from rooms.models import DeliveryFact, Room, Seat
from tests.rooms import people
from ticketing.models import Event, Ticket

pytestmark = pytest.mark.django_db


def page(client: Client, event: Event, user: User) -> HtmlElement:
    client.force_login(user)
    return document_fromstring(client.get(f"/rooms/{event.slug}/").content.decode())


def title(shown: HtmlElement) -> str:
    return " ".join(shown.cssselect(".curtain h2")[0].text_content().split())


@pytest.mark.parametrize(
    ("starts_in", "says", "is_late"),
    [(5, "The doors are not open yet", False), (-5, "The host is late", True)],
)
def test_who_waits_is_told_that_the_host_is_late(
    starts_in: int, says: str, is_late: int, client: Client, ben: User, bens_ticket: Ticket, tonight: Event
) -> None:
    Event.objects.filter(pk=tonight.pk).update(starts_at=now() + timedelta(minutes=starts_in))
    shown = page(client, tonight, ben)
    assert title(shown) == says
    assert (shown.cssselect("[data-late]")[0].get("hidden") is None) == is_late


def test_who_waits_before_doors_that_shut_again_is_told_why(
    client: Client, ben: User, bens_ticket: Ticket, tonight: Event, adas_seat: Seat, at: datetime
) -> None:
    presence.leave(seat=adas_seat, at=at)
    doors.watch_hosts(at=at)
    doors.close_forgotten(at=at + timedelta(minutes=16))
    shown = page(client, tonight, ben)
    assert title(shown) == "The doors are shut again"
    assert shown.cssselect("[data-shut-again]") != []


def test_nothing_on_the_page_is_pressed_and_changes_its_label_as_well(
    client: Client, ada: User, tonight: Event
) -> None:
    shown = page(client, tonight, ada)
    assert [one.get("data-control") for one in shown.cssselect(".control")] != []
    assert shown.cssselect(".control[aria-pressed]") == []


def test_dialogs_have_one_padding(client: Client, ada: User, tonight: Event) -> None:
    shown = page(client, tonight, ada)
    inside = {
        dialog.get("id"): [child.get("class") for child in dialog] for dialog in shown.cssselect("dialog")
    }
    assert inside == {name: ["dialog__body"] for name in ("close-room", "leave-room", "remove-person")}


# ---- What it costs


def cost(client: Client, event: Event, user: User) -> dict[str, object]:
    client.force_login(user)
    answer = client.get(f"/rooms/{event.slug}/cost")
    return dict(answer.json(), status=answer.status_code)


def test_a_host_is_told_beforehand_that_an_evening_will_not_count(
    client: Client, ada: User, adas_seat: Seat, tonight: Event, at: datetime
) -> None:
    DeliveryFact.objects.create(event=tonight, kind="host", seconds=240, first_at=at, last_at=at)
    told = cost(client, tonight, ada)
    assert told["counts"] is False
    assert told["close"] == (
        "4 of the 10 minutes that make it count have been heard since the start. "
        "If you close now, nothing that was paid is released, and all who paid get their money back."
    )
    assert str(told["leave"]).endswith("After that, all who paid get their money back.")


def test_a_host_is_told_when_enough_was_heard(
    client: Client, ada: User, adas_seat: Seat, tonight: Event, at: datetime
) -> None:
    DeliveryFact.objects.create(event=tonight, kind="host", seconds=600, first_at=at, last_at=at)
    assert cost(client, tonight, ada)["counts"] is True


def test_what_it_costs_is_told_to_hosts_alone(
    client: Client, ben: User, bens_seat: Seat, tonight: Event, at: datetime
) -> None:
    moderator = people.officer(tonight, Officer.Role.MODERATOR)
    assert [cost(client, tonight, who)["status"] for who in (ben, moderator)] == [403, 403]


# ---- Hosts who are away


@pytest.mark.parametrize("leaves", [True, False])
def test_a_host_who_leaves_is_not_lost(leaves: int, adas_seat: Seat, bens_seat: Seat, at: datetime) -> None:
    (presence.leave if leaves else presence.away)(seat=adas_seat, at=at)
    doors.watch_hosts(at=at)
    seen = callboard.view(Room.objects.get())
    assert (seen.host_gone, seen.host_left) == (True, bool(leaves))


# ---- The team's rooms


@pytest.mark.parametrize(
    ("role", "finds"),
    [
        (Officer.Role.OWNER, True),
        (Officer.Role.HOST, True),
        (Officer.Role.MODERATOR, True),
        (Officer.Role.CASHIER, False),
    ],
)
def test_the_team_finds_its_rooms(role: Officer.Role, finds: int, client: Client, tonight: Event) -> None:
    client.force_login(people.officer(tonight, role))
    Event.objects.filter(pk=tonight.pk).update(starts_at=now() + timedelta(hours=1))
    for address in ("/tickets/", f"/events/{tonight.slug}/"):
        assert (f"/rooms/{tonight.slug}/" in client.get(address).content.decode()) == finds, address
