"""Two names that look the same are one name, and what shows nothing is no name."""

import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import seen

SAME_AS_NIGHT_VOICES = [
    "night voices",
    "NIGHT VOICES",
    " Night  Voices ",
    "Night Voices\u200b",
    "Night\u200dVoices".replace("\u200d", "\u200d "),
    "Night\u00a0Voices",
    "Night\u3164Voices",
    "Night\u2800Voices",
    "N\u00adight Voi\ufe0fces",
    "Night Voices\U000e0041",
    "\u202eNight Voices\u202c",
    "\uff2eight Voices",  # fullwidth
    "\U0001d40dight Voices",  # mathematical bold
    "N\u0456ght V\u043eices",  # Cyrillic
    "N\u0131ght Voices",  # without its dot
    "Night \u03bdoices",  # Greek
    "N\u0131ght V\u03bfices",
]


@pytest.mark.parametrize("name", SAME_AS_NIGHT_VOICES)
def test_what_looks_the_same_is_the_same(name: str) -> None:
    assert seen.skeleton(name) == seen.skeleton("Night Voices")


@pytest.mark.parametrize(
    "name", ["Day Voices", "Night Voice", "NightVoices", "Night-Voices", "N\u00efght Voices"]
)
def test_what_looks_different_is_different(name: str) -> None:
    assert seen.skeleton(name) != seen.skeleton("Night Voices")


@pytest.mark.parametrize("name", ["НОЧЬ", "Ωδείο", "Straße", "ﬁn", "\uff23\uff2c\uff35\uff22"])
def test_names_are_equal_in_any_case(name: str) -> None:
    assert {seen.skeleton(name), seen.skeleton(name.lower()), seen.skeleton(name.upper())} == {
        seen.skeleton(name)
    }


@given(st.text(max_size=80))
def test_a_skeleton_is_its_own_and_fits_its_column(name: str) -> None:
    skeleton = seen.skeleton(name)
    assert len(skeleton) <= 255
    assert seen.skeleton(skeleton) == skeleton
    assert seen.skeleton(unicodedata.normalize("NFC", name)) == skeleton
    assert "\0" not in skeleton


@pytest.mark.parametrize(
    "text",
    ["", " ", "\u200b", "\u3164", "\u2800", "\u00ad\u200d", "\u0301", "\ue000", "\U000e0041", "\u1160"],
)
def test_nothing_is_seen_of_these(text: str) -> None:
    assert not seen.is_seen(text)


@pytest.mark.parametrize(
    "text",
    ["A", "怪談", "…", "👩\u200d👩\u200d👧", "1", "\u0646\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"],
)
def test_something_is_seen_of_these_and_they_stay(text: str) -> None:
    assert (seen.is_seen(text), seen.is_hidden(text)) == (True, False)


@pytest.mark.parametrize("character", ["\0", "\x07", "\x1b", "\u202e", "\u2066", "\u2028", "\ud800", "\x85"])
def test_what_nobody_types_is_told(character: str) -> None:
    assert seen.is_hidden(f"Night{character}Voices")
    assert seen.is_hidden(f"Night{character}Voices", lines=True)


def test_lines_may_have_ends() -> None:
    assert (seen.is_hidden("one\r\n\ttwo", lines=True), seen.is_hidden("one\ntwo")) == (False, True)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("N\u0456ght Voices", ["N\u0456ght"]),
        ("Night \u03bdoices", ["\u03bdoices"]),
        ("Ночь Voices", []),
        ("東京 Night", []),
        ("K팝", []),
        ("Caf\u00e9 10", []),
    ],
)
def test_words_of_two_alphabets_are_found(name: str, words: list[str]) -> None:
    assert seen.mixed_words(name) == words


def test_what_grows_when_it_is_folded_costs_little() -> None:
    began = time.perf_counter()
    assert len(seen.skeleton("\ufdfa" * 5000)) <= 255
    assert time.perf_counter() - began < 2
