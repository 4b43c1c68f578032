"""What shows that an evening took place."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest

from accounts.models import User
from payments.evidence import Fact
from payments.models import Transfer
from rooms import delivery, doors, evidence, stage, tasks
from rooms.models import DeliveryFact, Room, Seat
from tests import factories
from tests.rooms import people
from ticketing.models import Event, Order, Ticket

pytestmark = pytest.mark.django_db


@pytest.fixture
def begun(tonight: Event, adas_seat: Seat, at: datetime) -> Event:
    """Return the event ten minutes after its start, with doors that were open all the while."""
    Event.objects.filter(pk=tonight.pk).update(starts_at=at - timedelta(minutes=10))
    Room.objects.update(opened_at=at - timedelta(minutes=20))
    tonight.refresh_from_db()
    return tonight


def tell(
    seat: Seat, at: datetime, *, passed: float, hearing: Sequence[Seat] = (), audible: Sequence[Seat] = ()
) -> None:
    delivery.heard(
        room_id=seat.room_id,
        hearing=[one.pk for one in hearing],
        audible=[one.pk for one in audible],
        seconds=5.01,
        at=at + timedelta(seconds=passed),
    )


def seconds(kind: DeliveryFact.Kind) -> list[int]:
    return list(
        DeliveryFact.objects.filter(kind=kind).order_by("ticket_id").values_list("seconds", flat=True)
    )


def test_seconds_heard_are_counted_for_each_ticket(
    adas_seat: Seat, bens_seat: Seat, bens_ticket: Ticket, at: datetime
) -> None:
    for passed in (0, 5, 10):
        tell(adas_seat, at, passed=passed, hearing=[adas_seat, bens_seat])
    assert seconds(DeliveryFact.Kind.TICKET) == [15]
    assert DeliveryFact.objects.get().ticket == bens_ticket


def test_what_is_told_twice_counts_once(adas_seat: Seat, bens_seat: Seat, at: datetime) -> None:
    for passed in (0, 0.1, 5, 5.1, 10, 10.1):
        tell(adas_seat, at, passed=passed, hearing=[bens_seat])
    assert seconds(DeliveryFact.Kind.TICKET) == [15]


def test_edges_tell_of_their_own_listeners_and_the_mixer_of_the_stage(
    adas_seat: Seat, bens_seat: Seat, tonight: Event, begun: Event, at: datetime
) -> None:
    other = people.sit(people.fan(tonight), tonight, at)
    stage.step_up(by=adas_seat)
    stage.unmute(by=adas_seat)
    for passed in (0.0, 5.0):
        tell(adas_seat, at, passed=passed, hearing=[bens_seat])
        tell(adas_seat, at, passed=passed + 1.2, hearing=[other])
        tell(adas_seat, at, passed=passed + 2.7, audible=[adas_seat])
    assert seconds(DeliveryFact.Kind.TICKET) == [10, 10]
    assert seconds(DeliveryFact.Kind.HOST) == [10]


def test_the_stage_counts_only_while_somebody_there_is_unmuted(
    adas_seat: Seat, begun: Event, at: datetime
) -> None:
    stage.step_up(by=adas_seat)
    tell(adas_seat, at, passed=0, audible=[adas_seat])
    stage.unmute(by=adas_seat)
    tell(adas_seat, at, passed=5, audible=[adas_seat])
    tell(adas_seat, at, passed=10)
    assert seconds(DeliveryFact.Kind.HOST) == [5]


def test_a_guest_on_stage_counts_for_the_hosts(
    adas_seat: Seat, bens_seat: Seat, begun: Event, at: datetime
) -> None:
    stage.invite(by=adas_seat, seat=bens_seat, at=at)
    stage.step_up(by=bens_seat)
    stage.unmute(by=bens_seat)
    tell(adas_seat, at, passed=0, audible=[bens_seat])
    assert seconds(DeliveryFact.Kind.HOST) == [5]


def test_a_stranger_s_seat_counts_for_nobody(adas_seat: Seat, at: datetime) -> None:
    delivery.heard(room_id=adas_seat.room_id, hearing=["0" * 32], audible=["0" * 32], seconds=5, at=at)
    assert DeliveryFact.objects.count() == 0


@pytest.mark.parametrize("listeners", [1, 3])
def test_counting_costs_one_query_however_many_listen(
    listeners: int, adas_seat: Seat, tonight: Event, at: datetime, django_assert_num_queries: Any
) -> None:
    seats = [people.sit(people.fan(tonight), tonight, at) for _ in range(listeners)]
    with django_assert_num_queries(1):
        tell(adas_seat, at, passed=0, hearing=seats)
    assert len(seconds(DeliveryFact.Kind.TICKET)) == listeners


@pytest.mark.parametrize(("planned", "needed"), [(60, 600), (50, 600), (20, 240), (1, 12)])
def test_enough_is_ten_minutes_or_a_fifth(planned: int, needed: int) -> None:
    assert delivery.enough(planned) == needed


def test_what_is_heard_before_the_start_counts_for_nothing_and_across_it_in_part(
    adas_seat: Seat, bens_seat: Seat, tonight: Event, at: datetime
) -> None:
    stage.step_up(by=adas_seat)
    stage.unmute(by=adas_seat)
    start = (tonight.starts_at - at).total_seconds()
    for passed in (start - 20, start - 5, start, start + 3):
        tell(adas_seat, at, passed=passed, hearing=[bens_seat], audible=[adas_seat])
    assert seconds(DeliveryFact.Kind.HOST) == [3]


def test_an_empty_room_counts_only_after_there_was_time_to_come(
    adas_seat: Seat, tonight: Event, at: datetime
) -> None:
    stage.step_up(by=adas_seat)
    stage.unmute(by=adas_seat)
    start = (tonight.starts_at - at).total_seconds()
    for passed in (start + 60, start + 299, start + 300):
        tell(adas_seat, at, passed=passed, audible=[adas_seat])
    assert seconds(DeliveryFact.Kind.HOST) == [5]


def test_the_length_that_was_sold_counts_whatever_the_event_says_now(
    adas_seat: Seat, bens_ticket: Ticket, tonight: Event, at: datetime
) -> None:
    Order.objects.filter(event=tonight).update(sold_minutes=90, sold_starts_at=tonight.starts_at)
    Event.objects.filter(pk=tonight.pk).update(minutes=1)
    DeliveryFact.objects.create(event=tonight, kind="host", seconds=599, first_at=at, last_at=at)
    tonight.refresh_from_db()
    assert not delivery.is_enough(tonight)
    DeliveryFact.objects.update(seconds=600)
    assert delivery.is_enough(tonight)


def test_the_start_that_was_sold_counts_whatever_the_event_says_now(
    adas_seat: Seat, bens_ticket: Ticket, tonight: Event, at: datetime
) -> None:
    later = tonight.starts_at + timedelta(minutes=30)
    Order.objects.filter(event=tonight).update(sold_minutes=tonight.minutes, sold_starts_at=later)
    DeliveryFact.objects.create(event=tonight, kind="host", seconds=1800, first_at=at, last_at=at)
    assert not delivery.is_enough(tonight)


@pytest.mark.parametrize(
    ("heard", "verdict"),
    [
        (600, Event.Delivery.DELIVERED),
        (599, Event.Delivery.NOT_DELIVERED),
        (None, Event.Delivery.NOT_DELIVERED),
    ],
)
def test_the_verdict_falls_when_the_room_closes(
    heard: int | None, verdict: Event.Delivery, adas_seat: Seat, tonight: Event, at: datetime
) -> None:
    if heard is not None:
        DeliveryFact.objects.create(event=tonight, kind="host", seconds=heard, first_at=at, last_at=at)
    doors.close_room(by=adas_seat, at=at)
    tonight.refresh_from_db()
    assert tonight.delivery == verdict


# ---- Money


@pytest.fixture
def delivered(adas_seat: Seat, tonight: Event, at: datetime) -> Event:
    DeliveryFact.objects.create(event=tonight, kind="host", seconds=900, first_at=at, last_at=at)
    doors.close_room(by=adas_seat, at=at)
    tonight.refresh_from_db()
    return tonight


def test_money_is_released_after_the_holding_days_and_once(delivered: Event, at: datetime) -> None:
    assert delivery.release_due(at=at + timedelta(days=6, hours=23)) == 0
    assert delivery.release_due(at=at + timedelta(days=7)) == 1
    assert delivery.release_due(at=at + timedelta(days=8)) == 0
    delivered.refresh_from_db()
    assert delivered.money_released_at == at + timedelta(days=7)
    assert Transfer.objects.count() == 0  # nobody had paid


def test_who_heard_is_forgotten_once_the_money_is_settled(
    delivered: Event, bens_ticket: Ticket, at: datetime
) -> None:
    another = factories.TicketFactory.create(ticket_type=bens_ticket.ticket_type)
    for ticket, heard in ((bens_ticket, 40), (another, 2)):
        DeliveryFact.objects.create(
            event=delivered, kind="ticket", ticket=ticket, seconds=heard, first_at=at, last_at=at
        )
    before = evidence.delivery_facts(payee=delivered.club.payee)
    assert delivery.forget_who_heard(at=at) == 0  # a reviewer, or a bank, may still ask

    tasks.release_money()
    assert DeliveryFact.objects.filter(kind="ticket").count() == 2
    Event.objects.filter(pk=delivered.pk).update(ended_at=at - timedelta(days=7))
    tasks.release_money()

    facts = DeliveryFact.objects.exclude(kind__in=["doors", "host"])
    together: list[Any] = list(facts.values_list("kind", "ticket", "tickets", "seconds"))
    assert together == [("all", None, 2, 42)]
    assert evidence.delivery_facts(payee=delivered.club.payee) == before
    assert delivery.forget_who_heard(at=at) == 0


def test_money_of_an_evening_that_goes_back_is_not_released(
    delivered: Event, ada: User, at: datetime
) -> None:
    Event.objects.filter(pk=delivered.pk).update(
        refunding_since=at, refunding_because="It was not what we promised", refunding_by=ada
    )
    assert delivery.release_due(at=at + timedelta(days=7)) == 0


def test_the_reviewer_is_told_what_took_place(delivered: Event, bens_ticket: Ticket, at: datetime) -> None:
    DeliveryFact.objects.create(
        event=delivered, kind="ticket", ticket=bens_ticket, seconds=5, first_at=at, last_at=at
    )
    assert evidence.delivery_facts(payee=delivered.club.payee) == [
        Fact("Events that took place", "1", "success"),
        Fact("Events that did not take place", "0", "neutral"),
        Fact("Minutes heard on stage", "15"),
        Fact("Tickets that heard a room", "1", "neutral"),
    ]


def test_what_speaks_against_an_evening_stands_red_on_the_desk(
    delivered: Event, bens_ticket: Ticket, at: datetime
) -> None:
    buyer = Order.objects.get(event=delivered).buyer
    charge = factories.ChargeFactory.create(payee=delivered.club.payee, buyer=buyer)
    Order.objects.filter(event=delivered).update(
        charge=charge,
        total_minor=charge.amount_minor,
        sold_minutes=delivered.minutes + 30,
        sold_starts_at=delivered.starts_at,
    )
    red = [fact for fact in evidence.delivery_facts(payee=delivered.club.payee) if fact.tone == "danger"]
    assert red == [
        Fact("Events that took place and no ticket heard", "1", "danger"),
        Fact("Events heard for less than half of what was sold", "1", "danger"),
        Fact("Events that differ from what was sold", "1", "danger"),
    ]


def test_an_evening_as_it_was_sold_has_nothing_in_red(
    delivered: Event, bens_ticket: Ticket, at: datetime
) -> None:
    Order.objects.filter(event=delivered).update(sold_minutes=30, sold_starts_at=delivered.starts_at)
    tones = [fact.tone for fact in evidence.delivery_facts(payee=delivered.club.payee)]
    assert "danger" not in tones
