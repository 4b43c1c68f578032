"""Opening, closing, and hosts who stay away."""

from datetime import datetime, timedelta

import pytest

from accounts.models import Letter, User
from clubs.models import Officer
from rooms import admission, doors, presence
from rooms.models import Ban, DeliveryFact, Grant, Room, Seat
from rooms.protocol import Close
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


@pytest.fixture
def hostless(adas_seat: Seat, bens_seat: Seat, at: datetime) -> Room:
    """Return an open room, ten minutes before its start, that its host has left."""
    presence.leave(seat=adas_seat, at=at)
    doors.watch_hosts(at=at)
    return adas_seat.room


def test_before_the_end_a_room_that_lost_its_host_waits_and_then_shuts_its_doors(
    hostless: Room, bens_seat: Seat, ben: User, ada: User, tonight: Event, at: datetime
) -> None:
    doors.watch_hosts(at=minutes(at, 5))
    assert doors.close_forgotten(at=minutes(at, 15)) == 0
    assert doors.close_forgotten(at=minutes(at, 15.1)) == 1
    room = Room.objects.get()
    assert (room.status, room.opened_at, room.shut_again_at) == (Room.Status.SHUT, None, minutes(at, 15.1))
    assert Event.objects.get().status == Event.Status.PUBLISHED
    assert people.now(bens_seat).closed_with == Close.ASK_AGAIN
    waits = admission.may_enter(user=ben, event=tonight, at=minutes(at, 16))
    assert waits.code == admission.Code.DOORS_SHUT
    [letter] = Letter.objects.filter(to=ada.email)
    assert letter.subject == "Your room has no host: An evening of ghost stories"
    assert doors.close_forgotten(at=minutes(at, 15.2)) == 0


def test_a_host_who_comes_back_opens_the_doors_that_were_shut_again(
    hostless: Room, ada: User, ben: User, tonight: Event, at: datetime
) -> None:
    doors.close_forgotten(at=minutes(at, 16))
    doors.open_doors(by=people.sit(ada, tonight, minutes(at, 20)), at=minutes(at, 20))
    room = Room.objects.get()
    assert (room.status, room.shut_again_at) == (Room.Status.OPEN, None)
    assert Event.objects.get().status == Event.Status.LIVE
    assert people.sit(ben, tonight, minutes(at, 21)).status == Seat.Status.PRESENT
    doors.close_room(by=Seat.objects.get(user=ada, status="present"), at=minutes(at, 50))
    [fact] = DeliveryFact.objects.all()
    assert (fact.kind, fact.seconds) == ("doors", (16 + 30) * 60)  # while they were open, and no more


def test_after_the_planned_end_a_room_that_lost_its_host_is_closed(
    hostless: Room, tonight: Event, at: datetime
) -> None:
    assert doors.close_forgotten(at=tonight.ends_at) == 1
    tonight.refresh_from_db()
    assert (tonight.status, tonight.delivery) == (Event.Status.ENDED, Event.Delivery.NOT_DELIVERED)


@pytest.mark.parametrize(
    ("heard", "verdict"),
    [(600, Event.Delivery.DELIVERED), (599, Event.Delivery.NOT_DELIVERED)],
)
def test_doors_that_were_shut_again_close_at_the_planned_end_and_what_was_heard_counts(
    heard: int, verdict: Event.Delivery, hostless: Room, tonight: Event, at: datetime
) -> None:
    DeliveryFact.objects.create(event=tonight, kind="host", seconds=heard, first_at=at, last_at=at)
    doors.close_forgotten(at=minutes(at, 16))
    assert doors.close_forgotten(at=tonight.ends_at - timedelta(seconds=1)) == 0
    assert doors.close_forgotten(at=tonight.ends_at) == 1
    tonight.refresh_from_db()
    assert (tonight.status, tonight.delivery) == (Event.Status.ENDED, verdict)
