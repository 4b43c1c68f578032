"""Sockets come, are lost, and are waited for."""

from datetime import datetime, timedelta

import pytest

from accounts.models import User
from payments.states import move
from rooms import admission, doors, presence, stage
from rooms.models import Room, Seat
from rooms.protocol import Close
from tests.rooms import people
from tests.rooms.people import OTHER_TAB, TAB
from ticketing.models import Event, Ticket

pytestmark = pytest.mark.django_db


def after(at: datetime, seconds: float) -> datetime:
    return at + timedelta(seconds=seconds)


def test_a_lost_seat_waits_45_seconds(bens_seat: Seat, at: datetime) -> None:
    presence.away(seat=bens_seat, at=at)
    assert presence.expire(at=after(at, 45)) == 0
    assert presence.expire(at=after(at, 46)) == 1
    assert people.now(bens_seat).status == Seat.Status.LEFT


def test_a_seat_whose_page_never_came_waits_a_minute(
    ben: User, bens_ticket: Ticket, adas_seat: Seat, tonight: Event, at: datetime
) -> None:
    seat = admission.admit(user=ben, event=tonight, tab=TAB, at=at).seat
    Seat.objects.filter(pk=adas_seat.pk).update(seen_at=after(at, 60))
    assert presence.expire(at=after(at, 60)) == 0
    assert presence.expire(at=after(at, 61)) == 1
    assert people.now(seat).status == Seat.Status.LEFT


def test_a_socket_that_says_nothing_is_given_up_though_nobody_saw_it_go(
    bens_seat: Seat, at: datetime
) -> None:
    assert presence.expire(at=after(at, 75)) == 0
    assert presence.expire(at=after(at, 76)) == 2  # Ada's as well: she said nothing either


def test_a_ping_keeps_the_seat(bens_seat: Seat, at: datetime) -> None:
    presence.touch(seat=bens_seat, at=after(at, 70))
    presence.expire(at=after(at, 80))
    assert people.now(bens_seat).status == Seat.Status.PRESENT


def test_who_is_on_stage_is_shown_as_away_and_then_taken_down(
    adas_seat: Seat, bens_seat: Seat, at: datetime
) -> None:
    stage.invite(by=adas_seat, seat=bens_seat, at=at)
    stage.step_up(by=bens_seat)
    before = Room.objects.get().seq
    presence.away(seat=bens_seat, at=at)
    presence.touch(seat=adas_seat, at=after(at, 46))
    presence.expire(at=after(at, 46))
    assert Room.objects.get().seq == before + 2
    assert people.now(bens_seat).stage == Seat.Stage.OFF


def test_the_socket_before_the_last_cannot_send_its_seat_away(bens_seat: Seat, at: datetime) -> None:
    presence.connect(seat=bens_seat, at=at)
    presence.away(seat=bens_seat, at=at)
    assert people.now(bens_seat).status == Seat.Status.PRESENT


def test_a_place_given_up_is_free_for_the_next(
    bens_seat: Seat, tonight: Event, at: datetime, settings: object
) -> None:
    settings.ROOM_CAPACITY = 2  # type: ignore[attr-defined]  # pytest-django's settings
    fan = people.fan(tonight)
    with pytest.raises(admission.NotAdmitted):
        admission.admit(user=fan, event=tonight, tab=TAB, at=at)
    presence.leave(seat=bens_seat, at=at)
    assert admission.admit(user=fan, event=tonight, tab=TAB, at=at).seat.is_seated


def gone(seat: Seat, at: datetime) -> Close:
    with pytest.raises(presence.Gone) as told:
        presence.touch(seat=seat, at=at)
    return told.value.code


def test_a_socket_learns_why_it_lost_its_seat(
    adas_seat: Seat, bens_seat: Seat, ben: User, tonight: Event, at: datetime
) -> None:
    fans = [people.sit(people.fan(tonight), tonight, at) for _ in range(3)]
    admission.admit(user=ben, event=tonight, tab=OTHER_TAB, at=at, take_over=True)
    stage.remove(by=adas_seat, seat=fans[0], reason="", at=at)
    admission.revoke(seats=[fans[1].pk], reason=admission.Reason.TICKET, at=at)
    move(people.now(fans[2]), Seat.Status.LEFT)
    assert [gone(seat, at) for seat in (bens_seat, *fans)] == [
        Close.TAKEN_OVER,
        Close.REMOVED,
        Close.TICKET_GONE,
        Close.BAD_GRANT,
    ]
    doors.close_room(by=adas_seat, at=at)
    assert gone(adas_seat, at) == Close.ROOM_CLOSED
