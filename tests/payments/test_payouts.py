"""Money out: released once, asked for within the balance, reviewed by others, sent at most once."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from django.db import Error, transaction

from accounts.models import AuditEntry, Letter, User
from payments import books, payouts, refunds, releases, summary
from payments.models import Approval, Charge, Payee, Payout, Transfer
from payments.money import Money
from payments.payouts import (
    AlreadyApproved,
    NotEnoughMoney,
    OwnPayout,
    PayeeNotReady,
    TooManyOpen,
)
from payments.states import WrongState
from tests import factories

if TYPE_CHECKING:
    from payments.sandbox.serve import StandIn

Sold = Callable[..., Charge]
pytestmark = pytest.mark.django_db


def ask(payee: Payee, minor: int, by: User, at: datetime) -> Payout:
    return payouts.request(payee=payee, amount=Money(minor, "EUR"), by=by, at=at)


@pytest.fixture
def asked(payee: Payee, sold: Sold, ada: User, at: datetime) -> Payout:
    """Return Ada's request for ten euros, for which there is money."""
    sold(released=True)
    return ask(payee, 1000, ada, at)


@pytest.fixture
def funded(
    stand_in: "StandIn", paid_payee: Payee, checked_out: Sold, deliver: Callable[[], int], at: datetime
) -> Payee:
    """Return a payee whom Stripe pays, with 110.40 euros available, for which Stripe holds the money."""
    charge = checked_out(12_000, payee=paid_payee)
    stand_in.pay(charge.checkout_id or "")
    deliver()
    charge.refresh_from_db()
    releases.release(charge=charge, at=at)
    return paid_payee


@pytest.fixture
def approved(funded: Payee, ada: User, rae: User, at: datetime) -> Payout:
    return payouts.approve(payout=ask(funded, 5000, ada, at), by=rae, at=at)


# Released, and asked for.


def test_what_was_delivered_becomes_available_once(payee: Payee, sold: Sold, at: datetime) -> None:
    charge = sold()
    assert releases.release(charge=charge, at=at) == Money(1104, "EUR")
    assert releases.release(charge=charge, at=at) is None
    balances = summary.of(payee)
    assert (balances.pending.minor, balances.available.minor) == (0, 1104)


def test_only_what_is_left_after_refunds_is_released(sold: Sold, at: datetime) -> None:
    charge = sold()
    refunds.ask(charge=charge, amount=Money(600, "EUR"), reason="half", by=None, at=at)
    assert releases.release(charge=charge, at=at) == Money(552, "EUR")


def test_an_unpaid_charge_releases_nothing(payee: Payee, ben: User, at: datetime) -> None:
    charge = factories.ChargeFactory.create(payee=payee, buyer=ben)
    assert releases.release(charge=charge, at=at) is None


def test_a_request_puts_its_money_aside(payee: Payee, asked: Payout) -> None:
    balances = summary.of(payee)
    assert (asked.status, balances.available.minor, balances.reserved.minor) == ("requested", 104, 1000)


@pytest.mark.parametrize("minor", [0, -100, 1105])
def test_more_than_is_available_is_refused(
    payee: Payee, sold: Sold, ada: User, at: datetime, minor: int
) -> None:
    sold(released=True)
    with pytest.raises(NotEnoughMoney):
        ask(payee, minor, ada, at)


def test_money_that_is_only_pending_cannot_be_asked_for(
    payee: Payee, sold: Sold, ada: User, at: datetime
) -> None:
    sold()
    with pytest.raises(NotEnoughMoney):
        ask(payee, 1, ada, at)


def test_a_payee_whom_stripe_does_not_pay_cannot_ask(sold: Sold, ada: User, at: datetime) -> None:
    stranger = factories.PayeeFactory.create()
    sold(payee=stranger, released=True)
    with pytest.raises(PayeeNotReady):
        ask(stranger, 100, ada, at)


