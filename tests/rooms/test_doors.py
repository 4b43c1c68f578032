"""Opening, closing, and hosts who stay away."""

from datetime import datetime, timedelta

import pytest

from accounts.models import User
from clubs.models import Officer
from rooms import admission, doors, presence
from rooms.models import Ban, DeliveryFact, Grant, Room, Seat
from rooms.stage import NotAllowed
from tests import factories
from tests.rooms import people
from ticketing import programme
from ticketing.models import Event

pytestmark = pytest.mark.django_db


def test_opening_the_doors_puts_the_event_on_air(ada: User, tonight: Event, at: datetime) -> None:
    doors.open_doors(by=people.sit(ada, tonight, at), at=at)
    tonight.refresh_from_db()
    assert (Room.objects.get().status, Room.objects.get().opened_at) == (Room.Status.OPEN, at)
    assert tonight.status == Event.Status.LIVE


def test_doors_open_two_hours_before_the_start_and_no_earlier(
    ada: User, tonight: Event, at: datetime
) -> None:
    seat = people.sit(ada, tonight, at)
    with pytest.raises(doors.TooEarly):
        doors.open_doors(by=seat, at=tonight.starts_at - timedelta(hours=2, seconds=1))
    doors.open_doors(by=seat, at=tonight.starts_at - timedelta(hours=2))


def test_doors_open_once(adas_seat: Seat, at: datetime) -> None:
    with pytest.raises(doors.DoorsHaveMoved):
        doors.open_doors(by=adas_seat, at=at)


def test_a_moderator_opens_and_closes_nothing(adas_seat: Seat, tonight: Event, at: datetime) -> None:
    moderator = people.sit(people.officer(tonight, Officer.Role.MODERATOR), tonight, at)
    for move_doors in (doors.open_doors, doors.close_room):
        with pytest.raises(NotAllowed):
            move_doors(by=moderator, at=at)


def test_a_closed_room_forgets_who_was_there_and_keeps_what_was_delivered(
    adas_seat: Seat, bens_seat: Seat, at: datetime
) -> None:
    Ban.objects.create(room=adas_seat.room, user=people.fan(adas_seat.room.event), by=adas_seat.user, at=at)
    doors.close_room(by=adas_seat, at=at + timedelta(minutes=30))
    assert [model.objects.count() for model in (Seat, Grant, Ban)] == [0, 0, 0]
    assert [(fact.kind, fact.seconds) for fact in DeliveryFact.objects.all()] == [("doors", 1800)]


def test_a_room_that_was_never_opened_is_not_closed_by_hand(ada: User, tonight: Event, at: datetime) -> None:
    with pytest.raises(doors.DoorsHaveMoved):
        doors.close_room(by=people.sit(ada, tonight, at), at=at)


def test_a_room_closes_with_its_cancelled_event(ada: User, tonight: Event, at: datetime) -> None:
    people.sit(ada, tonight, at)
    factories.put_down_as(tonight, Event.Status.CANCELLED, at=at)
    assert doors.close_forgotten(at=at) == 1
    assert Room.objects.get().status == Room.Status.CLOSED


def test_an_evening_nobody_opened_is_not_delivered(ada: User, tonight: Event, at: datetime) -> None:
    people.sit(ada, tonight, at)
    late = tonight.ends_at + programme.MISSED_AFTER + timedelta(minutes=1)
    programme.end_missed(at=late)
    assert doors.close_forgotten(at=late) == 1
    tonight.refresh_from_db()
    assert (tonight.status, tonight.delivery) == (Event.Status.ENDED, Event.Delivery.NOT_DELIVERED)


# ---- Hosts who stay away


def minutes(at: datetime, passed: float) -> datetime:
    return at + timedelta(minutes=passed)


@pytest.fixture
def mos_seat(adas_seat: Seat, tonight: Event, at: datetime) -> Seat:
    return people.sit(people.officer(tonight, Officer.Role.MODERATOR), tonight, at)


def test_after_a_minute_the_longest_present_moderator_becomes_host(
    adas_seat: Seat, mos_seat: Seat, tonight: Event, at: datetime
) -> None:
    later = people.sit(people.officer(tonight, Officer.Role.MODERATOR), tonight, minutes(at, 0.1))
    presence.away(seat=adas_seat, at=at)
    doors.watch_hosts(at=at)
    doors.watch_hosts(at=minutes(at, 1))
    assert people.now(mos_seat).role == Seat.Role.MODERATOR
    doors.watch_hosts(at=minutes(at, 1.1))
    assert (people.now(mos_seat).role, people.now(later).role) == (Seat.Role.HOST, Seat.Role.MODERATOR)
    assert Room.objects.get().host_gone_at is None


def test_who_inherited_the_role_keeps_it_when_they_come_back(
    adas_seat: Seat, mos_seat: Seat, tonight: Event, at: datetime
) -> None:
    Seat.objects.filter(pk=mos_seat.pk).update(role=Seat.Role.HOST, is_deputy=True)
    again = admission.admit(user=mos_seat.user, event=tonight, tab=people.TAB, at=at, take_over=True)
    assert again.seat.role == Seat.Role.HOST


def test_a_host_who_comes_back_in_time_stays_host(adas_seat: Seat, mos_seat: Seat, at: datetime) -> None:
    presence.away(seat=adas_seat, at=at)
    doors.watch_hosts(at=at)
    assert Room.objects.get().host_gone_at == at
    presence.connect(seat=adas_seat, at=minutes(at, 0.5))
    assert Room.objects.get().host_gone_at is None
    doors.watch_hosts(at=minutes(at, 2))
    assert people.now(mos_seat).role == Seat.Role.MODERATOR


def test_with_nobody_to_pass_it_to_the_room_waits_and_then_closes(
    adas_seat: Seat, bens_seat: Seat, at: datetime
) -> None:
    presence.leave(seat=adas_seat, at=at)
    doors.watch_hosts(at=at)
    doors.watch_hosts(at=minutes(at, 5))
    assert doors.close_forgotten(at=minutes(at, 15)) == 0
    assert doors.close_forgotten(at=minutes(at, 15.1)) == 1
    assert Event.objects.get().status == Event.Status.ENDED
