"""Two people above the limit: at the figure and one above, of each currency, and over seven days."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from django.conf import settings as product

from accounts.models import User
from payments import books, limits, payouts
from payments.models import Charge, Payee, Payout
from payments.money import SALE_CURRENCIES, Money
from tests import factories

Sold = Callable[..., Charge]
pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


def paid_in(currency: str) -> Payee:
    return factories.PayeeFactory.create(
        currency=currency, stripe_account_id=f"acct_{currency}", transfers_active=True
    )


def asked(payee: Payee, minor: int, by: User, at: datetime) -> Payout:
    return payouts.request(payee=payee, amount=Money(minor, payee.currency), by=by, at=at)


def test_every_currency_that_is_sold_in_has_its_limit() -> None:
    assert set(SALE_CURRENCIES) <= set(product.TWO_REVIEWERS_ABOVE)
    assert limits.above("CZK").minor == 0  # where nobody set one, it always takes two


@pytest.mark.parametrize("currency", SALE_CURRENCIES)
@pytest.mark.parametrize(("more", "status"), [(0, "approved"), (1, "requested")])
def test_at_the_figure_one_is_enough_and_one_above_it_takes_two(
    sold: Sold, ada: User, rae: User, at: datetime, currency: str, more: int, status: str
) -> None:
    payee, limit = paid_in(currency), product.TWO_REVIEWERS_ABOVE[currency]
    sold(limit * 2, payee=payee, released=True)
    payout = payouts.approve(payout=asked(payee, limit + more, ada, at), by=rae, at=at)
    assert payout.status == status


def test_yen_are_not_cents(sold: Sold, ada: User, rae: User, at: datetime) -> None:
    payee = paid_in("JPY")
    sold(900_000, payee=payee, released=True)
    assert payouts.approve(payout=asked(payee, 200_001, ada, at), by=rae, at=at).status == "approved"


@pytest.mark.parametrize(("more", "status"), [(0, "approved"), (1, "requested")])
def test_many_small_ones_are_as_dear_as_a_large_one(
    payee: Payee, sold: Sold, ada: User, rae: User, at: datetime, more: int, status: str
) -> None:
    sold(900_000, released=True)
    for day in range(3):
        then = at - (6 - day) * DAY
        earlier = payouts.approve(payout=asked(payee, 50_000, ada, then), by=rae, at=then)
        assert earlier.status == "approved"
    last = payouts.approve(payout=asked(payee, 50_000 + more, ada, at), by=rae, at=at)
    assert (last.status, limits.lately(last, at=at).minor) == (status, 150_000)


@pytest.mark.parametrize(
    ("ago", "status"), [(7 * DAY, "approved"), (7 * DAY - timedelta(seconds=1), "requested")]
)
def test_after_seven_days_it_counts_no_more(
    payee: Payee, sold: Sold, ada: User, rae: User, at: datetime, ago: timedelta, status: str
) -> None:
    sold(900_000, released=True)
    payouts.approve(payout=asked(payee, 200_000, ada, at - ago), by=rae, at=at - ago)
    assert payouts.approve(payout=asked(payee, 1, ada, at), by=rae, at=at).status == status


def test_what_was_rejected_or_is_another_payees_does_not_count(
    payee: Payee, sold: Sold, ada: User, rae: User, at: datetime
) -> None:
    other = paid_in("EUR")
    sold(900_000, released=True)
    sold(900_000, payee=other, released=True)
    payouts.reject(payout=asked(payee, 200_000, ada, at), by=rae, reason="no", at=at)
    payouts.approve(payout=asked(other, 200_000, ada, at), by=rae, at=at)
    assert payouts.approve(payout=asked(payee, 200_000, ada, at), by=rae, at=at).status == "approved"


@pytest.mark.broken_books
def test_the_books_count_seven_days_too(payee: Payee, sold: Sold, ada: User, rae: User, at: datetime) -> None:
    sold(900_000, released=True)
    payouts.approve(payout=asked(payee, 200_000, ada, at - DAY), by=rae, at=at - DAY)
    second = payouts.approve(payout=asked(payee, 1, ada, at), by=rae, at=at)
    assert books.check() == []
    Payout.objects.filter(pk=second.pk).update(
        status="approved", destination="acct_night", reviewed_by=rae, reviewed_at=at
    )
    assert [each.promise for each in books.check()] == [
        "no payout leaves without the yes of somebody else, and of two above the limit"
    ]
