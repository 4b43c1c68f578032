"""Whatever an evening was like: money is released only for one that was heard as it was sold."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from accounts.models import User
from rooms import delivery, doors, stage
from rooms.models import DeliveryFact, Room, Seat
from tests.rooms import people
from ticketing.models import Event, Order, Ticket

pytestmark = pytest.mark.django_db

MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class Stretch:
    """Some minutes in which nothing changes."""

    minutes: int
    sounds: bool
    heard: bool


@dataclass(frozen=True)
class Evening:
    """Doors open so many minutes after the planned start (or before it), and what went on then."""

    opened: int
    sold_minutes: int
    stretches: tuple[Stretch, ...]


stretches = some.builds(Stretch, minutes=some.integers(1, 25), sounds=some.booleans(), heard=some.booleans())
evenings = some.builds(
    Evening,
    opened=some.integers(-100, 20),
    sold_minutes=some.sampled_from([1, 10, 30, 90]),
    stretches=some.lists(stretches, max_size=5).map(tuple),
)


def minutes_that_count(evening: Evening) -> int:
    """Count them as the decision says it, minute by minute: the one that ends at `now`."""
    count, now = 0, evening.opened
    for stretch in evening.stretches:
        for _ in range(stretch.minutes):
            now += 1
            had_time_to_come = now >= max(evening.opened, 0) + 5
            count += now >= 1 and stretch.sounds and (stretch.heard or had_time_to_come)
    return count


def take_place(evening: Evening, host: Seat, fan: Seat, start: datetime) -> datetime:
    at = start + evening.opened * MINUTE
    Room.objects.filter(pk=host.room_id).update(opened_at=at)
    for stretch in evening.stretches:
        for _ in range(stretch.minutes):
            at += MINUTE
            if stretch.heard:
                tell(host, at, hearing=[fan.pk])
            if stretch.sounds:
                tell(host, at, audible=[host.pk])
    return at


def tell(
    host: Seat, at: datetime, *, hearing: list[str] | None = None, audible: list[str] | None = None
) -> None:
    delivery.heard(room_id=host.room_id, hearing=hearing or [], audible=audible or [], seconds=60, at=at)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(evening=evenings)
def test_an_evening_is_delivered_if_enough_of_it_was_heard_as_it_was_sold_and_only_then(
    evening: Evening,
    adas_seat: Seat,
    bens_seat: Seat,
    bens_ticket: Ticket,
    ada: User,
    tonight: Event,
    at: datetime,
) -> None:
    with transaction.atomic():
        Order.objects.filter(event=tonight).update(
            sold_minutes=evening.sold_minutes, sold_starts_at=tonight.starts_at
        )
        Event.objects.filter(pk=tonight.pk).update(minutes=1)  # as if somebody had shortened it since
        host = people.now(adas_seat)
        stage.step_up(by=host)
        stage.unmute(by=host)
        closed_at = take_place(evening, adas_seat, bens_seat, tonight.starts_at)
        doors.close_room(by=people.now(adas_seat), at=closed_at)
        enough = min(600, evening.sold_minutes * 60 // 5)
        expected = minutes_that_count(evening) * 60 >= enough
        verdict = Event.objects.get(pk=tonight.pk).delivery
        assert verdict == (Event.Delivery.DELIVERED if expected else Event.Delivery.NOT_DELIVERED)
        assert (delivery.release_due(at=closed_at + timedelta(days=30)) == 1) == expected
        doors_open = DeliveryFact.objects.filter(kind="doors").values_list("seconds", flat=True)
        assert sum(doors_open) == sum(one.minutes for one in evening.stretches) * 60
        transaction.set_rollback(True)


def test_silence_before_the_start_to_an_empty_room_is_no_evening_however_short_it_is_made(
    adas_seat: Seat, bens_seat: Seat, bens_ticket: Ticket, tonight: Event, at: datetime
) -> None:
    """Doors 100 minutes early, 20 seconds of silence, the length cut to a minute, closed before the start."""
    evening = Evening(opened=-100, sold_minutes=90, stretches=(Stretch(1, sounds=False, heard=False),))
    Order.objects.filter(event=tonight).update(sold_minutes=90, sold_starts_at=tonight.starts_at)
    Event.objects.filter(pk=tonight.pk).update(minutes=1)
    closed_at = take_place(evening, adas_seat, bens_seat, tonight.starts_at)
    doors.close_room(by=people.now(adas_seat), at=closed_at)
    assert Event.objects.get(pk=tonight.pk).delivery == Event.Delivery.NOT_DELIVERED
