"""Many hands at once: one decision, one transfer, and never more than the balance."""

from datetime import datetime
from typing import TYPE_CHECKING

import pytest

from accounts import audit
from accounts.models import User
from payments import books, limits, payouts, refunds, releases, stripe_gateway, summary
from payments.models import Payee, Payout
from payments.money import Money
from payments.states import move
from payments.stripe_records import TransferState
from tests import factories
from tests.payments import parcels
from tests.races import kinds, meet, together

if TYPE_CHECKING:
    from pytest_django import Settings

    from payments.sandbox.serve import StandIn

pytestmark = pytest.mark.django_db(transaction=True)


def requested(payee: Payee, ben: User, ada: User, at: datetime, *, minor: int = 1000) -> Payout:
    parcels.sold(payee, ben, 2 * minor, at=at, released=True)
    return payouts.request(payee=payee, amount=Money(minor, "EUR"), by=ada, at=at)


@pytest.fixture
def asked(payee: Payee, ben: User, ada: User, at: datetime) -> Payout:
    return requested(payee, ben, ada, at)


@pytest.fixture
def reviewers(rae: User) -> list[User]:
    return [rae, factories.UserFactory.create(handle="rob", is_finance=True)]


def again(payout: Payout) -> Payout:
    return Payout.objects.select_related("payee").get(pk=payout.pk)


def test_two_reviewers_decide_one_payout_once(
    asked: Payout, reviewers: list[User], at: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Seen failing without the lock in _under_review() and the condition in move(): both approve it.
    meet(monkeypatch, limits, "needs_two")
    answers = together(
        lambda: payouts.approve(payout=again(asked), by=reviewers[0], at=at),
        lambda: payouts.approve(payout=again(asked), by=reviewers[1], at=at),
    )
    assert kinds(answers) == ["Payout", "WrongState"]
    assert asked.approvals.count() == 1


def test_one_approves_while_the_other_rejects(
    asked: Payout, reviewers: list[User], at: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Seen failing without the lock in _under_review() and the condition in move(): paid though rejected.
    meet(monkeypatch, audit, "record")
    together(
        lambda: payouts.approve(payout=again(asked), by=reviewers[0], at=at),
        lambda: payouts.reject(payout=again(asked), by=reviewers[1], reason="no", at=at),
    )
    asked.refresh_from_db()
    # Rejecting what was approved a moment ago is allowed; approving what was rejected is not.
    assert asked.status == "rejected"
    assert summary.of(asked.payee).reserved.minor == 0


def test_two_who_must_both_say_yes_say_it_at_once(
    asked: Payout,
    reviewers: list[User],
    at: datetime,
    monkeypatch: pytest.MonkeyPatch,
    settings: "Settings",
) -> None:
    # Seen failing without the lock in _under_review(): each counts only their own yes, and it waits for ever.
    settings.TWO_REVIEWERS_ABOVE = {"EUR": 999}
    meet(monkeypatch, limits, "needs_two")
    together(
        lambda: payouts.approve(payout=again(asked), by=reviewers[0], at=at),
        lambda: payouts.approve(payout=again(asked), by=reviewers[1], at=at),
    )
    asked.refresh_from_db()
    assert (asked.status, asked.approvals.count()) == ("approved", 2)


def test_two_workers_send_one_payout_once(
    stand_in: "StandIn", asked: Payout, rae: User, at: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Seen failing without the condition in move(): both ask Stripe, and only the key protects the money.
    payouts.approve(payout=asked, by=rae, at=at)
    asked_of_stripe = []

    def create(*, destination: str, amount: Money, reference: str, key: str) -> TransferState:
        asked_of_stripe.append(key)
        return TransferState("tr_1", destination, amount, reference)

    monkeypatch.setattr(stripe_gateway, "create_transfer", create)
    meet(monkeypatch, payouts, "_begin")
    together(
        lambda: payouts.send(payout=again(asked), at=at), lambda: payouts.send(payout=again(asked), at=at)
    )
    assert asked_of_stripe == [f"payout-{asked.pk}"]
    assert again(asked).status == "paid"


def test_the_answer_and_the_event_confirm_it_once(
    stand_in: "StandIn", paid_payee: Payee, ben: User, ada: User, rae: User, at: datetime
) -> None:
    # Seen failing without the conditional UPDATE in move(): two letters, though the books hold by themselves.
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
    # Seen failing without the payee's lock in request(): every request finds the whole balance.
    parcels.sold(payee, ben, 1000, at=at, released=True)  # 920 available

    def request() -> Payout:
        return payouts.request(payee=payee, amount=Money(300, "EUR"), by=ada, at=at)

    answers = together(*[request] * 6)
    assert kinds(answers) == ["NotEnoughMoney"] * 3 + ["Payout"] * 3
    balances = summary.of(payee)
    assert (balances.available.minor, balances.reserved.minor) == (20, 900)


def test_a_refund_and_a_release_at_once_leave_nothing_behind(payee: Payee, ben: User, at: datetime) -> None:
    # Seen failing without the charge's lock in release(): it releases what was just given back.
    charge = parcels.sold(payee, ben, 1000, at=at)
    together(
        lambda: releases.release(charge=charge, at=at),
        lambda: refunds.ask(charge=charge, reason="both", by=None, at=at),
    )
    balances = summary.of(payee)
    assert (balances.pending.minor, balances.available.minor) == (0, 0)
    assert books.check() == []
