"""Money released and given back in bulk: the same rows as one by one, in a few statements, resumable."""

from collections.abc import Callable
from datetime import datetime

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import AuditEntry, User
from payments import books, disputes, ledger, payouts, refunds, releases, summary
from payments.models import Charge, LedgerAccount, Payee, Refund, Transfer
from payments.money import Money
from payments.stripe_records import DisputeState
from tests import factories
from tests.payments import parcels
from tests.races import together

Sold = Callable[..., Charge]
pytestmark = pytest.mark.django_db


def queries_of(act: Callable[[], object]) -> int:
    with CaptureQueriesContext(connection) as seen:
        act()
    return len(seen)


def dispute(charge: Charge, at: datetime, *, status: str = "needs_response", withdrawn: bool = True) -> None:
    state = DisputeState(
        id=f"du_{charge.pk.hex}",
        payment_intent="",
        amount=charge.amount,
        status=status,
        reason="fraudulent",
        is_withdrawn=withdrawn,
        is_reinstated=False,
        stripe_fee=Money(0, charge.currency),
    )
    disputes.heed(charge=charge, state=state, at=at)


def test_many_are_released_as_if_one_by_one(payee: Payee, sold: Sold, ben: User, at: datetime) -> None:
    charges = [sold(1000), sold(1200), sold(1500)]
    refunds.ask(charge=charges[1], amount=Money(600, "EUR"), reason="half", by=None, at=at)
    refunds.ask(charge=charges[2], reason="all", by=None, at=at)
    before, unpaid = sold(700, released=True), parcels.asked(payee, ben, 900, at=at)
    assert releases.release_many(charges=Charge.objects.filter(payee=payee), at=at) == 3
    assert releases.release_many(charges=Charge.objects.filter(payee=payee), at=at) == 0
    rows = Transfer.objects.filter(reason="release").exclude(reference=before.cause)
    assert {row.reference: row.amount_minor for row in rows} == {
        charges[0].cause: 920,
        charges[1].cause: 552,  # and nothing of the third: nothing was left of it
    }
    unpaid.refresh_from_db()
    assert (unpaid.released_at, summary.of(payee).pending.minor) == (None, 0)


def test_a_charge_below_zero_takes_from_what_is_available(payee: Payee, sold: Sold, at: datetime) -> None:
    less, more = sold(1000), sold(3000)
    refunds.ask(charge=less, amount=Money(500, "EUR"), reason="half", by=None, at=at)
    dispute(less, at)
    releases.release_many(charges=Charge.objects.all(), at=at)
    balances = summary.of(payee)
    assert (balances.pending.minor, balances.available.minor) == (0, 2760 - 500)
    more.refresh_from_db()
    assert more.released_at == at


@pytest.mark.parametrize("count", [1, 30])
def test_it_costs_the_same_for_any_number(sold: Sold, at: datetime, count: int) -> None:
    sold(100, released=True)  # the accounts are open
    for _ in range(count):
        sold()
    assert queries_of(lambda: releases.release_many(charges=Charge.objects.all(), at=at)) <= 24


