"""What people do at Stripe by hand is in the books and with the ticket, or a case; never ignored."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
import stripe
from django.conf import settings
from django.template.loader import render_to_string

from accounts.models import Letter, User
from payments import (
    books,
    evidence,
    made_elsewhere,
    payees,
    payouts,
    reconcile,
    refunds,
    stripe_events,
    summary,
)
from payments.models import Case, Charge, Payee, Payout, Refund, Reversal, StripeEvent, Transfer
from payments.money import Money
from payments.stripe_records import BankPayoutState, RefundState
from tests import factories
from tests.payments import parcels

if TYPE_CHECKING:
    from payments.sandbox.serve import StandIn

CheckedOut = Callable[..., Charge]
Deliver = Callable[[], int]
pytestmark = pytest.mark.django_db


@pytest.fixture
def paid(stand_in: "StandIn", deliver: Deliver, checked_out: CheckedOut) -> Charge:
    charge = checked_out()
    stand_in.pay(charge.checkout_id or "")
    deliver()
    charge.refresh_from_db()
    return charge


@pytest.fixture
def sent(
    paid_payee: Payee,
    stand_in: "StandIn",
    deliver: Deliver,
    sold: CheckedOut,
    ada: User,
    rae: User,
    at: datetime,
) -> Payout:
    """Return a payout that has reached the payee's account."""
    stand_in.by_hand("top_up", amount=5000, currency="eur")
    sold(5000, payee=paid_payee, released=True)
    payout = payouts.request(payee=paid_payee, amount=Money(1000, "EUR"), by=ada, at=at)
    payouts.approve(payout=payout, by=rae, at=at)
    payouts.send(payout=payout, at=at)
    deliver()
    payout.refresh_from_db()
    assert payout.status == "paid"
    return payout


def ignored() -> dict[str, str]:
    return dict(StripeEvent.objects.filter(status="ignored").values_list("kind", "reason"))


def test_a_refund_made_at_stripe_is_in_the_books(stand_in: "StandIn", deliver: Deliver, paid: Charge) -> None:
    # The event was ignored: "refund_of_unknown_making".
    stand_in.by_hand("refund", charge=paid.stripe_charge_id, amount=500)
    deliver()
    refund = Refund.objects.get()
    assert (refund.status, refund.amount_minor, refund.fee_minor, refund.asked_by) == ("done", 500, 40, None)
    assert refund.reason == "Given back at Stripe"
    assert not any(kind.startswith("refund") for kind in ignored())
    assert books.check(ask_stripe=True) == []


def test_a_refund_made_at_stripe_that_the_bank_sends_back_is_kept_for_the_buyer_and_a_case(
    stand_in: "StandIn", deliver: Deliver, paid: Charge
) -> None:
    made = stand_in.by_hand("refund", charge=paid.stripe_charge_id)
    deliver()
    stand_in.by_hand("fail_refund", refund=made["id"])
    deliver()
    assert Refund.objects.get(stripe_id=made["id"]).status == "failed"
    assert (Refund.objects.get(stripe_id=None).status, Case.objects.get().kind) == ("wanted", "refund")
    assert paid.remainder().amount == Money(0, "EUR")
    assert books.check(ask_stripe=True) == []


def test_the_same_refund_made_at_stripe_first_stands_for_ours(
    stand_in: "StandIn", deliver: Deliver, paid: Charge, at: datetime
) -> None:
    ours = refunds.ask(charge=paid, reason="ill", by=None, at=at)
    made = stand_in.by_hand("refund", charge=paid.stripe_charge_id)
    deliver()
    ours.refresh_from_db()
    assert (ours.stripe_id, ours.status, Refund.objects.count()) == (made["id"], "done", 1)
    refunds.send(refund=ours, at=at)
    ours.refresh_from_db()
    assert ours.status == "done"
    assert not Case.objects.exists()
    assert books.check(ask_stripe=True) == []


def test_a_refund_made_at_stripe_before_its_payment_is_known_waits_for_it(
    stand_in: "StandIn", checked_out: CheckedOut, at: datetime
) -> None:
    charge = checked_out()
    stand_in.switches.turn({"deliver_webhooks": False})
    stand_in.pay(charge.checkout_id or "")
    stand_in.by_hand("refund", charge=stand_in.objects("charge")[0]["id"])
    letters = [(letter.body, letter.signature) for letter in stand_in.take_webhooks()]
    for body, signature in reversed(letters):
        stripe_events.receive(payload=body, signature=signature, at=at)
    StripeEvent.objects.filter(kind__startswith="checkout").update(next_attempt_at=at + timedelta(minutes=4))
    stripe_events.handle_due(at=at + timedelta(minutes=1))
    waiting = StripeEvent.objects.filter(kind="refund.created").get()
    assert (waiting.status, waiting.last_error[:12]) == ("received", "NotKnownYet:")
    stripe_events.handle_due(at=at + timedelta(minutes=5))
    stripe_events.handle_due(at=at + timedelta(minutes=20))
    assert (Charge.objects.get().status, Refund.objects.get().status) == ("paid", "done")
    assert books.check(ask_stripe=True) == []


