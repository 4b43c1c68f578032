"""What follows when Stripe tells of a checkout."""

from collections.abc import Callable
from datetime import datetime

import pytest

from accounts.models import User
from payments.models import StripeEvent
from payments.sandbox.serve import StandIn
from payments.stripe_records import CheckoutState, Paid
from tests.ticketing import box_office
from ticketing import stripe_events
from ticketing.models import Order, TicketType

pytestmark = pytest.mark.django_db


def test_a_checkout_that_ran_out_gives_the_seats_back(
    stand_in: StandIn, deliver: Callable[[], int], ben: User, seat: TicketType, at: datetime
) -> None:
    order = box_office.hold(ben, seat, 2, at=at)
    box_office.checkout(order, at=at)
    stand_in.advance(2 * 60 * 60)
    deliver()
    assert (box_office.again(order).status, box_office.counts(seat)) == (Order.Status.EXPIRED, (0, 0))


def test_a_declined_card_changes_nothing(
    stand_in: StandIn, deliver: Callable[[], int], ben: User, seat: TicketType, at: datetime
) -> None:
    order = box_office.hold(ben, seat, at=at)
    session = box_office.checkout(order, at=at)
    with pytest.raises(Exception, match="declined"):
        stand_in.pay(session, card="4000000000000002")
    deliver()
    assert (box_office.again(order).status, box_office.counts(seat)) == (Order.Status.HELD, (1, 0))


def test_webhooks_that_come_twice_and_shuffled_seat_once(
    stand_in: StandIn,
    deliver: Callable[[], int],
    monkeypatch: pytest.MonkeyPatch,
    ben: User,
    seat: TicketType,
    at: datetime,
) -> None:
    order = box_office.hold(ben, seat, at=at)
    session = box_office.checkout(order, at=at)
    monkeypatch.setattr(stand_in.switches, "duplicate", 3)
    monkeypatch.setattr(stand_in.switches, "reorder", True)
    stand_in.pay(session)
    deliver()
    assert (box_office.again(order).status, box_office.counts(seat)) == (Order.Status.PAID, (0, 1))


def test_what_another_installation_sold_is_passed_over(at: datetime) -> None:
    theirs = CheckoutState(id="cs_theirs", state=Paid.PAID, kind="order", reference="order-of-somebody-else")
    stripe_events.checkout_told(event=StripeEvent(stripe_id="evt_1"), session=theirs, at=at)
    assert Order.objects.count() == 0
