"""Many hands at once: one decision, one transfer, and never more than the balance."""

from datetime import datetime
from typing import TYPE_CHECKING

import pytest

from accounts.models import User
from payments import books, payouts, refunds, summary
from payments.models import Payee, Payout, Transfer
from payments.money import Money
from payments.states import move
from payments.stripe_records import TransferState
from tests.payments import parcels
from tests.payments.races import kinds, together

if TYPE_CHECKING:
    from payments.sandbox.serve import StandIn

pytestmark = pytest.mark.django_db(transaction=True)


def requested(payee: Payee, ben: User, ada: User, at: datetime, *, minor: int = 1000) -> Payout:
    parcels.sold(payee, ben, 2 * minor, at=at, released=True)
    return payouts.request(payee=payee, amount=Money(minor, "EUR"), by=ada, at=at)


def again(payout: Payout) -> Payout:
    return Payout.objects.select_related("payee").get(pk=payout.pk)


def test_two_reviewers_decide_one_payout_once(
    payee: Payee, ben: User, ada: User, rae: User, max: User, at: datetime
) -> None:  # noqa: A002 -- his name
    """Seen failing without the payout's lock in _under_review(): a yes is written for a payout that is decided."""
    payout = requested(payee, ben, ada, at)
    answers = together(
        lambda: payouts.approve(payout=again(payout), by=rae, at=at),
        lambda: payouts.approve(payout=again(payout), by=max, at=at),
    )
    assert kinds(answers) == ["Payout", "WrongState"]
    assert payout.approvals.count() == 1


def test_one_approves_while_the_other_rejects(
    payee: Payee, ben: User, ada: User, rae: User, max: User, at: datetime
) -> None:  # noqa: A002 -- his name
    """Seen failing with `.status =` and save() in place of move(): it is approved, and its money is back as well."""
    payout = requested(payee, ben, ada, at)
    together(
        lambda: payouts.approve(payout=again(payout), by=rae, at=at),
        lambda: payouts.reject(payout=again(payout), by=max, reason="no", at=at),
    )
    payout.refresh_from_db()
    # Rejecting what was approved a moment ago is allowed; approving what was rejected is not.
    assert payout.status == "rejected"
    assert summary.of(payee).reserved.minor == 0


def test_two_who_must_both_say_yes_say_it_at_once(
    payee: Payee, ben: User, ada: User, rae: User, max: User, at: datetime
) -> None:  # noqa: A002 -- his name
    """Seen failing without the payout's lock in _under_review(): each counts only their own yes, and it hangs."""
    payout = requested(payee, ben, ada, at, minor=300_000)
    together(
        lambda: payouts.approve(payout=again(payout), by=rae, at=at),
        lambda: payouts.approve(payout=again(payout), by=max, at=at),
    )
    payout.refresh_from_db()
    assert (payout.status, payout.approvals.count()) == ("approved", 2)


def test_two_workers_send_one_payout_once(
    stand_in: "StandIn", paid_payee: Payee, ben: User, ada: User, rae: User, at: datetime
) -> None:
    """Seen failing without the conditional UPDATE in move(): both ask Stripe, and only its key protects us."""
    payout = payouts.approve(payout=requested(paid_payee, ben, ada, at), by=rae, at=at)
    stand_in.switches.turn({"api_latency_seconds": 0.2})
    together(
        lambda: payouts.send(payout=again(payout), at=at), lambda: payouts.send(payout=again(payout), at=at)
    )
    payout.refresh_from_db()
    assert (payout.status, payout.attempts) == ("failed", 1)  # the stand-in holds no money for this sale
    assert list(Transfer.objects.filter(reference=payout.cause).values_list("reason", flat=True)) == [
        "payout-reserved",
        "payout-returned",
    ]


def test_the_answer_and_the_event_confirm_it_once(
    stand_in: "StandIn", paid_payee: Payee, ben: User, ada: User, rae: User, at: datetime
) -> None:
    """Seen failing without the conditional UPDATE in move(): two letters, though the books hold by themselves."""
    transfer = TransferState("tr_1", paid_payee.stripe_account_id, Money(1000, "EUR"), "payout-x")
    payout = payouts.approve(payout=requested(paid_payee, ben, ada, at), by=rae, at=at)
    move(payout, Payout.Status.SENDING, asked_stripe_at=at)
    answers = together(
        *[lambda: payouts.confirm(payout=again(payout), transfer=transfer, at=at) for _ in range(3)]
    )
    assert sorted(map(str, answers)) == ["False", "False", "True"]


def test_parallel_requests_never_ask_for_more_than_there_is(
    payee: Payee, ben: User, ada: User, at: datetime
) -> None:
    """Seen failing without the payee's lock in request(): every request finds the whole balance."""
    parcels.sold(payee, ben, 1000, at=at, released=True)  # 920 available

    def request() -> Payout:
        return payouts.request(payee=payee, amount=Money(300, "EUR"), by=ada, at=at)

    answers = together(*[request] * 6)
    assert kinds(answers) == ["NotEnoughMoney"] * 3 + ["Payout"] * 3
    balances = summary.of(payee)
    assert (balances.available.minor, balances.reserved.minor) == (20, 900)


def test_a_refund_and_a_release_at_once_leave_nothing_behind(payee: Payee, ben: User, at: datetime) -> None:
    """Seen failing without the charge's lock in release(): it releases what was just given back."""
    charge = parcels.sold(payee, ben, 1000, at=at)
    together(
        lambda: payouts.release(charge=charge, at=at),
        lambda: refunds.ask(charge=charge, reason="both", by=None, at=at),
    )
    balances = summary.of(payee)
    assert (balances.pending.minor, balances.available.minor) == (0, 0)
    assert books.check() == []
