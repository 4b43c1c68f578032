"""What is typed as a number is read in one way, or asked; and never costs more than it is long."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import figures

digits_of_a_currency = st.integers(0, 3)
minors = st.integers(0, 10**12 - 1)
MARKS = ("EUR", "€")


@given(minor=minors, digits=digits_of_a_currency, mark=st.sampled_from(MARKS))
def test_what_a_page_prints_is_read_as_it_was_meant(minor: int, digits: int, mark: str) -> None:
    printed = figures.shown(minor, digits=digits)
    for text in (f"{mark}{printed}", f"{mark}\N{NO-BREAK SPACE}{printed}", f"{printed} {mark}"):
        assert figures.amount(text, digits=digits, marks=MARKS) == minor


@given(minor=minors)
def test_with_two_digits_the_mark_may_be_left_out(minor: int) -> None:
    assert figures.amount(figures.shown(minor, digits=2), digits=2) == minor


@given(text=st.text(alphabet="0123456789., '\N{NO-BREAK SPACE}", max_size=14), digits=digits_of_a_currency)
def test_no_text_with_two_readings_is_accepted(text: str, digits: int) -> None:
    """Whatever is taken has one reading: the other reading, thousands for a point or the reverse, is none."""
    try:
        minor = figures.amount(text, digits=digits)
    except figures.NotFigures:
        return
    bare = re.sub(r"[^0-9.,]", "", text)
    assert not re.fullmatch(r"[0-9]*[.,][0-9]{3}", bare)
    assert digits or not re.search(r"[.,]", bare)
    by_hand = {
        int(whole + fraction.ljust(digits, "0"))
        for whole, fraction in _readings(bare)
        if len(fraction) <= digits
    }
    assert by_hand == {minor}


def _readings(bare: str) -> list[tuple[str, str]]:
    """Return the number as all thousands, and with its last separator as the point, where each is right."""
    readings = []
    if re.fullmatch(r"[0-9]+|[0-9]{1,3}(\.[0-9]{3})+|[0-9]{1,3}(,[0-9]{3})+", bare):
        readings.append((re.sub(r"[.,]", "", bare), ""))
    pointed = re.fullmatch(
        r"(?P<whole>[0-9]+|[0-9]{1,3}((?P<g>[.,])[0-9]{3})+)(?P<p>[.,])(?P<rest>[0-9]+)", bare
    )
    if pointed and pointed["g"] != pointed["p"]:
        readings.append((re.sub(r"[.,]", "", pointed["whole"]), pointed["rest"]))
    return readings


@pytest.mark.parametrize(
    ("text", "digits", "words"),
    [
        ("1.500", 2, "1.500: do you mean 1,500.00 or 1.50? Write it like one of these."),
        ("1,500", 2, "1,500: do you mean 1,500.00 or 1.50? Write it like one of these."),
        ("12.505", 2, "12.505: do you mean 12,505.00 or 12.50? Write it like one of these."),
        ("1,500", 0, "1,500: do you mean 1500 or 1? Write it without a point or a comma."),
        ("1.5", 0, "1.5: do you mean 15 or 1? Write it without a point or a comma."),
        ("1.500", 3, "1.500: do you mean 1,500.000 or 1.5? Write it like one of these."),
    ],
)
def test_two_readings_are_both_named(text: str, digits: int, words: str) -> None:
    with pytest.raises(figures.TwoReadings) as refusal:
        figures.amount(text, digits=digits, marks=MARKS)
    assert str(refusal.value) == words
    for reading in re.findall(r"mean (\S+) or (\S+)\?", words)[0]:
        figures.amount(reading, digits=digits)  # what the question offers is taken


@pytest.mark.parametrize(
    ("text", "minor"),
    [
        ("12", 1200),
        ("12.5", 1250),
        (" 12,50 ", 1250),
        ("2,500.00", 250_000),
        ("2.500,00", 250_000),
        ("1 500", 150_000),
        ("1 500,5", 150_050),
        ("1'500.00", 150_000),
        ("1.234.567", 123_456_700),
        ("1,234,567.89", 123_456_789),
        ("€12", 1200),
        ("12 €", 1200),
        ("eur 12.00", 1200),
    ],
)
def test_people_write_amounts_in_several_ways(text: str, minor: int) -> None:
    assert figures.amount(text, digits=2, marks=MARKS) == minor


OTHER_SCRIPTS = ["\u0661\u0662", "\uff11\uff12", "\N{SUPERSCRIPT TWO}", "\U0001d7ce"]
NO_FIGURES = [
    *["", "   ", "twelve", "nan", "inf", "1e3", "1E3", "1_000", "+5", "-5", "\N{MINUS SIGN}5", "0x10"],
    *["12.", ".5", "1..5", "1,5,0", "1,50.00", "12.345,6.7", "1 50", "1 500 00", "12 34", "1.5.00"],
    *["$12", "12.50,5", "1\n2", "1\N{ZERO WIDTH SPACE}2", "12\0"],
    *OTHER_SCRIPTS,
]


@pytest.mark.parametrize("text", NO_FIGURES)
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(figures.NotFigures):
        figures.amount(text, digits=2, marks=MARKS)


@pytest.mark.parametrize("text", [*NO_FIGURES, "1.0", "1,000"])
def test_what_is_no_count_is_refused(text: str) -> None:
    with pytest.raises(figures.NotFigures):
        figures.count(text)


@pytest.mark.parametrize(
    "text", ["9" * 16, "9" * 10_000_000, "1" + ",000" * 9, "1e999999999", " " * 40 + "9" * 40]
)
def test_a_huge_number_costs_nothing(text: str) -> None:
    began = time.perf_counter()
    for read in (figures.count, lambda typed: figures.amount(typed, digits=2)):
        with pytest.raises(figures.NotFigures):
            read(text)
    assert time.perf_counter() - began < 2
