"""Money is whole minor units of one currency; whatever it is divided by, nothing is lost."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payments.money import DIGITS, SALE_CURRENCIES, CurrencyMismatch, Money, NotAnAmount

currencies = st.sampled_from(sorted(DIGITS))
minors = st.integers(min_value=-(10**12), max_value=10**12)


@given(minor=minors, currency=currencies, basis_points=st.integers(0, 10_000))
def test_both_parts_of_a_split_add_up_to_the_whole(minor: int, currency: str, basis_points: int) -> None:
    whole = Money(minor, currency)
    share, rest = whole.split(basis_points=basis_points)
    assert share + rest == whole
    assert 0 <= abs(share.minor) * 10_000 <= abs(minor) * basis_points
    assert abs(share.minor) * 10_000 > abs(minor) * basis_points - 10_000  # less than one unit is rounded off


@given(fee=st.integers(0, 10**9), amount=st.integers(1, 10**9), data=st.data())
def test_parts_taken_one_after_another_get_all_of_the_fee(fee: int, amount: int, data: st.DataObject) -> None:
    left, fee_left, given_back = Money(amount, "EUR"), Money(min(fee, amount), "EUR"), Money.zero("EUR")
    while left:
        part = Money(data.draw(st.integers(1, left.minor)), "EUR")
        fee_part = fee_left.prorate(part=part, whole=left)
        assert 0 <= fee_part.minor <= part.minor
        left, fee_left, given_back = left - part, fee_left - fee_part, given_back + fee_part
    assert (fee_left, given_back) == (Money.zero("EUR"), Money(min(fee, amount), "EUR"))


@given(minor=st.integers(0, 10**12), currency=st.sampled_from(SALE_CURRENCIES))
def test_what_is_shown_can_be_typed_again(minor: int, currency: str) -> None:
    amount = Money(minor, currency)
    assert Money.parse(str(amount.major), currency) == amount


@pytest.mark.parametrize(
    ("text", "currency", "minor"),
    [("12", "EUR", 1200), ("12.5", "EUR", 1250), (" 12,50 ", "EUR", 1250), ("1200", "JPY", 1200)],
)
def test_people_write_amounts_in_several_ways(text: str, currency: str, minor: int) -> None:
    assert Money.parse(text, currency) == Money(minor, currency)


@pytest.mark.parametrize(
    ("text", "currency"), [("twelve", "EUR"), ("12.505", "EUR"), ("1.5", "JPY"), ("nan", "EUR"), ("1", "XXX")]
)
def test_what_is_no_amount_is_refused(text: str, currency: str) -> None:
    with pytest.raises(NotAnAmount):
        Money.parse(text, currency)


@pytest.mark.parametrize(
    ("currency", "shown"),
    [
        ("AUD", "11.43 AUD"),
        ("JPY", "1143 JPY"),
        ("KWD", "1.143 KWD"),
        ("ISK", "11.43 ISK"),
        ("HUF", "11.43 HUF"),
    ],
)
def test_money_may_settle_in_any_currency_that_stripe_counts_in(currency: str, shown: str) -> None:
    assert str(Money(1143, currency)) == shown


def test_nothing_is_sold_in_a_currency_that_money_only_settles_in() -> None:
    with pytest.raises(NotAnAmount):
        Money.parse("12.00", "AUD")


def test_two_currencies_do_not_add_up() -> None:
    with pytest.raises(CurrencyMismatch):
        Money(1, "EUR") + Money(1, "JPY")


def test_a_part_greater_than_the_whole_is_a_bug() -> None:
    with pytest.raises(ValueError, match="between nothing and the whole"):
        Money(1, "EUR").prorate(part=Money(3, "EUR"), whole=Money(2, "EUR"))