@pytest.mark.broken_books
def test_more_given_back_than_was_paid_is_a_case(paid: Charge, at: datetime) -> None:
    for money in (Money(1201, "EUR"), Money(500, "AUD")):
        state = RefundState(f"re_{money.currency}", "succeeded", payment_intent="pi", amount=money)
        made_elsewhere.refund(charge=paid, state=state, at=at)
        made_elsewhere.refund(charge=paid, state=state, at=at)
    assert not Refund.objects.exists()
    assert sorted(Case.objects.values_list("cause", flat=True)) == [
        "foreign-refund-re_AUD",
        "foreign-refund-re_EUR",
    ]


def test_a_transfer_taken_back_returns_to_the_balance_and_is_a_case(
    stand_in: "StandIn", deliver: Deliver, sent: Payout, paid_payee: Payee
) -> None:
    # The event was ignored, and the creator's money gone from both sides.
    before = summary.of(paid_payee)
    stand_in.by_hand("reverse_transfer", transfer=sent.stripe_id, amount=300)
    stand_in.by_hand("reverse_transfer", transfer=sent.stripe_id, amount=200)
    deliver()
    after = summary.of(paid_payee)
    assert (after.available - before.available, before.paid_out - after.paid_out) == (
        Money(500, "EUR"),
        Money(500, "EUR"),
    )
    assert sorted(Reversal.objects.values_list("amount_minor", flat=True)) == [200, 300]
    assert Transfer.objects.filter(reason="payout-reversed").count() == 2
    assert set(Case.objects.values_list("kind", flat=True)) == {"reversal"}


def test_money_sent_to_a_payee_at_stripe_by_hand_is_a_case(
    stand_in: "StandIn", deliver: Deliver, paid_payee: Payee
) -> None:
    stand_in.by_hand("top_up", amount=5000, currency="eur")
    client = stripe.StripeClient(settings.STRIPE_SECRET_KEY, base_addresses={"api": stand_in.base_url})
    made = client.v1.transfers.create(
        {"amount": 700, "currency": "eur", "destination": paid_payee.stripe_account_id}
    )
    deliver()
    case = Case.objects.get()
    assert (case.kind, case.stripe_id) == ("payout", made.id)
    assert "7.00" in case.what


def test_an_account_that_parts_from_us_is_paid_nothing_and_may_be_replaced(
    stand_in: "StandIn", deliver: Deliver, paid_payee: Payee, at: datetime
) -> None:
    # The event was ignored: the payee stayed payable until a transfer was refused.
    deliver()
    first = paid_payee.stripe_account_id
    stand_in.by_hand("deauthorise", account=first)
    deliver()
    paid_payee.refresh_from_db()
    assert (paid_payee.stripe_account_id, paid_payee.can_be_paid, paid_payee.payouts_enabled) == (
        "",
        False,
        False,
    )
    assert Case.objects.get().cause == f"payee-left-{first}"
    payees.onboard(payee=paid_payee, return_url="http://testserver/", refresh_url="http://testserver/", at=at)
    assert paid_payee.stripe_account_id not in {"", first}


def test_an_account_that_parted_while_its_event_was_lost_is_found_in_its_turn(
    stand_in: "StandIn", paid_payee: Payee, at: datetime
) -> None:
    # Only payees that were not active were ever asked about.
    stand_in.by_hand("deauthorise", account=paid_payee.stripe_account_id)
    stand_in.take_webhooks()  # lost
    reconcile.run(at=datetime.now(UTC) + payees.TURN_OF_THE_ACTIVE + timedelta(minutes=1))
    paid_payee.refresh_from_db()
    assert (paid_payee.can_be_paid, "account" in paid_payee.last_error) == (False, True)


