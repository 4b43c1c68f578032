"""A buyer goes to the bank before the sale is taken in, or before the refund is sent: nobody is forgotten."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client

from accounts.models import Letter, User
from payments import books, refund_standing, refunds
from payments.models import Case, Charge, Refund
from payments.sandbox.serve import StandIn
from tests.ticketing import box_office
from ticketing import aftersales, money_back
from ticketing.models import Event, Order, TicketType

pytestmark = pytest.mark.django_db
Deliver = Callable[[], int]


def moment(days: int = 0) -> datetime:
    """Return when the product looks again: events are taken in at the real time."""
    return datetime.now(UTC) + timedelta(days=days)


def stands(order: Order) -> str:
    charge = box_office.charge(order)
    return str(refund_standing.of([charge])[charge.pk].stands)


def close(stand_in: StandIn, *, won: bool) -> None:
    stand_in.by_hand("close_dispute", dispute=stand_in.objects("dispute")[0]["id"], won=won)


def open_cases() -> list[str]:
    return sorted(case.kind for case in Case.objects.filter(Case.OPEN))


def is_done(event: Event, *, days: int = 0) -> bool:
    money_back.give(at=moment(days))
    event.refresh_from_db()
    return event.refunding_done_at is not None


@pytest.fixture
def page(client: Client, ben: User) -> Callable[[Order], str]:
    def read(order: Order) -> str:
        client.force_login(ben)
        return client.get(order.get_absolute_url()).content.decode()

    return read


# ---- Disputed before its payment was taken in


@pytest.fixture
def early(
    stand_in: StandIn, deliver: Deliver, ada: User, ben: User, event: Event, seat: TicketType, at: datetime
) -> Order:
    """Return an order of an event called off, paid and disputed at Stripe; we know of the dispute only."""
    order = box_office.hold(ben, seat, at=at)
    stand_in.switches.turn({"hold_back": "checkout.session.completed"})
    stand_in.pay(box_office.checkout(order, at=at))
    stand_in.dispute(stand_in.objects("charge")[0]["id"])
    deliver()
    assert box_office.charge(order).status == Charge.Status.ASKED
    aftersales.cancel_event(event=event, by=ada, reason="Storm", at=at)
    return order


def tell(stand_in: StandIn, deliver: Deliver) -> None:
    stand_in.switches.turn({"hold_back": ""})
    while deliver():
        pass


@pytest.mark.parametrize("by", ["event", "sweep"])
@pytest.mark.parametrize("closed", ["before", "after"])
def test_a_payment_disputed_before_it_is_known_is_booked_and_left_to_the_bank(
    stand_in: StandIn,
    deliver: Deliver,
    early: Order,
    event: Event,
    page: Callable[[Order], str],
    by: str,
    closed: str,
) -> None:
    # Seen failing: the order stayed HELD, the sale was never booked, and two cases blamed Stripe's silence.
    if closed == "before":
        close(stand_in, won=False)
    if by == "sweep":
        money_back.give(at=moment())
    tell(stand_in, deliver)
    order = box_office.again(early)
    assert (order.status, box_office.charge(order).status) == (Order.Status.TOO_LATE, Charge.Status.PAID)
    refund = Refund.objects.get()
    assert (refund.status, refund.failure, stand_in.objects("refund")) == ("failed", "charge_disputed", [])
    letter = Letter.objects.get(key=f"order-too-late-{order.pk}")
    assert ("Your bank decides" in letter.subject, "on its way" in letter.text) == (True, False)
    assert (stands(order), "your bank decides about the money" in page(order)) == ("bank-decides", True)
    if closed == "after":
        assert (open_cases(), is_done(event, days=1)) == (["refund"], False)
        close(stand_in, won=False)
        deliver()
    assert (open_cases(), is_done(event, days=2)) == ([], True)
    assert "did not" not in Case.objects.get().what
    refunds.send_due(at=moment(30))
    assert (Refund.objects.count(), books.check(ask_stripe=True)) == (1, [])


def test_a_payment_disputed_before_it_is_known_goes_back_once_the_dispute_is_won(
    stand_in: StandIn, deliver: Deliver, early: Order, event: Event
) -> None:
    tell(stand_in, deliver)
    assert not is_done(event)
    close(stand_in, won=True)
    stand_in.switches.turn({"duplicate": 3, "reorder": True})
    tell(stand_in, deliver)
    refunds.send_due(at=moment())
    tell(stand_in, deliver)
    assert [refund["amount"] for refund in stand_in.objects("refund")] == [1200]
    assert (stands(early), open_cases(), is_done(event, days=1)) == ("given", [], True)
    assert Letter.objects.filter(key__startswith="refund-came-through").count() == 1
    assert books.check(ask_stripe=True) == []


def test_won_before_the_payment_is_known_it_goes_back_at_once(
    stand_in: StandIn, deliver: Deliver, early: Order, event: Event
) -> None:
    close(stand_in, won=True)
    deliver()
    tell(stand_in, deliver)
    refunds.send_due(at=moment())
    assert (box_office.again(early).status, stands(early), open_cases()) == ("too-late", "given", [])
    assert (is_done(event), books.check(ask_stripe=True)) == (True, [])


# ---- A dispute that overtakes the refund


@pytest.fixture
def overtaken(
    stand_in: StandIn, deliver: Deliver, ada: User, ben: User, event: Event, seat: TicketType, at: datetime
) -> Order:
    """Return an order whose refund is asked for, while its buyer has gone to the bank: we do not know yet."""
    order = box_office.hold(ben, seat, at=at)
    stand_in.pay(box_office.checkout(order, at=at))
    deliver()
    stand_in.switches.turn({"hold_back": "charge.dispute.created,charge.dispute.funds_withdrawn"})
    aftersales.cancel_event(event=event, by=ada, reason="Storm", at=at)
    money_back.give(at=at)
    stand_in.dispute(box_office.charge(order).stripe_charge_id or "")
    return order


@pytest.fixture(params=["refused first", "told first"])
def refused(request: pytest.FixtureRequest, stand_in: StandIn, deliver: Deliver, overtaken: Order) -> Order:
    """Return that order once Stripe has refused the refund and told of the dispute, in either order."""
    if request.param == "told first":
        tell(stand_in, deliver)
    refunds.send_due(at=moment())
    tell(stand_in, deliver)
    return overtaken


def test_refused_by_a_dispute_it_is_owed_and_told_and_the_event_is_not_done(
    event: Event, refused: Order, page: Callable[[Order], str], ben: User
) -> None:
    # Seen failing: nothing followed it, the event was done, and Ben read that his money is on its way.
    assert (box_office.again(refused).status, Refund.objects.get().failure) == ("refunded", "charge_disputed")
    assert (stands(refused), "your bank decides about the money" in page(refused)) == ("bank-decides", True)
    letter = Letter.objects.get(key=f"refund-late-{Refund.objects.get().pk}")
    assert (letter.to, "Your bank decides about it" in letter.text) == (ben.email, True)
    assert not is_done(event, days=1)
    assert [vars(order)["bank_decides"] for order in money_back.left_out(event)] == [True]
    assert (open_cases(), Letter.objects.filter(key__startswith="left-out").count()) == (["refund"], 0)
    assert "sent by itself" in Case.objects.get().what


def test_won_it_is_sent_by_itself_once(
    stand_in: StandIn, deliver: Deliver, event: Event, refused: Order
) -> None:
    assert not is_done(event, days=1)
    stand_in.switches.turn({"duplicate": 3, "reorder": True})
    close(stand_in, won=True)
    tell(stand_in, deliver)
    refunds.send_due(at=moment())
    tell(stand_in, deliver)
    assert [refund["amount"] for refund in stand_in.objects("refund")] == [1200]
    assert (stands(refused), open_cases(), is_done(event, days=2)) == ("given", [], True)
    assert Letter.objects.filter(key__startswith="refund-came-through").count() == 1
    assert books.check(ask_stripe=True) == []


def test_lost_nothing_more_is_owed(stand_in: StandIn, deliver: Deliver, event: Event, refused: Order) -> None:
    assert not is_done(event, days=1)
    close(stand_in, won=False)
    deliver()
    refunds.send_due(at=moment(30))
    assert (Refund.objects.count(), stands(refused), open_cases()) == (1, "bank-decides", [])
    assert (is_done(event, days=2), books.check(ask_stripe=True)) == (True, [])


def test_given_back_at_stripe_after_the_win_it_is_not_given_twice(
    stand_in: StandIn, deliver: Deliver, event: Event, overtaken: Order
) -> None:
    refunds.send_due(at=moment())
    close(stand_in, won=True)
    stand_in.by_hand("refund", charge=box_office.charge(overtaken).stripe_charge_id)
    deliver()  # of the dispute's beginning nothing is known yet
    tell(stand_in, deliver)
    refunds.send_due(at=moment(30))
    assert (len(stand_in.objects("refund")), stands(overtaken), open_cases()) == (1, "given", [])
    assert (is_done(event, days=31), books.check(ask_stripe=True)) == (True, [])


def test_won_while_stripe_was_asked_it_is_tried_again(
    stand_in: StandIn, deliver: Deliver, event: Event, overtaken: Order
) -> None:
    close(stand_in, won=True)
    tell(stand_in, deliver)
    refund = Refund.objects.get()
    refunds.fail(refund=refund, failure="charge_disputed", at=moment())  # the no of a moment before
    refunds.send_due(at=moment(1))
    assert (len(stand_in.objects("refund")), stands(overtaken), open_cases()) == (1, "given", [])
    assert (is_done(event, days=2), books.check(ask_stripe=True)) == (True, [])