def test_a_double_click_is_one_request(payee: Payee, sold: Sold, ada: User, at: datetime) -> None:
    sold(released=True)
    attempt, amount = uuid4(), Money(100, "EUR")
    first = payouts.request(payee=payee, amount=amount, by=ada, attempt=attempt, at=at)
    assert payouts.request(payee=payee, amount=amount, by=ada, attempt=attempt, at=at) == first
    assert summary.of(payee).reserved.minor == 100


def test_the_attempt_of_another_payee_is_none(payee: Payee, sold: Sold, ada: User, at: datetime) -> None:
    sold(released=True)
    theirs = ask(payee, 100, ada, at)
    other = factories.PayeeFactory.create(stripe_account_id="acct_other", transfers_active=True)
    sold(payee=other, released=True)
    mine = payouts.request(payee=other, amount=Money(100, "EUR"), by=ada, attempt=theirs.pk, at=at)
    assert (mine.pk != theirs.pk, mine.payee) == (True, other)


def test_a_handful_of_payouts_is_open_at_a_time(
    payee: Payee, sold: Sold, ada: User, rae: User, at: datetime
) -> None:
    sold(released=True)
    first, *_others = [ask(payee, 5, ada, at) for _ in range(payouts.MOST_OPEN)]
    with pytest.raises(TooManyOpen):
        ask(payee, 5, ada, at)
    payouts.reject(payout=first, by=rae, reason="One at a time, please.", at=at)
    assert ask(payee, 5, ada, at).status == "requested"


# Reviewed.


def test_one_yes_approves_and_names_the_account(asked: Payout, rae: User, at: datetime) -> None:
    payouts.approve(payout=asked, by=rae, at=at)
    assert (asked.status, asked.destination, asked.reviewed_by) == ("approved", "acct_night", rae)
    assert AuditEntry.objects.get(verb="payout-approved").details == {"destination": "acct_night"}


def test_nobody_reviews_what_they_asked_for(asked: Payout, ada: User, at: datetime) -> None:
    with pytest.raises(OwnPayout):
        payouts.approve(payout=asked, by=ada, at=at)
    with pytest.raises(OwnPayout):
        payouts.hold(payout=asked, by=ada, reason="why not", at=at)
    with pytest.raises(OwnPayout):
        payouts.reject(payout=asked, by=ada, reason="why not", at=at)


def test_the_database_itself_refuses_the_requester(asked: Payout, ada: User, at: datetime) -> None:
    with pytest.raises(Error, match="nobody approves their own payout"), transaction.atomic():
        Approval.objects.create(payout=asked, by=ada, destination="acct_night", at=at)
    with pytest.raises(Error, match="nobody_reviews_their_own_payout"), transaction.atomic():
        Payout.objects.filter(pk=asked.pk).update(reviewed_by=ada)


def test_a_large_amount_takes_two_people(
    payee: Payee, sold: Sold, ada: User, rae: User, max: User, at: datetime
) -> None:
    User.objects.filter(pk=max.pk).update(is_finance=True)
    sold(300_000, released=True)
    payout = ask(payee, 200_001, ada, at)
    payouts.approve(payout=payout, by=rae, at=at)
    assert payout.status == "requested"
    with pytest.raises(AlreadyApproved):
        payouts.approve(payout=payout, by=rae, at=at)
    payouts.approve(payout=payout, by=max, at=at)
    assert (payout.status, payout.approvals.count()) == ("approved", 2)


def test_a_yes_counts_only_for_the_account_it_was_given_for(
    payee: Payee,
    sold: Sold,
    ada: User,
    rae: User,
    max: User,
    at: datetime,
) -> None:
    User.objects.filter(pk=max.pk).update(is_finance=True)
    sold(300_000, released=True)
    payout = ask(payee, 200_001, ada, at)
    payouts.approve(payout=payout, by=rae, at=at)
    Payee.objects.filter(pk=payee.pk).update(stripe_account_id="acct_other")
    payouts.approve(payout=payout, by=max, at=at)
    assert payout.status == "requested"
    payouts.approve(payout=payout, by=rae, at=at)  # once more, having seen the new account
    assert (payout.status, payout.destination) == ("approved", "acct_other")


