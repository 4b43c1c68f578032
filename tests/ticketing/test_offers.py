"""Ticket types: put up, changed, taken off sale."""

from dataclasses import replace
from datetime import datetime

import pytest

from accounts.models import User
from payments.money import Money
from tests import factories
from tests.ticketing import box_office
from ticketing import offers, seats
from ticketing.models import Event, TicketType
from ticketing.offers import Offer

pytestmark = pytest.mark.django_db


def told(ticket_type: TicketType) -> Offer:
    """Return what a ticket type says of itself, as the editor would send it back."""
    return Offer(
        pk=ticket_type.pk,
        name=ticket_type.name,
        price=ticket_type.price,
        capacity=ticket_type.capacity,
        per_person=ticket_type.per_person,
    )


def names(event: Event) -> list[str]:
    return [kind.name for kind in event.ticket_types.all()]


def test_types_stand_in_the_order_they_were_put_up(
    event: Event, seat: TicketType, standing: TicketType
) -> None:
    new = Offer(name="Balcony", price=Money(800, "EUR"), capacity=5)
    offers.put_up(event=event, offers=[new, told(standing), told(seat)])
    assert names(event) == ["Balcony", "Standing", "Seat"]


def test_a_change_leaves_the_counts_alone(ben: User, event: Event, seat: TicketType, at: datetime) -> None:
    stale = told(seat)
    box_office.buy(ben, seat, 2, at=at)
    offers.put_up(event=event, offers=[replace(stale, price=Money(900, "EUR"))])
    assert box_office.counts(seat) == (0, 2)
    assert seat.price == Money(900, "EUR")


def test_what_was_bought_keeps_its_price(ben: User, event: Event, seat: TicketType, at: datetime) -> None:
    order = box_office.buy(ben, seat, at=at)
    offers.put_up(event=event, offers=[replace(told(seat), price=Money(900, "EUR"))])
    assert order.tickets.get().price == Money(1200, "EUR")


def test_there_are_never_fewer_seats_than_are_taken(
    ben: User, event: Event, seat: TicketType, at: datetime
) -> None:
    box_office.hold(ben, seat, 3, at=at)
    seat.refresh_from_db()
    with pytest.raises(offers.FewerThanTaken) as refusal:
        offers.put_up(event=event, offers=[replace(told(seat), capacity=2)])
    assert refusal.value.ticket_type == seat
    offers.put_up(event=event, offers=[replace(told(seat), capacity=3)])


def test_what_is_left_out_goes_and_what_was_sold_stays_off_sale(
    ben: User, event: Event, seat: TicketType, standing: TicketType, at: datetime
) -> None:
    box_office.buy(ben, standing, at=at)
    offers.put_up(event=event, offers=[Offer(name="Balcony", price=Money(800, "EUR"))])
    assert names(event) == ["Balcony", "Standing"]
    with pytest.raises(seats.NotOnSale):
        box_office.hold(ben, standing, at=at)


def test_a_price_that_no_card_takes_is_refused(event: Event) -> None:
    with pytest.raises(offers.NotChargeable):
        offers.put_up(event=event, offers=[Offer(name="Cent", price=Money(49, "EUR"))])


def test_another_events_type_is_not_changed(event: Event) -> None:
    other = factories.TicketTypeFactory.create()
    with pytest.raises(offers.NotOfThisEvent):
        offers.put_up(event=event, offers=[told(other)])
