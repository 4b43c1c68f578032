"""Who may come in by a ticket."""

from datetime import datetime

import pytest
from django.contrib.auth.models import AnonymousUser

from accounts.models import User
from payments.sandbox.serve import StandIn
from tests import factories
from tests.ticketing import box_office
from ticketing import aftersales, entitlement, sales
from ticketing.entitlement import Standing
from ticketing.models import Event, TicketType

pytestmark = pytest.mark.django_db


def test_a_stranger_holds_nothing(max: User, event: Event) -> None:
    assert [entitlement.standing(user, event) for user in (max, AnonymousUser())] == [Standing.NONE] * 2


def test_who_is_paying_keeps_the_place(
    stand_in: StandIn, ben: User, event: Event, seat: TicketType, at: datetime
) -> None:
    order = box_office.hold(ben, seat, at=at)
    assert entitlement.standing(ben, event) == Standing.NONE  # Stripe was not asked yet
    sales.start_checkout(order=order, at=at)
    assert entitlement.standing(ben, event) == Standing.CONFIRMING
    assert entitlement.order_under_way(ben, event) == order
    box_office.pay(order, at=at)
    assert entitlement.standing(ben, event) == Standing.TICKET


def test_a_ticket_is_for_its_own_evening(ben: User, event: Event, seat: TicketType, at: datetime) -> None:
    order = box_office.buy(ben, seat, at=at)
    assert entitlement.holds_ticket(ben, event) == order.tickets.get()
    assert entitlement.holds_ticket(ben, factories.EventFactory.create(club=event.club)) is None


def test_after_a_refund_nothing_is_left(
    ada: User, ben: User, event: Event, seat: TicketType, at: datetime
) -> None:
    order = box_office.buy(ben, seat, at=at)
    aftersales.refund(order=order, by=ada, reason="Ill", at=at)
    assert entitlement.standing(ben, event) == Standing.NONE


def test_who_bought_for_friends_only_holds_none(ben: User, max: User, seat: TicketType, at: datetime) -> None:
    box_office.buy(ben, seat, 2, at=at)
    assert entitlement.holds_ticket(max, seat.event) is None
