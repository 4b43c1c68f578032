"""What only Python knows is a wish: the database itself refuses each of these."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from django.db import Error, connection, transaction
from django.test import Client
from django.urls import reverse

from accounts.models import User
from clubs.models import Club, Officer
from payments import books, interests, payouts, refunds
from payments.models import (
    Approval,
    Charge,
    Dispute,
    Interest,
    LedgerAccount,
    Payee,
    Payout,
    Refund,
    Transfer,
)
from payments.models.payout import Reversal
from payments.money import Money
from payments.payouts import HasInterest
from tests import factories
from tests.conftest import NEVER_TRUNCATED

Sold = Callable[..., Charge]
pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


def refused(name: str, act: Callable[[], object]) -> None:
    with pytest.raises(Error, match=name), transaction.atomic():
        act()


# Currencies.


@pytest.fixture
def busy(payee: Payee, sold: Sold, ada: User, at: datetime) -> Payee:
    refunds.ask(charge=sold(), amount=Money(300, "EUR"), reason="part", by=None, at=at)
    sold(2000, released=True)
    payouts.request(payee=payee, amount=Money(500, "EUR"), by=ada, at=at)
    return payee


def test_what_a_payee_sells_counts_in_their_currency(payee: Payee, ben: User) -> None:
    refused(
        "a_charge_counts_in_its_payees_currency",
        lambda: factories.ChargeFactory.create(payee=payee, buyer=ben, currency="USD"),
    )
    refused(
        "a_subscription_counts_in_its_payees_currency",
        lambda: factories.SubscriptionFactory.create(payee=payee, buyer=ben, currency="USD"),
    )


def test_what_a_payee_has_and_is_paid_counts_in_their_currency(payee: Payee, ada: User) -> None:
    refused(
        "an_account_counts_in_its_payees_currency",
        lambda: LedgerAccount.objects.create(payee=payee, kind="available", currency="USD"),
    )
    refused(
        "a_payout_counts_in_its_payees_currency",
        lambda: factories.PayoutFactory.create(payee=payee, requested_by=ada, currency="USD"),
    )


def test_what_goes_back_counts_in_the_currency_it_came_in(busy: Payee, at: datetime) -> None:
    charge, payout = Charge.objects.earliest("pk"), Payout.objects.get()
    refused(
        "a_refund_counts_in_its_charges_currency",
        lambda: Refund.objects.update(currency="USD"),
    )
    refused(
        "a_dispute_counts_in_its_charges_currency",
        lambda: Dispute.objects.create(
            charge=charge,
            stripe_id="du_1",
            amount_minor=1,
            currency="USD",
            stripe_status="lost",
            created_at=at,
        ),
    )
    refused(
        "a_reversal_counts_in_its_payouts_currency",
        lambda: Reversal.objects.create(
            payout=payout, stripe_id="trr_1", amount_minor=1, currency="USD", at=at
        ),
    )


def test_the_currency_of_a_payee_stays_once_something_counts_in_it(busy: Payee) -> None:
    refused(
        "in_its_payees_currency|counts_in", lambda: Payee.objects.filter(pk=busy.pk).update(currency="USD")
    )
    Payee.objects.filter(pk=factories.PayeeFactory.create().pk).update(currency="USD")


@pytest.mark.parametrize("side", ["source", "target"])
def test_a_transfer_stays_in_the_currency_of_both_accounts(busy: Payee, at: datetime, side: str) -> None:
    euros = LedgerAccount.objects.get(kind="fees", currency="EUR")
    dollars = LedgerAccount.objects.create(kind="buyers", currency="USD")
    source, target = (dollars, euros) if side == "source" else (euros, dollars)
    for currency in ("EUR", "USD"):
        transfer = Transfer(
            source=source,
            target=target,
            amount_minor=1,
            currency=currency,
            reason="x",
            reference="y",
            at=at,
        )
        refused("a_transfer_stays_in_its_currency", transfer.save)


# The books.


@pytest.mark.parametrize("change", [{"kind": "available"}, {"currency": "USD"}, {"payee": None}])
def test_an_account_of_the_books_is_never_edited(busy: Payee, change: dict[str, object]) -> None:
    refused(
        "accounts_never_change",
        lambda: LedgerAccount.objects.filter(payee=busy, kind="pending").update(**change),
    )


@pytest.mark.parametrize(("table", "trigger"), NEVER_TRUNCATED.items())
def test_what_is_kept_for_ever_is_never_truncated(busy: Payee, table: str, trigger: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER {trigger}")  # as everywhere but in tests

        def truncate() -> None:
            cursor.execute(f"TRUNCATE {table} CASCADE")

        refused("never change|stays written", truncate)
    assert Transfer.objects.exists()


# Whose money it is.


@pytest.fixture
def asked(club: Club, sold: Sold, max: User, at: datetime) -> Payout:
    Payee.objects.filter(pk=club.payee_id).update(stripe_account_id="acct_club", transfers_active=True)
    club.payee.refresh_from_db()
    sold(payee=club.payee, released=True)
    return payouts.request(payee=club.payee, amount=Money(1000, "EUR"), by=max, at=at)


def approve_behind_the_trades(payout: Payout, by: User, at: datetime) -> None:
    Approval.objects.create(payout=payout, by=by, destination="acct_club", at=at)


def review_behind_the_trades(payout: Payout, by: User, at: datetime) -> None:
    Payout.objects.filter(pk=payout.pk).update(reviewed_by=by, reviewed_at=at)


REFUSAL = "nobody_with_an_interest_reviews_a_payout"


@pytest.mark.parametrize("behind", [approve_behind_the_trades, review_behind_the_trades])
def test_an_owner_reviews_nothing_of_her_own_club(
    asked: Payout, ada: User, at: datetime, behind: Callable[..., None]
) -> None:
    with pytest.raises(HasInterest):
        payouts.approve(payout=asked, by=ada, at=at)
    with pytest.raises(HasInterest):
        payouts.hold(payout=asked, by=ada, reason="x", at=at)
    with pytest.raises(HasInterest):
        payouts.reject(payout=asked, by=ada, reason="x", at=at)
    refused(REFUSAL, lambda: behind(asked, ada, at))


@pytest.mark.parametrize("role", Officer.Role.values)
def test_no_officer_reviews(asked: Payout, club: Club, rae: User, at: datetime, role: str) -> None:
    Officer.objects.create(club=club, user=rae, role=role, since=at)
    with pytest.raises(HasInterest):
        payouts.approve(payout=asked, by=rae, at=at)
    refused(REFUSAL, lambda: approve_behind_the_trades(asked, rae, at))


@pytest.mark.parametrize("days", [89, 91])
@pytest.mark.parametrize("behind", [approve_behind_the_trades, review_behind_the_trades])
def test_who_left_reviews_after_ninety_days(
    asked: Payout, club: Club, rae: User, at: datetime, days: int, behind: Callable[..., None]
) -> None:
    may = days > 90
    officer = Officer.objects.create(club=club, user=rae, role="host", since=at - 200 * DAY)
    officer.delete()
    left = Interest.objects.get(user=rae, payee=club.payee)
    assert left.until is not None
    Interest.objects.filter(pk=left.pk).update(until=at - days * DAY, since=at - 200 * DAY)
    assert interests.has(rae, club.payee, at=at) is not may
    if may:
        assert payouts.approve(payout=asked, by=rae, at=at).status == "approved"
    else:
        with pytest.raises(HasInterest):
            payouts.approve(payout=asked, by=rae, at=at)
        refused(REFUSAL, lambda: behind(asked, rae, at))


def test_who_comes_back_has_one_interest_at_a_time(club: Club, rae: User, at: datetime) -> None:
    for _ in range(2):
        Officer.objects.create(club=club, user=rae, role="host", since=at).delete()
    Officer.objects.create(club=club, user=rae, role="host", since=at)
    mine = Interest.objects.filter(user=rae, payee=club.payee)
    assert (mine.count(), mine.filter(until=None).count()) == (3, 1)


def test_an_office_handed_over_moves_the_interest(club: Club, ada: User, rae: User) -> None:
    Officer.objects.filter(club=club, user=ada).update(user=rae)
    open_ones = Interest.objects.filter(payee=club.payee, until=None)
    assert list(open_ones.values_list("user", flat=True)) == [rae.pk]


def test_an_officer_of_another_club_may_review(asked: Payout, rae: User, at: datetime) -> None:
    factories.ClubFactory.create(owner=rae)
    assert payouts.approve(payout=asked, by=rae, at=at).status == "approved"


def test_the_desk_says_why(desk: Client, asked: Payout, club: Club, rae: User, at: datetime) -> None:
    Officer.objects.create(club=club, user=rae, role="cashier", since=at)
    page = desk.get(reverse("payments:review", args=[asked.pk])).content.decode()
    assert "so somebody else has to review it" in page
    assert reverse("payments:approve", args=[asked.pk]) not in page
    desk.post(reverse("payments:approve", args=[asked.pk]))
    asked.refresh_from_db()
    assert asked.status == "requested"


@pytest.mark.broken_books
def test_the_books_find_an_approval_of_ones_own(asked: Payout, club: Club, rae: User, at: datetime) -> None:
    payouts.approve(payout=asked, by=rae, at=at)
    Interest.objects.create(user=rae, payee=club.payee, since=at - DAY)
    assert [each.promise for each in books.check()] == ["nobody approves who has an interest in the payee"]
