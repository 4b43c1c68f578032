"""A settlement currency is not a sale currency; and what Stripe keeps may be told later than the sale."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from accounts.models import User
from payments import books, charges, ledger, stripe_events, stripe_gateway
from payments.models import Case, Charge, Dispute, FeeQuestion, LedgerAccount, Payee, StripeEvent
from payments.money import Money
from tests import factories
from tests.payments import parcels

if TYPE_CHECKING:
    from payments.sandbox.serve import StandIn

CheckedOut = Callable[..., Charge]
Deliver = Callable[[], int]
Kind = LedgerAccount.Kind
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _no_letters() -> None:
    parcels.LETTERS.clear()


def in_pot(kind: LedgerAccount.Kind, currency: str) -> Money:
    return ledger.balance(ledger.account(kind=kind, currency=currency))


def open_page(charge: Charge, at: datetime) -> None:
    charges.start_checkout(
        charge=charge,
        success_url="http://testserver/paid",
        cancel_url="http://testserver/unpaid",
        kind=parcels.KIND,
        expires_at=at + timedelta(hours=1),
        at=at,
    )
    charge.refresh_from_db()


def test_a_price_in_yen_that_settles_in_australian_dollars_is_a_sale(
    stand_in: "StandIn", deliver: Deliver, ben: User, at: datetime
) -> None:
    # The buyer was charged, the event ignored ("not ours"), the order stayed held, and sweeps stopped there.
    stand_in.switches.turn({"settle_in": "aud", "exchange_rate": 0.01})
    payee = factories.PayeeFactory.create(currency="JPY")
    charge = parcels.asked(payee, ben, 5000, at=at)
    open_page(charge, at)
    stand_in.pay(charge.checkout_id or "")
    deliver()
    charge.refresh_from_db()
    assert (charge.status, parcels.LETTERS) == ("paid", [charge.reference])
    assert charge.stripe_fee is not None
    assert charge.stripe_fee.currency == "AUD"
    assert charge.settled_currency == "AUD"
    assert in_pot(Kind.FEES, "JPY") == charge.fee
    assert in_pot(Kind.STRIPE_FEES, "AUD") == charge.stripe_fee
    assert in_pot(Kind.FEES, "AUD") == -charge.stripe_fee
    assert books.check() == []


def test_the_fee_of_a_dispute_is_booked_in_the_currency_it_settles_in(
    stand_in: "StandIn", deliver: Deliver, checked_out: CheckedOut
) -> None:
    stand_in.switches.turn({"settle_in": "aud"})
    charge = checked_out()
    stand_in.pay(charge.checkout_id or "", card="4000000000000259")
    deliver()
    dispute = Dispute.objects.get()
    assert (dispute.is_withdrawn, dispute.stripe_fee_currency) == (True, "AUD")
    kept = dispute.stripe_fee_minor + (Charge.objects.get().stripe_fee_minor or 0)
    assert in_pot(Kind.STRIPE_FEES, "AUD") == Money(kept, "AUD")
    assert books.check() == []


def test_a_currency_that_nobody_knows_is_an_error_and_never_not_ours(
    stand_in: "StandIn", checked_out: CheckedOut, at: datetime
) -> None:
    stand_in.switches.turn({"settle_in": "xts"})
    charge, other = checked_out(), checked_out(700)
    for each in (charge, other):
        stand_in.pay(each.checkout_id or "")
        stand_in.switches.turn({"settle_in": ""})
    for letter in stand_in.take_webhooks():
        stripe_events.receive(payload=letter.body, signature=letter.signature, at=at)
    stripe_events.handle_due(at=at + timedelta(minutes=1))
    other.refresh_from_db()
    waiting = StripeEvent.objects.get(kind="checkout.session.completed", status="received")
    assert (other.status, waiting.object_id) == ("paid", charge.checkout_id)
    assert waiting.last_error.startswith("NotAnAmount: XTS")


@pytest.fixture
def fee_is_late(stand_in: "StandIn", deliver: Deliver, checked_out: CheckedOut) -> Charge:
    stand_in.switches.turn({"fees_delay_seconds": 3600})
    charge = checked_out()
    stand_in.pay(charge.checkout_id or "")
    deliver()
    charge.refresh_from_db()
    assert (charge.status, charge.stripe_fee) == ("paid", None)
    return charge


def test_a_fee_that_is_booked_later_is_told_by_the_charge(
    stand_in: "StandIn", deliver: Deliver, fee_is_late: Charge
) -> None:
    # charge.updated was ignored.
    stand_in.advance(3700)
    deliver()
    fee_is_late.refresh_from_db()
    assert fee_is_late.stripe_fee == Money(43, "EUR")
    assert fee_is_late.fee_question.answered_at is not None
    assert StripeEvent.objects.filter(kind="charge.updated", status="handled").exists()
    assert books.check(ask_stripe=True) == []


def test_a_fee_that_is_booked_later_is_asked_for_when_no_event_tells(
    stand_in: "StandIn", fee_is_late: Charge
) -> None:
    now = datetime.now(UTC)
    assert charges.learn_missing_fees(at=now + timedelta(minutes=2)) == 0
    question = FeeQuestion.objects.get()
    assert question.last_error == "NotBookedYet: Stripe has not booked its fee yet."
    stand_in.advance(3700)
    stand_in.take_webhooks()  # lost
    assert charges.learn_missing_fees(at=now + timedelta(hours=2)) == 1
    fee_is_late.refresh_from_db()
    assert fee_is_late.stripe_fee == Money(43, "EUR")


def test_the_fee_asked_for_longest_ago_comes_first(
    payee: Payee, sold: CheckedOut, at: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The newest hundred were asked each time: what is older was never asked again.
    asked: list[str] = []
    monkeypatch.setattr(charges, "FEES_AT_ONCE", 2)
    monkeypatch.setattr(stripe_gateway, "read_payment", asked.append)
    intents = [sold(500 + number).payment_intent_id for number in range(3)]
    for number, question in enumerate(FeeQuestion.objects.order_by("pk")):
        FeeQuestion.objects.filter(pk=question.pk).update(next_attempt_at=at - timedelta(minutes=3 - number))
    for minutes in (0, 3):
        charges.learn_missing_fees(at=at + timedelta(minutes=minutes))
    assert asked == [intents[0], intents[1], intents[2], intents[0]]


def test_a_fee_that_never_comes_is_a_case(payee: Payee, sold: CheckedOut, at: datetime) -> None:
    sold(500)
    FeeQuestion.objects.update(attempts=charges.FEES_TAKE.most - 1, next_attempt_at=at)
    charges.learn_missing_fees(at=at)
    assert Case.objects.get().kind == "fee"


def test_a_payment_of_another_amount_than_asked_for_is_a_case(
    stand_in: "StandIn", deliver: Deliver, checked_out: CheckedOut
) -> None:
    # It was a line in the log.
    charge = checked_out()
    Charge.objects.filter(pk=charge.pk).update(amount_minor=1300)
    stand_in.pay(charge.checkout_id or "")
    deliver()
    case = Case.objects.get()
    assert (case.kind, case.cause) == ("amount", f"charge-{charge.pk}-amount")
    assert "13.00" in case.what
    assert "12.00" in case.what
