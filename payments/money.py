"""Money: whole minor units of one currency.

Amounts are integers in the smallest unit that the currency is counted in (cents, yen), as Stripe takes them
(https://docs.stripe.com/currencies). There is no float anywhere, and division gives both parts.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Self

from core import figures

# What Stripe may settle in: any currency of ISO 4217, by the digits after the point that Stripe counts.
# https://docs.stripe.com/currencies; it counts ISK and UGX with two, whatever ISO says.
_WITHOUT_DIGITS = "BIF CLP DJF GNF JPY KMF KRW MGA PYG RWF VND VUV XAF XOF XPF"
_WITH_THREE = "BHD IQD JOD KWD LYD OMR TND"
_WITH_TWO = """
    AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF
    CHF CNH CNY COP CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GGP GHS GIP GMD GTQ GYD
    HKD HNL HRK HTG HUF IDR ILS IMP INR IRR ISK JEP JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL LTL
    LVL MAD MDL MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR
    PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SLL SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP
    TRY TTD TWD TZS UAH UGX USD UYU UZS VED VES WST XCD XCG YER ZAR ZMW ZWG ZWL
"""
DIGITS = (
    dict.fromkeys(_WITH_TWO.split(), 2)
    | dict.fromkeys(_WITHOUT_DIGITS.split(), 0)
    | dict.fromkeys(_WITH_THREE.split(), 3)
)
# What clubs may sell in: a short list, of which we know the smallest charge.
SALE_CURRENCIES = ("EUR", "USD", "GBP", "CHF", "SEK", "NOK", "DKK", "PLN", "JPY")
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
# The dearest: Stripe takes eight figures, in all of these currencies. A transfer takes no more either.
LARGEST_CHARGE = dict.fromkeys(SALE_CURRENCIES, 99_999_999)
# The dearest month of a membership: about a thousand euros. Beyond it somebody mistook cents for euros.
LARGEST_MONTH = {
    "EUR": 100_000,
    "USD": 100_000,
    "GBP": 100_000,
    "CHF": 100_000,
    "SEK": 1_000_000,
    "NOK": 1_000_000,
    "DKK": 1_000_000,
    "PLN": 500_000,
    "JPY": 150_000,
}
SMALLEST_UNIT = dict.fromkeys(SALE_CURRENCIES, 1)
SYMBOLS = {"EUR": "€", "USD": "$", "GBP": "£", "JPY": "¥"}
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
        """Return the amount that a person typed, as core.figures reads it. Raise NotAnAmount.

        "12", "12.50", "12,50", "2,500.00", "€12". What could be two amounts ("1.500") is asked.
        """
        if currency not in SALE_CURRENCIES:
            raise NotAnAmount(f"{currency} is not a currency that Stagedoor counts in.")
        marks = {currency, SYMBOLS.get(currency, currency)}
        try:
            return cls(figures.amount(text, digits=DIGITS[currency], marks=marks), currency)
        except figures.NotFigures as refusal:
            raise NotAnAmount(str(refusal)) from None

    @property
    def major(self) -> Decimal:
        """The amount in major units (euros, yen), exact."""
        return Decimal(self.minor).scaleb(-DIGITS[self.currency])

    @property
    def shown(self) -> str:
        """The amount as every page prints it: "€2,500.00", "¥1,500", "CHF 12.00"."""
        figure = figures.shown(self.minor, digits=DIGITS[self.currency])
        symbol = SYMBOLS.get(self.currency, f"{self.currency}\N{NO-BREAK SPACE}")
        return f"\N{MINUS SIGN}{symbol}{figure[1:]}" if self.minor < 0 else f"{symbol}{figure}"

    @property
    def as_typed(self) -> str:
        """The amount as a field shows it, to be changed: "2500.00", "1500"."""
        if DIGITS[self.currency] > 2:
            return self.shown  # three figures after the point alone could be thousands
        return f"{self.major:.{DIGITS[self.currency]}f}"

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
