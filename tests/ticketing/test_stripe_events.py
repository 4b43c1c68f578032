"""What follows when Stripe tells of a checkout."""

from collections.abc import Callable
from datetime import datetime

import pytest

from accounts.models import Letter, User
from payments import books, refunds
from payments.models import StripeEvent
from payments.sandbox.serve import StandIn
from payments.stripe_records import CheckoutState, Paid
from tests.ticketing import box_office
from ticketing import aftersales, stripe_events
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


def test_a_whole_refund_made_at_stripe_ends_the_tickets_and_is_told_once(
    stand_in: StandIn, deliver: Callable[[], int], ben: User, seat: TicketType, at: datetime
) -> None:
    # The event was ignored: the money was back, and Ben walked in.
    order = box_office.hold(ben, seat, 2, at=at)
    stand_in.pay(box_office.checkout(order, at=at))
    deliver()
    stand_in.switches.turn({"duplicate": 2})
    charge = box_office.charge(order)
    stand_in.by_hand("refund", charge=charge.stripe_charge_id, amount=1000)
    deliver()
    assert (box_office.again(order).status, box_office.counts(seat)) == (Order.Status.PAID, (0, 2))
    stand_in.by_hand("refund", charge=charge.stripe_charge_id)
    deliver()
    assert (box_office.again(order).status, box_office.counts(seat)) == (Order.Status.REFUNDED, (0, 0))
    assert list(order.tickets.values_list("status", flat=True)) == ["dead", "dead"]
    assert Letter.objects.filter(key=f"order-refunded-{order.pk}").count() == 1
    assert books.check(ask_stripe=True) == []


def test_a_refund_of_ours_is_not_told_twice_when_stripe_tells_of_it(
    stand_in: StandIn, deliver: Callable[[], int], ben: User, seat: TicketType, at: datetime
) -> None:
    order = box_office.hold(ben, seat, at=at)
    stand_in.pay(box_office.checkout(order, at=at))
    deliver()
    given = aftersales.refund(order=box_office.again(order), by=None, reason="ill", at=at)
    assert given is not None
    refunds.send(refund=given, at=at)
    deliver()
    assert box_office.again(order).status == Order.Status.REFUNDED
    assert given.charge.refunds.count() == 1
    assert Letter.objects.filter(key__startswith="order-refunded").count() == 1
