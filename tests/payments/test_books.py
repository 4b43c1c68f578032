"""Each promise of the books is broken once, on purpose, to see that the check finds it."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import TYPE_CHECKING

import pytest
import stripe
from django.conf import settings as django_settings
from django.core.management import CommandError, call_command

from accounts.models import User
from payments import books, comparison, ledger, payouts, refunds, tasks
from payments.models import Approval, Charge, Dispute, Interest, LedgerAccount, Payee, Payout, Refund
from payments.money import Money
from tests import factories

if TYPE_CHECKING:
    from pytest_django import Settings

    from payments.sandbox.serve import StandIn

Sold = Callable[..., Charge]
Kind = LedgerAccount.Kind
pytestmark = [pytest.mark.django_db, pytest.mark.broken_books]


def broken() -> list[str]:
    return sorted({each.promise for each in books.check()})


@pytest.fixture
def busy(payee: Payee, sold: Sold, ada: User, at: datetime) -> Payee:
    """Return a payee with a sale pending, one released, a refund and an open payout: all in order."""
    refunds.ask(charge=sold(), amount=Money(300, "EUR"), reason="part", by=None, at=at)
    sold(2000, released=True)
    payouts.request(payee=payee, amount=Money(500, "EUR"), by=ada, at=at)
    assert books.check() == []
    return payee


def test_a_paid_charge_without_its_sale(busy: Payee, at: datetime) -> None:
    factories.ChargeFactory.create(payee=busy, status="paid", paid_at=at)
    assert broken() == [
        "every paid charge is in the books, with its fee",
        "the platform's own is its fees less what Stripe took",
        "what is pending is what was sold and not released",
    ]


def test_a_refund_that_failed_and_was_not_undone(busy: Payee) -> None:
    Refund.objects.update(status="failed", failure="lost")
    assert broken() == [
        "every refund is in the books, and one that failed is undone",
        "the platform's own is its fees less what Stripe took",
        "what is pending is what was sold and not released",
    ]


def test_a_dispute_that_took_money_behind_the_books(busy: Payee, at: datetime) -> None:
    charge = Charge.objects.earliest("paid_at")
    Dispute.objects.create(
        charge=charge,
        stripe_id="du_1",
        amount_minor=10,
        currency="EUR",
        stripe_status="lost",
        is_withdrawn=True,
        withdrawn_at=at,
        created_at=at,
    )
    assert broken() == [
        "every dispute that took money is in the books, and one that gave it back",
        "what is pending is what was sold and not released",
    ]


def test_more_refunded_than_paid(busy: Payee) -> None:
    Charge.objects.filter(refunds__isnull=False).update(amount_minor=200)
    assert "refunds never give back more than was paid" in broken()


def test_a_transfer_out_of_nowhere(busy: Payee, at: datetime) -> None:
    ledger.post(
        source=ledger.account(kind=Kind.FEES, currency="EUR"),
        target=ledger.account(kind=Kind.AVAILABLE, currency="EUR", payee=busy),
        amount=Money(1, "EUR"),
        reason="gift",
        reference="nobody",
        at=at,
    )
    assert broken() == [
        "every transfer in the books has the row that caused it",
        "the platform's own is its fees less what Stripe took",
        "what is available is what was released and not asked for",
    ]


def test_a_charge_marked_released_whose_money_stayed(busy: Payee, at: datetime) -> None:
    Charge.objects.filter(released_at=None).update(released_at=at)
    assert broken() == [
        "what is available is what was released and not asked for",
        "what is pending is what was sold and not released",
    ]


def test_a_payout_that_reserved_nothing(busy: Payee) -> None:
    factories.PayoutFactory.create(payee=busy, amount_minor=100)
    assert broken() == [
        "what is available is what was released and not asked for",
        "what is reserved is what open payouts ask for",
    ]


def test_a_payout_marked_paid_that_left_nothing(busy: Payee, rae: User, at: datetime) -> None:
    payout = Payout.objects.get()
    Approval.objects.create(payout=payout, by=rae, destination="acct_night", at=at)
    Payout.objects.update(
        status="paid", destination="acct_night", stripe_id="tr_1", paid_at=at, reviewed_by=rae, reviewed_at=at
    )
    assert broken() == [
        "what is reserved is what open payouts ask for",
        "what was paid out is what paid payouts say",
    ]


def test_a_payee_below_zero_whom_nobody_noticed(busy: Payee, sold: Sold, at: datetime) -> None:
    charge = sold(9000, released=True)
    payouts.request(payee=busy, amount=Money(9000, "EUR"), by=charge.buyer, at=at)
    refunds.ask(charge=charge, reason="all", by=None, at=at)
    assert books.check() == []
    Payee.objects.update(below_zero_since=None)
    assert broken() == ["no payee is below zero unnoticed"]


@pytest.mark.parametrize("limit", [200_000, 100])
def test_a_payout_that_nobody_else_approved(
    busy: Payee, rae: User, at: datetime, settings: "Settings", limit: int
) -> None:
    settings.TWO_REVIEWERS_ABOVE = {"EUR": limit}
    if limit == 100:  # one yes, where it takes two
        Approval.objects.create(payout=Payout.objects.get(), by=rae, destination="acct_night", at=at)
    Payout.objects.update(status="approved", destination="acct_night", reviewed_by=rae, reviewed_at=at)
    assert broken() == ["no payout leaves without the yes of somebody else, and of two above the limit"]


@pytest.mark.parametrize("status", ["approved", "sending", "paid"])
def test_a_payout_sent_though_its_reviewer_had_an_interest(
    busy: Payee, rae: User, at: datetime, status: str
) -> None:
    Approval.objects.create(payout=Payout.objects.get(), by=rae, destination="acct_night", at=at)
    Payout.objects.update(
        status=status,
        destination="acct_night",
        stripe_id="tr_1",
        paid_at=at,
        reviewed_by=rae,
        reviewed_at=at,
        asked_stripe_at=at + timedelta(hours=1),
    )
    Interest.objects.create(payee=busy, user=rae, since=at + timedelta(minutes=1))
    assert ("nobody approves who has an interest in the payee" in broken()) is (status != "approved")


def test_money_that_stripe_moved_and_the_books_do_not_know(
    stand_in: "StandIn", checked_out: Sold, deliver: Callable[[], int]
) -> None:
    charge = checked_out()
    stand_in.pay(charge.checkout_id or "")
    deliver()
    charge.refresh_from_db()
    assert books.check(ask_stripe=True) == []
    client = stripe.StripeClient(django_settings.STRIPE_SECRET_KEY, base_addresses={"api": stand_in.base_url})
    refund = client.v1.refunds.create({"charge": charge.stripe_charge_id or "", "amount": 100})
    [difference] = books.check(ask_stripe=True)
    assert difference.promise == comparison.AGREES
    assert difference.where == f"{refund.id}: nothing in the books, -100 less 0 EUR at Stripe"
    hour_ago = datetime.now(UTC) - timedelta(hours=1)
    assert books.check(ask_stripe=True, settled_by=hour_ago) == []  # it may still be on its way to us


def test_money_that_the_books_moved_and_stripe_does_not_know(
    stand_in: "StandIn", sold: Sold, at: datetime
) -> None:
    charge = sold()
    Charge.objects.filter(pk=charge.pk).update(stripe_charge_id="ch_1", stripe_fee_minor=0)
    [difference] = books.check(ask_stripe=True)
    assert difference.where == "ch_1: 1200 less 0 EUR in the books, nothing at Stripe"


def test_the_command_says_that_all_holds(busy: Payee, stand_in: "StandIn") -> None:
    out = StringIO()
    call_command("check_books", "--without-stripe", stdout=out)
    assert out.getvalue() == f"The books hold: {len(books.PROMISES)} promises kept.\n"
    call_command("check_books", stdout=out)


def test_the_command_fails_when_a_promise_is_broken(busy: Payee) -> None:
    factories.PayoutFactory.create(payee=busy, amount_minor=100)
    err = StringIO()
    with pytest.raises(CommandError, match="The books do not hold: 2 breaches"):
        call_command("check_books", "--without-stripe", stderr=err)
    assert err.getvalue().startswith("what is available is what was released and not asked for: ")


def test_the_command_says_that_stripe_did_not_answer(busy: Payee, stand_in: "StandIn") -> None:
    stand_in.switches.turn(
        {"fail_next": [{"method": "GET", "path_prefix": "/v1/balance", "status": 503}] * 3}
    )
    with pytest.raises(CommandError, match="Stripe did not answer"):
        call_command("check_books")


def test_the_hourly_task_fails_when_a_promise_is_broken(busy: Payee, stand_in: "StandIn") -> None:
    tasks.check_books()
    factories.PayoutFactory.create(payee=busy, amount_minor=100)
    with pytest.raises(tasks.BooksBroken):
        tasks.check_books()
