"""A buyer goes to the bank: the money leaves at once, may come back, and is never given back twice."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest
import stripe
from django.conf import settings

from accounts.models import AuditEntry
from payments import books, disputes, payouts, refunds, releases, stripe_events, summary
from payments.models import Charge, Dispute, Payee, StripeEvent
from payments.money import Money
from payments.stripe_records import DisputeState
from tests.payments import parcels

if TYPE_CHECKING:
    from payments.sandbox.serve import StandIn

CheckedOut = Callable[..., Charge]
pytestmark = pytest.mark.django_db


@pytest.fixture
def disputed(stand_in: "StandIn", checked_out: CheckedOut, deliver: Callable[[], int]) -> Dispute:
    """Return the dispute of a charge of 12 euros, with its money withdrawn."""
    charge = checked_out()
    stand_in.pay(charge.checkout_id or "")
    deliver()
    charge.refresh_from_db()
    stand_in.dispute(charge.stripe_charge_id or "")
    deliver()
    return Dispute.objects.select_related("charge").get()


def answer(dispute: Dispute, stand_in: "StandIn", verdict: str) -> None:
    client = stripe.StripeClient(settings.STRIPE_SECRET_KEY, base_addresses={"api": stand_in.base_url})
    client.v1.disputes.update(
        dispute.stripe_id, {"evidence": {"uncategorized_text": verdict}, "submit": True}
    )


def state(**changes: object) -> DisputeState:
    facts = {
        "id": "du_1",
        "payment_intent": "pi_1",
        "amount": Money(1200, "EUR"),
        "status": "needs_response",
        "reason": "fraudulent",
        "is_withdrawn": True,
        "is_reinstated": False,
        "stripe_fee": Money(2000, "EUR"),
    }
    return DisputeState(**(facts | changes))  # type: ignore[arg-type]


def test_the_money_leaves_and_the_platform_bears_the_cost(disputed: Dispute, payee: Payee) -> None:
    assert (disputed.is_withdrawn, disputed.fee_minor, disputed.stripe_fee_minor) == (True, 96, 2000)
    assert summary.of(payee).pending.minor == 0
    assert AuditEntry.objects.get(verb="charge-disputed").reason == "fraudulent"
    assert books.check(ask_stripe=True) == []


def test_a_dispute_that_is_won_brings_the_money_back(
    stand_in: "StandIn", disputed: Dispute, deliver: Callable[[], int], payee: Payee, at: datetime
) -> None:
    answer(disputed, stand_in, "winning_evidence")
    deliver()
    disputed.refresh_from_db()
    assert (disputed.stripe_status, disputed.is_withdrawn) == ("won", False)
    assert summary.of(payee).pending.minor == 1104
    assert books.check(ask_stripe=True) == []
    assert refunds.ask(charge=disputed.charge, reason="kindness", by=None, at=at).amount_minor == 1200


def test_a_dispute_that_is_lost_stays_and_nothing_more_is_given_back(
    stand_in: "StandIn", disputed: Dispute, deliver: Callable[[], int], payee: Payee, at: datetime
) -> None:
    answer(disputed, stand_in, "losing_evidence")
    deliver()
    disputed.refresh_from_db()
    assert (disputed.stripe_status, disputed.is_withdrawn) == ("lost", True)
    with pytest.raises(refunds.ChargeDisputed):
        refunds.ask(charge=disputed.charge, reason="kindness", by=None, at=at)
    assert releases.release(charge=disputed.charge, at=at) == Money(0, "EUR")
    assert books.check(ask_stripe=True) == []


def test_after_a_payout_it_takes_the_balance_below_zero(payee: Payee, sold: CheckedOut, at: datetime) -> None:
    charge = sold(released=True)
    payouts.request(payee=payee, amount=Money(1104, "EUR"), by=charge.buyer, at=at)
    disputes.heed(charge=charge, state=state(), at=at)
    payee.refresh_from_db()
    assert (summary.of(payee).available.minor, payee.below_zero_since) == (-1104, at)


def test_a_dispute_on_top_of_a_refund_takes_more_than_was_left(
    payee: Payee, sold: CheckedOut, at: datetime
) -> None:
    charge = sold()
    refunds.ask(charge=charge, amount=Money(600, "EUR"), reason="half", by=None, at=at)
    disputes.heed(charge=charge, state=state(), at=at)
    payee.refresh_from_db()
    assert (summary.of(payee).pending.minor, payee.below_zero_since) == (-600, at)
    assert releases.release(charge=charge, at=at) == Money(-600, "EUR")
    balances = summary.of(payee)
    assert (balances.pending.minor, balances.available.minor) == (0, -600)


def test_a_debt_of_an_evening_to_come_is_kept_back_from_payouts(
    payee: Payee, sold: CheckedOut, at: datetime
) -> None:
    sold(released=True)
    coming = sold()
    refunds.ask(charge=coming, amount=Money(1200, "EUR"), reason="all", by=None, at=at)
    disputes.heed(charge=coming, state=state(), at=at)
    assert summary.of(payee).payable == Money(0, "EUR")


def test_it_may_come_before_the_news_of_the_payment(
    stand_in: "StandIn", checked_out: CheckedOut, at: datetime, payee: Payee
) -> None:
    charge = checked_out()
    stand_in.switches.turn({"deliver_webhooks": False})
    stand_in.pay(charge.checkout_id or "", card="4000000000000259")
    letters = [(letter.body, letter.signature) for letter in stand_in.take_webhooks()]
    for body, signature in reversed(letters):
        event = stripe_events.receive(payload=body, signature=signature, at=at)
        stripe_events.handle(event=event, at=at)
        assert books.check() == []
    charge.refresh_from_db()
    payee.refresh_from_db()
    assert (charge.status, summary.of(payee).pending.minor, payee.below_zero_since) == ("paid", 0, None)
    assert StripeEvent.objects.filter(kind__startswith="charge.dispute", status="handled").count() == 2


def test_an_older_answer_changes_no_status(sold: CheckedOut, at: datetime) -> None:
    charge = sold()
    disputes.heed(charge=charge, state=state(status="under_review"), at=at)
    dispute = disputes.heed(charge=charge, state=state(status="needs_response"), at=at - timedelta(seconds=1))
    assert dispute.stripe_status == "under_review"


def test_a_question_of_the_bank_is_no_dispute_yet(sold: CheckedOut, at: datetime) -> None:
    charge = sold()
    nothing = Money(0, "EUR")
    disputes.heed(
        charge=charge,
        state=state(status="warning_needs_response", is_withdrawn=False, stripe_fee=nothing),
        at=at,
    )
    assert refunds.ask(charge=charge, reason="to end it", by=None, at=at).amount_minor == 1200


def test_a_dispute_of_somebody_elses_sale_is_left_alone(
    stand_in: "StandIn", deliver: Callable[[], int]
) -> None:
    parcels.foreign(stand_in, card="4000000000000259")
    deliver()
    assert not Dispute.objects.exists()
    assert set(StripeEvent.objects.values_list("status", flat=True)) == {"ignored"}