def test_an_account_changed_after_approval_voids_it(
    stand_in: "StandIn", approved: Payout, at: datetime, rae: User
) -> None:
    Payee.objects.filter(pk=approved.payee_id).update(stripe_account_id="acct_other")
    approved.refresh_from_db()
    payouts.send(payout=approved, at=at)
    assert (approved.status, approved.destination) == ("held", "")
    assert approved.reason == "The payout account changed after the review, so the payout is reviewed again."
    assert stand_in.objects("transfer") == []
    assert payouts.approve(payout=approved, by=rae, at=at).destination == "acct_other"


def test_a_held_payout_keeps_its_money_and_says_why(
    payee: Payee, asked: Payout, rae: User, at: datetime
) -> None:
    payouts.hold(payout=asked, by=rae, reason="Who are the forty buyers?", at=at)
    assert (asked.status, asked.reason, summary.of(payee).reserved.minor) == (
        "held",
        "Who are the forty buyers?",
        1000,
    )
    letter = Letter.objects.get()
    assert (letter.to, letter.subject) == (payee.email, "Your payout of €10.00 waits for something from you")
    assert "Who are the forty buyers?" in letter.text
    payouts.approve(payout=asked, by=rae, at=at)
    assert (asked.status, asked.reason) == ("approved", "")


def test_a_rejected_payout_gives_the_money_back(payee: Payee, asked: Payout, rae: User, at: datetime) -> None:
    payouts.reject(payout=asked, by=rae, reason="The event did not take place.", at=at)
    balances = summary.of(payee)
    assert (asked.status, balances.available.minor, balances.reserved.minor) == ("rejected", 1104, 0)
    with pytest.raises(WrongState):
        payouts.approve(payout=asked, by=rae, at=at)
    assert Letter.objects.get().subject == "Your payout of €10.00 was not approved"


def test_the_database_wants_a_reason(asked: Payout, rae: User, at: datetime) -> None:
    with pytest.raises(Error, match="a_payout_held_back_gives_a_reason"), transaction.atomic():
        payouts.reject(payout=asked, by=rae, reason="", at=at)


# Sent.


def test_it_is_one_transfer_and_it_is_paid(
    stand_in: "StandIn", approved: Payout, deliver: Callable[[], int], at: datetime
) -> None:
    payouts.send(payout=approved, at=at)
    payouts.send(payout=approved, at=at)
    [transfer] = stand_in.objects("transfer")
    assert (approved.status, approved.stripe_id) == ("paid", transfer["id"])
    assert (transfer["amount"], transfer["destination"]) == (5000, approved.payee.stripe_account_id)
    assert transfer["transfer_group"] == f"payout-{approved.pk}"
    deliver()
    balances = summary.of(approved.payee)
    assert (balances.available.minor, balances.reserved.minor, balances.paid_out.minor) == (6040, 0, 5000)
    assert Letter.objects.get().subject == "Your payout of €50.00 was sent"
    assert books.check(ask_stripe=True) == []


def test_without_an_answer_it_stays_under_way_and_is_not_sent_again(
    stand_in: "StandIn", approved: Payout, at: datetime
) -> None:
    stand_in.switches.turn({"fail_next": [{"path_prefix": "/v1/transfers", "status": 0, "after": True}] * 3})
    payouts.send(payout=approved, at=at)
    approved.refresh_from_db()
    assert (approved.status, approved.next_attempt_at) == ("sending", at + timedelta(minutes=1))
    assert payouts.send_due(at=at + timedelta(seconds=30)) == 0
    assert payouts.send_due(at=at + timedelta(minutes=2)) == 1
    approved.refresh_from_db()
    assert (approved.status, len(stand_in.objects("transfer"))) == ("paid", 1)


