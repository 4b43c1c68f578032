"""The books: one door, nothing changes, and what leaves one pot comes into another."""

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

import pytest
from django.db import Error, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from payments import ledger, statement
from payments.ledger import AlreadyPosted
from payments.models import Charge, LedgerAccount, Payee, Transfer
from payments.money import CurrencyMismatch, Money
from tests import factories

if TYPE_CHECKING:
    from pytest_django import DjangoAssertNumQueries

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.broken_books,
]  # transfers without a cause, to look at the door alone
Kind = LedgerAccount.Kind


@pytest.fixture
def buyers(db: None) -> LedgerAccount:
    return ledger.account(kind=Kind.BUYERS, currency="EUR")


@pytest.fixture
def fees(db: None) -> LedgerAccount:
    return ledger.account(kind=Kind.FEES, currency="EUR")


def post(
    source: LedgerAccount, target: LedgerAccount, minor: int, cause: str, at: datetime
) -> Transfer | None:
    amount = Money(minor, "EUR")
    return ledger.post(source=source, target=target, amount=amount, reason="sale", reference=cause, at=at)


def test_an_account_is_opened_once(payee: Payee) -> None:
    first = ledger.account(kind=Kind.PENDING, currency="EUR", payee=payee)
    assert ledger.account(kind=Kind.PENDING, currency="EUR", payee=payee) == first


def test_the_same_posting_again_is_the_first_one(
    buyers: LedgerAccount, fees: LedgerAccount, at: datetime
) -> None:
    first = post(buyers, fees, 100, "order-1", at)
    assert post(buyers, fees, 100, "order-1", at) == first
    assert ledger.balance(fees) == Money(100, "EUR")


def test_the_same_cause_with_another_amount_is_refused(
    buyers: LedgerAccount, fees: LedgerAccount, at: datetime
) -> None:
    post(buyers, fees, 100, "order-1", at)
    with pytest.raises(AlreadyPosted):
        post(buyers, fees, 101, "order-1", at)


def test_nothing_moves_when_the_amount_is_nothing(
    buyers: LedgerAccount, fees: LedgerAccount, at: datetime
) -> None:
    assert post(buyers, fees, 0, "order-1", at) is None
    assert not Transfer.objects.exists()


def test_money_does_not_change_its_currency_on_the_way(buyers: LedgerAccount, at: datetime) -> None:
    yen = ledger.account(kind=Kind.FEES, currency="JPY")
    with pytest.raises(CurrencyMismatch):
        post(buyers, yen, 100, "order-1", at)
    with pytest.raises(Error, match="stays_in_its_currency"), transaction.atomic():
        Transfer.objects.create(
            source=buyers, target=yen, amount_minor=1, currency="EUR", reason="sale", reference="x", at=at
        )


@pytest.mark.parametrize("change", ["update", "delete"])
def test_the_database_refuses_to_change_the_books(
    buyers: LedgerAccount, fees: LedgerAccount, at: datetime, change: str
) -> None:
    post(buyers, fees, 100, "order-1", at)
    with pytest.raises(Error, match="transfers never change"), transaction.atomic():
        Transfer.objects.update(amount_minor=1) if change == "update" else Transfer.objects.all().delete()


@pytest.mark.parametrize("minor", [-5, 0])
def test_the_database_refuses_a_transfer_of_nothing_or_less(
    buyers: LedgerAccount, fees: LedgerAccount, at: datetime, minor: int
) -> None:
    with pytest.raises(Error, match="a_transfer_moves_something"), transaction.atomic():
        Transfer.objects.create(
            source=buyers,
            target=fees,
            amount_minor=minor,
            currency="EUR",
            reason="sale",
            reference="x",
            at=at,
        )


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(moves=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 10**9)), max_size=12))
def test_whatever_is_posted_nothing_is_made_or_lost(moves: list[tuple[int, int, int]], at: datetime) -> None:
    with transaction.atomic():
        payee = factories.PayeeFactory.create()
        accounts = [
            ledger.account(kind=Kind.BUYERS, currency="EUR"),
            ledger.account(kind=Kind.FEES, currency="EUR"),
            ledger.account(kind=Kind.PENDING, currency="EUR", payee=payee),
            ledger.account(kind=Kind.AVAILABLE, currency="EUR", payee=payee),
        ]
        expected = [0, 0, 0, 0]
        for number, (source, target, minor) in enumerate(moves):
            if source != target:
                post(accounts[source], accounts[target], minor, f"move-{number}", at)
                expected[source] -= minor
                expected[target] += minor
        balances = ledger.balances(accounts)
        assert [balances[account.pk].minor for account in accounts] == expected
        assert [ledger.balance(account).minor for account in accounts] == expected
        assert sum(expected) == 0
        transaction.set_rollback(True)


@pytest.mark.parametrize("count", [1, 3])
def test_balances_cost_the_same_for_any_number(
    payee: Payee, count: int, django_assert_num_queries: "DjangoAssertNumQueries"
) -> None:
    kinds = [Kind.PENDING, Kind.AVAILABLE, Kind.RESERVE][:count]
    accounts = [ledger.account(kind=kind, currency="EUR", payee=payee) for kind in kinds]
    with django_assert_num_queries(2):
        ledger.balances(accounts)


@pytest.mark.parametrize("count", [1, 3])
def test_a_statement_costs_the_same_for_any_number_of_lines(
    payee: Payee, sold: Callable[..., Charge], count: int, django_assert_num_queries: "DjangoAssertNumQueries"
) -> None:
    for _ in range(count):
        sold()
    with django_assert_num_queries(2):
        lines = statement.lines(statement.transfers(payee))
    assert [(line.words, line.about) for line in lines] == [
        ("Stagedoor's fee", "A parcel"),
        ("Sold", "A parcel"),
    ] * count
    assert [line.amount for line in lines[:2]] == [Money(-96, "EUR"), Money(1200, "EUR")]