def test_an_active_payee_restricted_while_its_event_was_lost_is_found_in_its_turn(
    stand_in: "StandIn", paid_payee: Payee, at: datetime
) -> None:
    stand_in.restrict(paid_payee.stripe_account_id)
    stand_in.take_webhooks()  # lost
    reconcile.run(at=datetime.now(UTC) + payees.TURN_OF_THE_ACTIVE - timedelta(minutes=1))
    paid_payee.refresh_from_db()
    assert paid_payee.can_be_paid
    reconcile.run(at=datetime.now(UTC) + payees.TURN_OF_THE_ACTIVE + timedelta(minutes=1))
    paid_payee.refresh_from_db()
    assert not paid_payee.can_be_paid


def test_whether_stripe_pays_into_the_bank_is_read(
    stand_in: "StandIn", deliver: Deliver, paid_payee: Payee
) -> None:
    assert paid_payee.payouts_enabled
    stand_in.by_hand("stop_payouts", account=paid_payee.stripe_account_id)
    deliver()
    paid_payee.refresh_from_db()
    assert (paid_payee.payouts_enabled, paid_payee.can_be_paid) == (False, True)


def test_a_bank_that_takes_no_money_is_told_once_and_is_a_case(
    stand_in: "StandIn", deliver: Deliver, sent: Payout, paid_payee: Payee
) -> None:
    made = stand_in.by_hand("pay_out", account=paid_payee.stripe_account_id)
    stand_in.by_hand("fail_payout", payout=made["id"])
    deliver()
    deliver()
    paid_payee.refresh_from_db()
    assert paid_payee.bank_failure == "The bank account has been closed."
    letter = Letter.objects.get(key=f"bank-{made['id']}")
    assert (letter.to, "The bank account has been closed." in letter.text) == (paid_payee.email, True)
    assert Case.objects.get().cause == f"bank-{made['id']}"


def test_events_about_nothing_of_ours_say_why_they_are_ignored(
    stand_in: "StandIn", deliver: Deliver, paid_payee: Payee
) -> None:
    parcels.foreign(stand_in, card="4000000000000259")  # disputed at once
    stranger = factories.PayeeFactory.create()
    assert stranger.stripe_account_id == ""
    deliver()
    unasked = {"kind": "payment_intent.succeeded", "body": {"data": {"object": {"id": "pi_1"}}}}
    now = datetime.now(UTC)  # an endpoint at Stripe may send more than it should
    row = StripeEvent.objects.create(stripe_id="evt_1", received_at=now, next_attempt_at=now, **unasked)
    stripe_events.handle(event=row, at=now)
    reasons = ignored()
    assert reasons["checkout.session.completed"] == "The checkout is not of our making."
    assert reasons["charge.dispute.created"] == "The payment is not of our making."
    assert reasons["payment_intent.succeeded"] == "Nobody answers events of this kind."
    assert "" not in reasons.values()
    assert not StripeEvent.objects.filter(status="received").exists()
    assert not Transfer.objects.exists()


def test_what_the_bank_did_stands_on_the_creators_page_and_at_the_desk(
    paid_payee: Payee,
) -> None:
    def shown() -> tuple[str, list[str]]:
        page = render_to_string("payments/parts/stripe.html", {"payee": paid_payee})
        return page, [fact.label for fact in evidence.stripe_facts(payee=paid_payee)]

    page, facts = shown()
    assert ("notice" in page, facts) == (False, [])
    paid_payee.payouts_enabled = False
    page, facts = shown()
    assert "does not pay it into your bank" in page
    assert facts == ["Stripe pays into their bank"]
    paid_payee.bank_failure, paid_payee.payouts_enabled = "The account is <closed>.", True
    page, facts = shown()
    assert "The account is &lt;closed&gt;." in page
    assert facts == ["Their bank, the last time"]
    paid_payee.bank_failure, paid_payee.accounts_left = "", ["acct_1"]
    assert shown()[1] == ["Accounts that parted from us"]


def test_a_payout_that_arrives_later_takes_the_banks_no_back(
    stand_in: "StandIn", deliver: Deliver, paid_payee: Payee, at: datetime
) -> None:
    def told(number: int, status: str) -> None:
        made_at = at + timedelta(days=number)
        failure = "closed" if status == "failed" else ""
        state = BankPayoutState(f"po_{number}", status, Money(500, "EUR"), made_at, failure)
        payees.heed_bank(payee=paid_payee, state=state, at=at)
        paid_payee.refresh_from_db()

    told(1, "failed")
    assert paid_payee.bank_failure == "closed"
    told(3, "paid")
    told(2, "failed")  # older news, which comes late
    assert paid_payee.bank_failure == ""
    told(3, "failed")  # banks may send back what was paid
    assert paid_payee.bank_failure == "closed"