def test_the_event_confirms_what_the_answer_did_not(
    stand_in: "StandIn", approved: Payout, deliver: Callable[[], int], at: datetime
) -> None:
    stand_in.switches.turn({"fail_next": [{"path_prefix": "/v1/transfers", "status": 0, "after": True}] * 3})
    payouts.send(payout=approved, at=at)
    deliver()
    approved.refresh_from_db()
    assert (approved.status, approved.stripe_id) == ("paid", stand_in.objects("transfer")[0]["id"])
    assert books.check(ask_stripe=True) == []


def test_if_stripe_never_got_it_the_same_key_is_used_again(
    stand_in: "StandIn", approved: Payout, at: datetime
) -> None:
    stand_in.switches.turn({"fail_next": [{"path_prefix": "/v1/transfers", "status": 0}] * 3})
    payouts.send(payout=approved, at=at)
    assert stand_in.objects("transfer") == []
    payouts.send_due(at=at + timedelta(minutes=2))
    approved.refresh_from_db()
    assert (approved.status, len(stand_in.objects("transfer"))) == ("paid", 1)


def test_once_the_key_is_forgotten_it_is_looked_up_and_never_sent_again(
    stand_in: "StandIn", approved: Payout, at: datetime
) -> None:
    stand_in.switches.turn({"fail_next": [{"path_prefix": "/v1/transfers", "status": 0, "after": True}] * 3})
    payouts.send(payout=approved, at=at)
    stand_in.advance(48 * 3600)
    payouts.send_due(at=at + timedelta(hours=48))
    approved.refresh_from_db()
    assert (approved.status, len(stand_in.objects("transfer"))) == ("paid", 1)


def test_what_stripe_surely_never_made_fails_and_gives_the_money_back(
    stand_in: "StandIn", approved: Payout, at: datetime
) -> None:
    stand_in.switches.turn({"fail_next": [{"path_prefix": "/v1/transfers", "status": 500, "kept": True}]})
    payouts.send(payout=approved, at=at)
    payouts.send_due(at=at + timedelta(hours=24))  # too near the edge to know
    approved.refresh_from_db()
    assert approved.status == "sending"
    payouts.send_due(at=at + timedelta(hours=29))
    approved.refresh_from_db()
    assert approved.status == "failed"
    assert approved.reason == "Stripe did not take the payout. Nothing was sent; you can ask for it again."
    assert (summary.of(approved.payee).available.minor, stand_in.objects("transfer")) == (11_040, [])


def test_a_no_from_stripe_fails_it_with_a_reason_for_the_creator(
    stand_in: "StandIn", approved: Payout, at: datetime
) -> None:
    stand_in.restrict(approved.payee.stripe_account_id)
    payouts.send(payout=approved, at=at)
    assert approved.status == "failed"
    assert (
        approved.reason
        == "Stripe cannot pay into your account. Check your details with Stripe, then ask again."
    )
    assert summary.of(approved.payee).available.minor == 11_040
    assert Letter.objects.get().subject == "Your payout of €50.00 could not be sent"


def test_a_payee_not_ready_is_not_approved(asked: Payout, rae: User, at: datetime) -> None:
    Payee.objects.filter(pk=asked.payee_id).update(transfers_active=False)
    with pytest.raises(PayeeNotReady):
        payouts.approve(payout=asked, by=rae, at=at)


def test_a_reserve_is_posted_back_or_out_but_never_both(asked: Payout, rae: User, at: datetime) -> None:
    payouts.approve(payout=asked, by=rae, at=at)
    payouts.reject(payout=asked, by=rae, reason="Second thoughts.", at=at)
    with pytest.raises(WrongState):
        payouts.reject(payout=asked, by=rae, reason="Again.", at=at)
    reasons = Transfer.objects.filter(reference=asked.cause).order_by("id").values_list("reason", flat=True)
    assert list(reasons) == ["payout-reserved", "payout-returned"]
