"""A refund that does not reach the buyer is no dead end: tried anew, or a case; the money is kept."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import AuditEntry, Letter, User
from payments import books, cases, failed_refunds, payouts, refund_standing, refunds, releases, summary
from payments.failed_refunds import NotWaiting
from payments.models import Case, Charge, Payee, Refund
from payments.money import Money
from tests.payments import parcels
from tests.races import together

if TYPE_CHECKING:
    from payments.sandbox.serve import StandIn

CheckedOut = Callable[..., Charge]
pytestmark = pytest.mark.django_db


@pytest.fixture
def bought(stand_in: "StandIn", deliver: Callable[[], int], checked_out: CheckedOut) -> CheckedOut:
    def buy(minor: int = 1200, *, card: str = "4242424242424242", **more: Payee) -> Charge:
        charge = checked_out(minor, **more)
        stand_in.pay(charge.checkout_id or "", card=card)
        deliver()
        charge.refresh_from_db()
        return charge

    return buy


def ask(charge: Charge, at: datetime) -> Refund:
    return refunds.ask(charge=charge, reason="called off", by=None, at=at)


def stands(charge: Charge) -> str:
    return str(refund_standing.of([charge])[charge.pk].stands)


@pytest.mark.parametrize("failure", sorted(failed_refunds.PASSES))
def test_what_may_pass_is_tried_anew_with_another_key(
    stand_in: "StandIn", bought: CheckedOut, payee: Payee, at: datetime, failure: str
) -> None:
    charge = bought()
    refund = ask(charge, at)
    assert refunds.fail(refund=refund, failure=failure, at=at)
    anew = refund.followed_by
    assert (anew.status, anew.next_attempt_at, anew.given_up_at) == ("wanted", at + timedelta(hours=1), None)
    assert (summary.of(payee).pending.minor, stands(charge)) == (0, "late")
    refunds.send_due(at=at + timedelta(hours=1))
    anew.refresh_from_db()
    [sent] = stand_in.objects("refund")
    assert (anew.status, anew.done_at, sent["metadata"]) == (
        "done",
        at + timedelta(hours=1),
        {"reference": anew.cause},
    )
    assert anew.cause != refund.cause
    assert (stands(charge), Case.objects.count()) == ("given", 0)
    assert [letter.subject for letter in Letter.objects.order_by("written_at")] == [
        "Your refund of €12.00 has not come through yet",
        "Your refund of €12.00 has come through",
    ]
    assert books.check(ask_stripe=True) == []


def test_it_is_tried_three_times_more_and_then_a_person_looks(sold: CheckedOut, at: datetime) -> None:
    charge = sold()
    refund = ask(charge, at)
    waits = []
    for _ in range(4):
        refunds.fail(refund=refund, failure="insufficient_funds", at=at)
        refund = refund.followed_by
        waits.append(refund.next_attempt_at and refund.next_attempt_at - at)
    assert waits == [timedelta(hours=1), timedelta(days=1), timedelta(days=3), None]
    assert (refund.given_up_at, Letter.objects.count()) == (at, 1)
    case = Case.objects.get()
    assert (case.kind, cases.subject_of(case)) == ("refund", refund)
    assert "insufficient_funds" in case.what


@pytest.mark.parametrize(
    "failure", ["lost_or_stolen_card", "expired_or_canceled_card", "canceled", "whatever"]
)
def test_what_no_try_can_mend_is_a_case_at_once(
    payee: Payee, sold: CheckedOut, at: datetime, failure: str
) -> None:
    charge = sold(released=True)
    refund = ask(charge, at)
    refunds.fail(refund=refund, failure=failure, at=at)
    refunds.fail(refund=refund, failure=failure, at=at)  # the event after the answer
    assert (Case.objects.count(), Refund.objects.count()) == (1, 2)
    assert (summary.of(payee).available.minor, stands(charge)) == (0, "late")
    refunds.send_due(at=at + timedelta(days=30))
    assert refund.followed_by.status == "wanted"


def test_the_creator_cannot_take_out_what_the_buyer_is_owed(
    payee: Payee, sold: CheckedOut, ada: User, at: datetime
) -> None:
    charge = sold()
    refunds.fail(refund=ask(charge, at), failure="lost_or_stolen_card", at=at)
    releases.release(charge=charge, at=at)
    with pytest.raises(payouts.NotEnoughMoney):
        payouts.request(payee=payee, amount=Money(1, "EUR"), by=ada, at=at)


def test_an_attempt_in_the_place_of_another_neither_frees_nor_holds_a_payout(
    payee: Payee, sold: CheckedOut, ada: User, at: datetime
) -> None:
    charge = sold(released=True)
    payout = payouts.request(payee=payee, amount=Money(1104, "EUR"), by=ada, at=at)
    refund = ask(charge, at)
    letters = Letter.objects.filter(key__startswith="payout").count()
    refunds.fail(refund=refund, failure="insufficient_funds", at=at)
    payout.refresh_from_db()
    assert (payout.status, payout.owed_since) == ("held", at)
    assert Letter.objects.filter(key__startswith="payout").count() == letters


def test_a_refund_the_bank_sends_back_is_not_given_any_more(
    stand_in: "StandIn", bought: CheckedOut, deliver: Callable[[], int], at: datetime
) -> None:
    charge = bought()
    refund = ask(charge, at)
    refunds.send(refund=refund, at=at)
    assert stands(charge) == "given"
    stand_in.by_hand("fail_refund", refund=refund.stripe_id)
    deliver()
    refund.refresh_from_db()
    assert (refund.status, stands(charge)) == ("failed", "late")
    assert books.check() == []


def test_a_no_because_of_a_dispute_is_the_banks_to_decide(
    stand_in: "StandIn", bought: CheckedOut, deliver: Callable[[], int], at: datetime
) -> None:
    charge = bought()
    refund = ask(charge, at)
    stand_in.dispute(charge.stripe_charge_id or "")
    refunds.send(refund=refund, at=at)
    deliver()
    assert (Refund.objects.count(), stands(charge), Case.objects.get().kind) == (1, "bank-decides", "refund")


# Refunded already: looked up, never undone.


def test_refunded_already_by_us_is_done(
    stand_in: "StandIn", bought: CheckedOut, at: datetime, payee: Payee
) -> None:
    refund = ask(bought(), at)
    refunds.send(refund=refund, at=at)
    Refund.objects.filter(pk=refund.pk).update(  # the answer was lost, and so was the key
        status="wanted", stripe_id=None, done_at=None, next_attempt_at=at, asked_stripe_at=None
    )
    stand_in.advance(26 * 3600)
    refunds.send_due(at=at)
    refund.refresh_from_db()
    assert (refund.status, summary.of(payee).pending.minor) == ("done", 0)
    assert books.check(ask_stripe=True) == []


def test_refunded_already_by_hand_is_looked_at_and_not_undone(
    stand_in: "StandIn", bought: CheckedOut, payee: Payee, at: datetime, rae: User
) -> None:
    charge = bought()
    refund = ask(charge, at)
    stand_in.switches.turn({"deliver_webhooks": False})
    stand_in.by_hand("refund", charge=charge.stripe_charge_id)
    refunds.send(refund=refund, at=at)
    refund.refresh_from_db()
    assert (refund.status, refund.given_up_at, summary.of(payee).pending.minor) == ("wanted", at, 0)
    case = Case.objects.get()
    assert (case.kind, cases.subject_of(case)) == ("refund", refund)
    failed_refunds.given_by_hand(refund=refund, by=rae, note="re_1 by Lou", at=at)
    assert (refund.__class__.objects.get().status, stands(charge)) == ("by-hand", "by-hand")
    case.refresh_from_db()
    assert (case.settled_by, case.note) == (rae, "re_1 by Lou")


# A person decides.


@pytest.fixture
def waiting(sold: CheckedOut, at: datetime) -> Refund:
    refund = ask(sold(), at)
    refunds.fail(refund=refund, failure="lost_or_stolen_card", at=at)
    return refund.followed_by


def test_tried_again_by_hand_it_goes_with_its_own_key(
    stand_in: "StandIn", bought: CheckedOut, rae: User, at: datetime
) -> None:
    charge = bought()
    refund = ask(charge, at)
    refunds.fail(refund=refund, failure="lost_or_stolen_card", at=at)
    cases.try_again(case=Case.objects.get(), by=rae, at=at)
    refunds.send_due(at=at)
    assert (stands(charge), Case.objects.filter(Case.OPEN).count()) == ("given", 0)


def test_one_that_is_not_owed_goes_back_to_the_creator(
    waiting: Refund, payee: Payee, rae: User, at: datetime
) -> None:
    failed_refunds.not_owed(refund=waiting, by=rae, note="The buyer came after all.", at=at)
    waiting.refresh_from_db()
    assert (waiting.status, waiting.failure) == ("failed", "The buyer came after all.")
    assert summary.of(payee).pending.minor == 1104
    assert AuditEntry.objects.get(verb="refund-not-owed").actor == rae
    with pytest.raises(NotWaiting):
        failed_refunds.given_by_hand(refund=waiting, by=rae, note="no", at=at)


@pytest.mark.parametrize("how", ["refund_by_hand", "refund_not_owed"])
def test_finance_ends_it_at_the_desk_and_only_so(
    desk: Client, client: Client, waiting: Refund, how: str
) -> None:
    case = Case.objects.get()
    desk.post(reverse("payments:settle_case", args=[case.pk]), {"note": "done with it"})
    case.refresh_from_db()
    assert case.settled_at is None  # somebody is still owed
    assert client.post(reverse(f"payments:{how}", args=[case.pk]), {"note": "x"}).status_code == 302
    assert desk.post(reverse(f"payments:{how}", args=[case.pk]), {"note": ""}).status_code == 422
    desk.post(reverse(f"payments:{how}", args=[case.pk]), {"note": "By bank transfer, 3 May."})
    waiting.refresh_from_db()
    case.refresh_from_db()
    assert (waiting.status, case.note) == (
        {"refund_by_hand": "by-hand", "refund_not_owed": "failed"}[how],
        "By bank transfer, 3 May.",
    )


@pytest.mark.broken_books
def test_the_books_miss_no_refund_that_waits(waiting: Refund) -> None:
    Case.objects.all().delete()
    assert [each.promise for each in books.check()] == ["no refund that waits for a person is forgotten"]


@pytest.mark.django_db(transaction=True)
def test_two_who_learn_of_it_at_once_promise_it_once(payee: Payee, ben: User, at: datetime) -> None:
    # Seen failing without the condition in move(): two attempts take its place.
    refund = ask(parcels.sold(payee, ben, 1200, at=at), at)
    answers = together(
        *[
            lambda: refunds.fail(
                refund=Refund.objects.get(pk=refund.pk), failure="lost_or_stolen_card", at=at
            )
            for _ in range(3)
        ]
    )
    assert sorted(map(str, answers)) == ["False", "False", "True"]
    assert (Refund.objects.count(), Case.objects.count()) == (2, 1)


@pytest.mark.parametrize("count", [1, 3])
def test_how_it_stands_costs_the_same_for_any_number(
    sold: CheckedOut, at: datetime, count: int, django_assert_num_queries: Callable[[int], object]
) -> None:
    charges = [sold() for _ in range(count)]
    for charge in charges:
        ask(charge, at)
    with django_assert_num_queries(2):  # type: ignore[attr-defined]
        assert {str(each.stands) for each in refund_standing.of(charges).values()} == {"on-its-way"}
