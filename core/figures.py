"""Figures as people type them. Nothing is guessed: what can be read in two ways is asked.

Only the ten figures of ASCII count, with the separators of a number; no signs, exponents or underscores. The
length is looked at before anything is reckoned, so that no text keeps a process busy.
"""

import re
from collections.abc import Collection

from django.utils.translation import gettext as _

LONGEST = 32  # characters; far beyond any amount that is kept
_MOST_FIGURES = 15  # fits a column of 64 bits with room for sums
_SPACES = " \N{NO-BREAK SPACE}\N{NARROW NO-BREAK SPACE}\N{THIN SPACE}"
_APOSTROPHES = "'\N{RIGHT SINGLE QUOTATION MARK}"
_ALPHABET = re.compile(rf"[0-9.,{_SPACES}{_APOSTROPHES}]+")
_WHOLE = re.compile(
    rf"[0-9]+|[0-9]{{1,3}}(?P<group>[.,{_SPACES}{_APOSTROPHES}])[0-9]{{3}}(?:(?P=group)[0-9]{{3}})*"
)


class NotFigures(ValueError):
    """The text is no number of the kind that was asked for; the message says what would be."""


class TwoReadings(NotFigures):
    """The text can be read as two numbers; the message names both."""


def count(text: str) -> int:
    """Return a whole number from 0 up: "12". Raise NotFigures."""
    typed = _bounded(text)
    if not re.fullmatch(r"[0-9]+", typed):
        raise NotFigures(_("Write a whole number in figures, like 12."))
    return int(typed)


def amount(text: str, *, digits: int, marks: Collection[str] = ()) -> int:
    """Return the amount in minor units, of which `digits` figures make one major unit. Raise NotFigures.

    With two digits "12", "12.5", "12,50", "2,500.00" and "2.500,00" are amounts; "1.500" could be 1,500.00
    or 1.50 and raises TwoReadings, as any separator does where there are no digits. What `shown` gives
    behind one of the marks ("€", "EUR") is always read as it is meant.
    """
    typed = _bounded(text)
    bare = _without_mark(typed, marks)
    if not _ALPHABET.fullmatch(bare):
        raise NotFigures(_example(digits))
    if bare != typed and _is_ours(bare, digits):
        return _minor(bare.replace(",", ""), digits, point=".")
    found = [character for character in bare if character in ".,"]
    if not found:
        return _minor(bare, digits, point=None)
    point = found[-1]
    if digits == 0 or (len(found) == 1 and re.search(r"[.,][0-9]{3}$", bare)):
        raise TwoReadings(_question(bare, digits, point))
    if found.count(point) > 1 and len(set(found)) == 1:
        return _minor(bare, digits, point=None)  # 1.234.567: only thousands come twice
    return _minor(bare, digits, point=point)


def shown(minor: int, *, digits: int) -> str:
    """Return the amount as every page prints it: "2,500.00", "1,500"."""
    major, rest = divmod(abs(minor), 10**digits)
    sign = "\N{MINUS SIGN}" if minor < 0 else ""
    return f"{sign}{major:,}.{rest:0{digits}}" if digits else f"{sign}{major:,}"


def _bounded(text: str) -> str:
    typed = text.strip()
    if len(typed) > LONGEST or sum(character.isdigit() for character in typed) > _MOST_FIGURES:
        raise NotFigures(_("This number is too long. Check it."))
    return typed


def _without_mark(typed: str, marks: Collection[str]) -> str:
    for mark in sorted(marks, key=len, reverse=True):
        if typed[: len(mark)].upper() == mark.upper():
            return typed[len(mark) :].strip()
        if typed[-len(mark) :].upper() == mark.upper():
            return typed[: -len(mark)].strip()
    return typed


def _is_ours(bare: str, digits: int) -> bool:
    """Tell whether this is what `shown` gives, where both separators have one meaning each."""
    fraction = rf"\.[0-9]{{{digits}}}" if digits else ""
    return bool(re.fullmatch(rf"[0-9]{{1,3}}(,[0-9]{{3}})*{fraction}", bare))


def _minor(bare: str, digits: int, *, point: str | None) -> int:
    whole, separator, fraction = bare.rpartition(point) if point and point in bare else (bare, "", "")
    grouped = _WHOLE.fullmatch(whole)
    if not grouped or (point and grouped["group"] == point):
        raise NotFigures(_example(digits))
    if separator and not re.fullmatch(rf"[0-9]{{1,{digits}}}", fraction):
        raise NotFigures(_example(digits))
    figures = re.sub(r"[^0-9]", "", whole) + fraction.ljust(digits, "0")
    return int(figures)


def _question(bare: str, digits: int, point: str) -> str:
    whole, _point, fraction = bare.rpartition(point)
    if digits == 0:
        first, second = (re.sub(r"[^0-9]", "", part) or "0" for part in (bare, whole))
        words = _("%(typed)s: do you mean %(first)s or %(second)s? Write it without a point or a comma.")
        return words % {"typed": bare, "first": first, "second": second}
    thousands = int(re.sub(r"[^0-9]", "", bare)) * 10**digits
    parts = int(re.sub(r"[^0-9]", "", whole) + fraction[:digits].ljust(digits, "0"))
    words = _("%(typed)s: do you mean %(first)s or %(second)s? Write it like one of these.")
    first, second = shown(thousands, digits=digits), _unmistakable(parts, digits)
    return words % {"typed": bare, "first": first, "second": second}


def _unmistakable(minor: int, digits: int) -> str:
    """Return an amount that is read in one way only, also where three figures follow the point."""
    words = shown(minor, digits=digits)
    if digits < 3 or "," in words:
        return words
    short = words.rstrip("0")
    return f"{short}0" if short.endswith(".") else short


def _example(digits: int) -> str:
    if digits == 0:
        return _("Write the amount in figures, without a point or a comma, like 1200.")
    return _("Write the amount in figures, like %(example)s.") % {
        "example": f"12.{'50'.ljust(digits, '0')[:digits]}"
    }
