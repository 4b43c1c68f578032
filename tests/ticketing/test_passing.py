"""Tickets passed on by a link."""

from datetime import datetime

import pytest

from accounts.models import Letter, User
from tests.ticketing import box_office
from ticketing import aftersales, entitlement, passing, programme
from ticketing.models import Event, Order, Ticket, TicketType

pytestmark = pytest.mark.django_db


@pytest.fixture
def order(ben: User, seat: TicketType, at: datetime) -> Order:
    """Return Ben's order of two: his own, and one to pass on."""
    return box_office.buy(ben, seat, 2, at=at)


@pytest.fixture
def passed(order: Order) -> Ticket:
    return order.tickets.get(holder=None)


def token(ticket: Ticket) -> str:
    return ticket.pass_path.rstrip("/").rpartition("/")[2]


def test_whoever_follows_the_link_may_come_in(max: User, event: Event, passed: Ticket, at: datetime) -> None:
    passing.take(ticket=passing.read(token=token(passed)), by=max, at=at)
    assert entitlement.holds_ticket(max, event) == passed
    assert Letter.objects.get(to=max.email).subject == "Your way in: An evening of ghost stories"


def test_a_link_serves_one_guest(ada: User, max: User, passed: Ticket, at: datetime) -> None:
    passing.take(ticket=passing.read(token=token(passed)), by=max, at=at)
    with pytest.raises(passing.LinkIsVoid):
        passing.read(token=token(passed))
    with pytest.raises(passing.LinkIsVoid):
        passing.take(ticket=passed, by=ada, at=at)


def test_who_has_a_ticket_takes_no_second(ben: User, event: Event, passed: Ticket, at: datetime) -> None:
    with pytest.raises(passing.HasTicket):
        passing.take(ticket=passed, by=ben, at=at)
    assert entitlement.holds_ticket(ben, event) != passed


def test_a_new_link_makes_the_old_one_void(passed: Ticket) -> None:
    old = token(passed)
    passing.renew(ticket=passed)
    passed.refresh_from_db()
    assert passing.read(token=token(passed)) == passed
    with pytest.raises(passing.LinkIsVoid):
        passing.read(token=old)


def test_a_taken_ticket_gets_no_new_link(max: User, passed: Ticket, at: datetime) -> None:
    passing.take(ticket=passed, by=max, at=at)
    with pytest.raises(passing.LinkIsVoid):
        passing.renew(ticket=passed)


@pytest.mark.parametrize("made_up", ["", "x", "0" * 32 + "-0", "0" * 32 + "-0.AAAA", "%00"])
def test_a_link_cannot_be_made_up(made_up: str) -> None:
    with pytest.raises(passing.LinkIsVoid):
        passing.read(token=made_up)


def test_the_link_of_one_ticket_does_not_open_another(ben: User, order: Order, passed: Ticket) -> None:
    own = order.tickets.get(holder=ben)
    forged = token(passed).replace(passed.pk.hex, own.pk.hex)
    with pytest.raises(passing.LinkIsVoid):
        passing.read(token=forged)


def test_after_a_refund_the_link_is_void(ada: User, order: Order, passed: Ticket, at: datetime) -> None:
    aftersales.refund(order=order, by=ada, reason="Ill", at=at)
    with pytest.raises(passing.LinkIsVoid):
        passing.read(token=token(passed))


def test_after_the_evening_the_link_is_void(event: Event, passed: Ticket, at: datetime) -> None:
    programme.end(event=event, at=at)
    with pytest.raises(passing.LinkIsVoid):
        passing.read(token=token(passed))
