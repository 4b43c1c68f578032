"""Money: whole minor units of one currency.

Amounts are integers in the smallest unit that the currency is counted in (cents, yen), as Stripe takes them
(https://docs.stripe.com/currencies). There is no float anywhere, and division gives both parts.
"""

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Self

# Digits after the point, of the currencies that clubs may sell in. ISO 4217, as Stripe counts them.
DIGITS = {"EUR": 2, "USD": 2, "GBP": 2, "CHF": 2, "SEK": 2, "NOK": 2, "DKK": 2, "PLN": 2, "JPY": 0}
# The smallest card charge Stripe takes, in minor units (shared figures of https://docs.stripe.com/currencies).
SMALLEST_CHARGE = {
    "EUR": 50,
    "USD": 50,
    "GBP": 30,
    "CHF": 50,
    "SEK": 300,
    "NOK": 300,
    "DKK": 250,
    "PLN": 200,
    "JPY": 50,
}
WHOLE = 10_000  # basis points in the whole


class CurrencyMismatch(Exception):
    """Two amounts of different currencies were put together."""


class NotAnAmount(ValueError):
    """The text is no amount of this currency; the message says what would be."""


@dataclass(frozen=True, slots=True, order=False)
class Money:
    """`minor` whole minor units of `currency` (ISO 4217, upper case). May be negative: a balance can be."""

    minor: int
    currency: str

    def __post_init__(self) -> None:
        if self.currency not in DIGITS:
            raise NotAnAmount(f"{self.currency} is not a currency that Stagedoor counts in.")

    @classmethod
    def zero(cls, currency: str) -> Self:
        return cls(0, currency)

    @classmethod
    def parse(cls, text: str, currency: str) -> Self:
        """Return the amount that a person typed: "12", "12.50" or "12,50". Raise NotAnAmount."""
        digits = DIGITS.get(currency)
        if digits is None:
            raise NotAnAmount(f"{currency} is not a currency that Stagedoor counts in.")
        try:
            major = Decimal(text.strip().replace(",", "."))
        except InvalidOperation:
            raise NotAnAmount("Write the amount in figures, like 12.50.") from None
        minor = major.scaleb(digits) if major.is_finite() else None
        if minor is None or minor != minor.to_integral_value():
            raise NotAnAmount(f"{currency} amounts have {digits} digits after the point.")
        return cls(int(minor), currency)

    @property
    def major(self) -> Decimal:
        """The amount in major units (euros, yen), exact."""
        return Decimal(self.minor).scaleb(-DIGITS[self.currency])

    def split(self, *, basis_points: int) -> tuple["Money", "Money"]:
        """Return (share, rest). The share is rounded down, the rest keeps the odd unit: nothing is lost."""
        if not 0 <= basis_points <= WHOLE:
            raise ValueError("A share lies between 0 and 10,000 basis points.")
        share = abs(self.minor) * basis_points // WHOLE
        share = share if self.minor >= 0 else -share
        return Money(share, self.currency), Money(self.minor - share, self.currency)

    def prorate(self, *, part: "Money", whole: "Money") -> "Money":
        """Return what of this belongs to `part` of `whole`, rounded down; the whole gets all of it.

        Take it again and again from what is left, and the last part gets the odd units: nothing is lost.
        """
        self._same_currency(part)
        self._same_currency(whole)
        if not 0 <= part.minor <= whole.minor or self.minor < 0 or whole.minor == 0:
            raise ValueError("A part lies between nothing and the whole.")
        return Money(self.minor * part.minor // whole.minor, self.currency)

    def __add__(self, other: "Money") -> "Money":
        self._same_currency(other)
        return Money(self.minor + other.minor, self.currency)

    def __sub__(self, other: "Money") -> "Money":
        self._same_currency(other)
        return Money(self.minor - other.minor, self.currency)

    def __neg__(self) -> "Money":
        return Money(-self.minor, self.currency)

    def __mul__(self, count: int) -> "Money":
        return Money(self.minor * count, self.currency)

    def __lt__(self, other: "Money") -> bool:
        self._same_currency(other)
        return self.minor < other.minor

    def __le__(self, other: "Money") -> bool:
        self._same_currency(other)
        return self.minor <= other.minor

    def __gt__(self, other: "Money") -> bool:
        return other < self

    def __ge__(self, other: "Money") -> bool:
        return other <= self

    def __bool__(self) -> bool:
        return self.minor != 0

    def __str__(self) -> str:
        return f"{self.major:.{DIGITS[self.currency]}f} {self.currency}"

    def _same_currency(self, other: "Money") -> None:
        if self.currency != other.currency:
            raise CurrencyMismatch(f"{self.currency} and {other.currency} do not add up.")
