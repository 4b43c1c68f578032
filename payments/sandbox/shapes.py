"""The shape of each object: every field that Stripe's type names, and its value when nothing was said.

The blanks are data, one JSON file per object; tests/payments/sandbox compares them with the SDK's own types.
"""

import copy
import json
import re
import secrets
import string
from functools import cache
from pathlib import Path
from typing import Any

Body = dict[str, Any]

_FOLDER = Path(__file__).parent / "shapes"
_LETTERS = string.ascii_letters + string.digits


class UnknownField(Exception):
    """A value was given for a field that Stripe's object does not have."""


@cache
def _blank(kind: str) -> str:
    return (_FOLDER / f"{kind}.json").read_text(encoding="utf-8")


def new(kind: str, **values: Any) -> Body:
    """Return an object of this kind with these values and Stripe's defaults for the rest."""
    body: Body = json.loads(_blank(kind))
    if strange := values.keys() - body.keys():
        raise UnknownField(f"{kind} has no {', '.join(sorted(strange))}.")
    return body | copy.deepcopy(values)


def new_id(prefix: str, length: int = 24) -> str:
    """Return a fresh id in Stripe's form: a prefix, an underscore, letters and digits."""
    return f"{prefix}_" + "".join(secrets.choice(_LETTERS) for _ in range(length))


def as_list(data: list[Body], url: str, *, has_more: bool = False) -> Body:
    """Return Stripe's list object around these."""
    return {"object": "list", "data": data, "has_more": has_more, "url": url}


def places(currency: str) -> int:
    """Return how many of an amount's digits stand behind the point."""
    return 0 if _ZERO_DECIMAL.fullmatch(currency) else 3 if _THREE_DECIMAL.fullmatch(currency) else 2


def priced(amount: int, currency: str) -> str:
    """Return an amount as a buyer reads it: `€12.00`, `¥500`, `12.000 KWD`."""
    number = f"{abs(amount) / 10 ** places(currency):,.{places(currency)}f}"
    sign = "\N{MINUS SIGN}" if amount < 0 else ""
    symbol = _SYMBOLS.get(currency)
    return f"{sign}{symbol}{number}" if symbol else f"{sign}{number} {currency.upper()}"


_SYMBOLS = {"eur": "€", "usd": "$", "gbp": "£", "jpy": "¥"}
_ZERO_DECIMAL = re.compile("bif|clp|djf|gnf|jpy|kmf|krw|mga|pyg|rwf|vnd|vuv|xaf|xof|xpf")
_THREE_DECIMAL = re.compile("bhd|jod|kwd|omr|tnd")
