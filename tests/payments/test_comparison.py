"""The books beside Stripe's: it complains, forgives what is on its way, and goes on where it was."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from accounts.models import User
from payments import books, comparison, payouts, refunds, releases, stripe_gateway, tasks
from payments.models import BalanceLine, Case, Charge, Comparison, Dispute, Payee, Payout, Refund
from payments.money import Money
from payments.stripe_gateway import StripeUnavailable
from payments.stripe_records import Movement
from tests.payments import parcels

if TYPE_CHECKING:
    from payments.sandbox.serve import StandIn

CheckedOut = Callable[..., Charge]
pytestmark = [pytest.mark.django_db, pytest.mark.broken_books]
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def bought(stand_in: "StandIn", deliver: Callable[[], int], checked_out: CheckedOut) -> CheckedOut:
    def buy(minor: int = 1200, **more: Payee) -> Charge:
        charge = checked_out(minor, **more)
        stand_in.pay(charge.checkout_id or "")
        deliver()
        charge.refresh_from_db()
        return charge

    return buy


def differing() -> list[str]:
    return [one.where for one in books.check(ask_stripe=True) if one.promise == comparison.AGREES]


@pytest.fixture
def whole_month(
    bought: CheckedOut, paid_payee: Payee, deliver: Callable[[], int], ada: User, rae: User, at: datetime
) -> Payee:
    """Return a payee with a charge kept, one refunded in part, and a payout sent: all agree."""
    kept, part = bought(12_000, payee=paid_payee), bought(2000, payee=paid_payee)
    refunds.send(
        refund=refunds.ask(charge=part, amount=Money(500, "EUR"), reason="part", by=None, at=at), at=at
    )
    releases.release(charge=kept, at=at)
    payout = payouts.request(payee=paid_payee, amount=Money(3000, "EUR"), by=ada, at=at)
    payouts.send(payout=payouts.approve(payout=payout, by=rae, at=at), at=at)
    deliver()
    assert differing() == []
    return paid_payee


# It complains.


def test_of_a_charge_of_another_amount(whole_month: Payee) -> None:
    charge = Charge.objects.get(amount_minor=2000)
    Charge.objects.filter(pk=charge.pk).update(amount_minor=2001)
    [told] = differing()
    assert told.startswith(f"{charge.stripe_charge_id}: 2001 less ")


@pytest.mark.parametrize("change", [{"stripe_fee_minor": 1}, {"stripe_fee_currency": "USD"}])
def test_of_another_fee_or_one_in_another_currency(whole_month: Payee, change: dict[str, Any]) -> None:
    charge = Charge.objects.get(amount_minor=2000)
    Charge.objects.filter(pk=charge.pk).update(**change)
    assert [told.split(":")[0] for told in differing()] == [charge.stripe_charge_id]


def test_of_a_refund_that_only_stripe_or_only_the_books_know(whole_month: Payee) -> None:
    refund = Refund.objects.get()
    Refund.objects.update(stripe_id="re_other")
    assert differing() == sorted(
        [
            "re_other: -500 less 0 EUR in the books, nothing at Stripe",
            f"{refund.stripe_id}: nothing in the books, -500 less 0 EUR at Stripe",
        ]
    )


def test_of_a_payout_of_another_amount_and_one_never_sent(whole_month: Payee) -> None:
    payout = Payout.objects.get()
    Payout.objects.update(amount_minor=3001)
    assert differing() == [f"{payout.stripe_id}: -3001 less 0 EUR in the books, -3000 less 0 EUR at Stripe"]
    Payout.objects.update(amount_minor=3000, status="approved")
    assert differing() == [f"{payout.stripe_id}: nothing in the books, -3000 less 0 EUR at Stripe"]


def test_of_a_refund_marked_done_that_the_bank_sent_back(stand_in: "StandIn", whole_month: Payee) -> None:
    refund = Refund.objects.get()
    stand_in.by_hand("fail_refund", refund=refund.stripe_id)  # and its news is not brought
    assert differing() == [f"{refund.stripe_id}: -500 less 0 EUR in the books, 0 less 0 EUR at Stripe"]


def test_of_a_dispute_the_books_think_won(
    stand_in: "StandIn", whole_month: Payee, deliver: Callable[[], int], at: datetime
) -> None:
    charge = Charge.objects.get(amount_minor=12_000)
    stand_in.dispute(charge.stripe_charge_id or "")
    deliver()
    assert differing() == []
    Dispute.objects.update(is_withdrawn=False, reinstated_at=at)
    assert [told.split(" in")[0].split(": ")[1].split()[0] for told in differing()] == ["0"]


def test_of_a_charge_that_is_paid_for_a_day_with_nothing_at_stripe(
    payee: Payee, ben: User, at: datetime
) -> None:
    charge = parcels.sold(payee, ben, 1200, at=at - 2 * DAY)
    assert [each.source for each in comparison.differences(settled_by=None)] == [charge.cause]


def test_of_money_in_another_currency_that_went_the_other_way(
    stand_in: "StandIn", bought: CheckedOut, deliver: Callable[[], int]
) -> None:
    stand_in.switches.turn({"settle_in": "aud"})
    charge = bought()
    assert differing() == []
    BalanceLine.objects.filter(source=charge.stripe_charge_id).update(amount_minor=-1)
    assert [told.split(":")[0] for told in differing()] == [charge.stripe_charge_id]


# It forgives what is on its way.


def test_a_fee_that_is_told_later(whole_month: Payee) -> None:
    Charge.objects.update(stripe_fee_minor=None)
    assert differing() == []


def test_a_refund_on_its_way_to_the_bank(whole_month: Payee) -> None:
    Refund.objects.update(status="sent", done_at=None)
    assert differing() == []


@pytest.mark.parametrize("ago", [timedelta(minutes=59), timedelta(minutes=61)])
def test_what_is_an_hour_old_is_held_against_it_and_what_is_younger_is_not(
    whole_month: Payee, at: datetime, ago: timedelta
) -> None:
    Refund.objects.update(stripe_id="re_other")
    then = datetime.now(UTC)
    BalanceLine.objects.filter(kind="refund").update(made_at=then - ago)
    Refund.objects.update(done_at=then - ago)
    found = comparison.differences(settled_by=then - comparison.ON_ITS_WAY)
    assert len(found) == (2 if ago > HOUR else 0)


# It is read in pieces, once a night, and its absence is noticed.


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch, at: datetime) -> list[str]:
    """Let Stripe have 25 lines, an hour apart; return which pages were asked for."""
    asked: list[str] = []
    every = [
        Movement(f"txn_{n:02}", "stripe_fee", f"fee_{n}", Money(-1, "EUR"), Money(0, "EUR"), at - n * HOUR)
        for n in range(25)
    ]

    def page(*, after: str = "") -> tuple[list[Movement], bool]:
        asked.append(after)
        begin = next((n + 1 for n, line in enumerate(every) if line.id == after), 0)
        return every[begin : begin + 10], begin + 10 < len(every)

    monkeypatch.setattr(stripe_gateway, "movements_page", page)
    return asked


def test_it_stops_when_its_time_is_over_and_goes_on_behind_the_cursor(lines: list[str], at: datetime) -> None:
    row = comparison.go_on(at=at, seconds=0)
    assert row is not None
    assert (row.cursor, row.finished_at, BalanceLine.objects.count()) == ("txn_09", None, 10)
    comparison.go_on(at=at + HOUR, seconds=0)
    comparison.go_on(at=at + HOUR, seconds=0)
    row.refresh_from_db()
    assert (lines, BalanceLine.objects.count()) == (["", "txn_09", "txn_19"], 25)
    assert (row.finished_at, Comparison.objects.count()) == (at + HOUR, 1)


def test_stripes_silence_keeps_what_was_read(
    lines: list[str], at: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    comparison.go_on(at=at, seconds=0)
    page = stripe_gateway.movements_page

    def silent(*, after: str = "") -> tuple[list[Movement], bool]:
        raise StripeUnavailable(after)

    monkeypatch.setattr(stripe_gateway, "movements_page", silent)
    with pytest.raises(StripeUnavailable):
        comparison.go_on(at=at)
    monkeypatch.setattr(stripe_gateway, "movements_page", page)
    comparison.go_on(at=at)
    assert lines == ["", "txn_09", "txn_19"]


def test_the_next_one_reads_only_what_is_new(lines: list[str], at: datetime) -> None:
    comparison.go_on(at=at - 20 * HOUR)
    assert comparison.go_on(at=at - HOUR) is None  # 19 hours later none is due
    lines.clear()
    row = comparison.go_on(at=at + 12 * HOUR)
    assert row is not None
    assert (row.until, row.finished_at) == (at - 44 * HOUR, at + 12 * HOUR)
    lines.clear()
    comparison.go_on(at=at + 36 * HOUR)
    assert lines == ["", "txn_09"]  # a day back from when the last one began, and no further


def test_a_difference_is_a_case_and_fails_the_task(
    whole_month: Payee, monkeypatch: pytest.MonkeyPatch
) -> None:
    Comparison.objects.all().delete()
    monkeypatch.setattr(comparison, "ON_ITS_WAY", -DAY)
    refund = Refund.objects.get()
    Refund.objects.update(stripe_id="re_other")
    with pytest.raises(tasks.BooksBroken):
        tasks.compare_with_stripe()
    assert set(Case.objects.values_list("kind", "cause")) == {
        ("books", f"differs-{refund.stripe_id}"),
        ("books", "differs-re_other"),
    }
    Refund.objects.update(stripe_id=refund.stripe_id)
    Comparison.objects.all().delete()
    tasks.compare_with_stripe()
    assert Case.objects.filter(Case.OPEN).count() == 0  # they agree again, so nobody has to look


@pytest.mark.parametrize("hours", [36, 37])
def test_that_none_was_finished_is_a_broken_promise(
    payee: Payee, ben: User, at: datetime, hours: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert comparison.overdue(at=at) is None  # nothing was ever sold
    parcels.sold(payee, ben, 1200, at=at - hours * HOUR)
    since = at - hours * HOUR if hours > 36 else None
    assert comparison.overdue(at=at) == since
    Comparison.objects.create(started_at=at - hours * HOUR, finished_at=at - hours * HOUR)
    assert comparison.overdue(at=at) == since
    monkeypatch.setattr(tasks, "now", lambda: at)
    if hours > 36:
        with pytest.raises(tasks.BooksBroken, match="within the last 36 hours: none since"):
            tasks.check_books()
    else:
        tasks.check_books()