def test_each_piece_is_kept_and_the_next_call_goes_on(
    payee: Payee, sold: Sold, at: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(5):
        sold()
    monkeypatch.setattr(releases, "AT_ONCE", 2)
    post_many, calls = ledger.post_many, []

    def killed_at_the_second(*args: object, **kwargs: object) -> None:
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        post_many(*args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(ledger, "post_many", killed_at_the_second)
    with pytest.raises(KeyboardInterrupt):
        releases.release_many(charges=Charge.objects.all(), at=at)
    assert Charge.objects.exclude(released_at=None).count() == 2
    assert books.check() == []
    assert releases.release_many(charges=Charge.objects.all(), at=at) == 3


def test_each_payee_has_their_own(payee: Payee, sold: Sold, at: datetime) -> None:
    yen = factories.PayeeFactory.create(currency="JPY")
    sold(1000)
    sold(5000, payee=yen)
    releases.release_many(charges=Charge.objects.all(), at=at)
    assert (summary.of(payee).available, summary.of(yen).available) == (Money(920, "EUR"), Money(4600, "JPY"))


@pytest.mark.django_db(transaction=True)
def test_refunds_and_releases_of_the_same_charges_at_once(payee: Payee, ben: User, at: datetime) -> None:
    bought = [parcels.sold(payee, ben, 1000, at=at) for _ in range(10)]
    answers = together(
        lambda: releases.release_many(charges=Charge.objects.all(), at=at),
        lambda: refunds.ask_many(charges=bought[:5], reason="ill", by=None, at=at),
        lambda: releases.release_many(charges=Charge.objects.all(), at=at),
        *(lambda charge=charge: releases.release(charge=charge, at=at) for charge in bought[5:]),
    )
    assert [answer for answer in answers if isinstance(answer, Exception)] == []
    balances = summary.of(payee)
    assert (balances.pending.minor, balances.available.minor) == (0, 4600)
    assert books.check() == []


# Given back in bulk.


def test_many_are_given_back_and_nobody_is_left_out_in_silence(
    payee: Payee, sold: Sold, ben: User, ada: User, at: datetime
) -> None:
    whole, part, gone = sold(1000), sold(1200, released=True), sold(500)
    refunds.ask(charge=part, amount=Money(200, "EUR"), reason="part", by=None, at=at)
    refunds.ask(charge=gone, reason="all", by=None, at=at)
    disputed, harmless, unpaid = sold(800), sold(900), parcels.asked(payee, ben, 900, at=at)
    dispute(disputed, at)
    dispute(harmless, at, status="warning_closed", withdrawn=False)
    earlier = set(Refund.objects.values_list("pk", flat=True))
    asked = refunds.ask_many(charges=list(Charge.objects.all()), reason="called off", by=ada, at=at)
    assert {pk: refund.amount_minor for pk, refund in asked.refunds.items()} == {
        whole.pk: 1000,
        part.pk: 1000,
        harmless.pk: 900,
    }
    assert asked.disputed == [disputed]
    assert {charge.pk for charge in asked.nothing_left} == {gone.pk, unpaid.pk}
    made = Refund.objects.exclude(pk__in=earlier)
    assert {refund.pk for refund in made} == {refund.pk for refund in asked.refunds.values()}
    assert set(made.values_list("reason", "asked_by", "next_attempt_at")) == {("called off", ada.pk, at)}
    assert AuditEntry.objects.filter(verb="refund-asked", actor=ada).count() == 3


def test_asking_again_gives_nothing_twice(sold: Sold, at: datetime) -> None:
    charges = [sold(1000), sold(1200)]
    refunds.ask_many(charges=charges, reason="called off", by=None, at=at)
    again = refunds.ask_many(charges=charges, reason="called off", by=None, at=at)
    assert (len(again.refunds), len(again.nothing_left), Refund.objects.count()) == (0, 2, 2)


@pytest.mark.parametrize("count", [1, 30])
def test_giving_back_costs_the_same_for_any_number(sold: Sold, at: datetime, count: int) -> None:
    refunds.ask(charge=sold(100), reason="open the accounts", by=None, at=at)
    charges = [sold() for _ in range(count)]

    def give_back() -> None:
        refunds.ask_many(charges=charges, reason="called off", by=None, at=at)

    assert queries_of(give_back) <= 22


def test_a_debt_by_many_holds_what_was_asked_for(payee: Payee, sold: Sold, ada: User, at: datetime) -> None:
    charges = [sold(1000, released=True) for _ in range(3)]
    payout = payouts.request(payee=payee, amount=Money(2760, "EUR"), by=ada, at=at)
    refunds.ask_many(charges=charges, reason="called off", by=None, at=at)
    payout.refresh_from_db()
    available = LedgerAccount.objects.get(payee=payee, kind="available")
    assert (payout.status, ledger.balance(available).minor) == ("held", -2760)
