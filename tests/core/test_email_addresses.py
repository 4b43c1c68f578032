"""An address is kept in one form, and only if letters reach it."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import email_addresses
from core.email_addresses import NotAnAddress, normal


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("ben@example.com", "ben@example.com"),
        (" Ben@EXAMPLE.Com ", "ben@example.com"),
        ("ben+stage@mail.example.co.uk", "ben+stage@mail.example.co.uk"),
        ("ben@b\u00fccher.example", "ben@xn--bcher-kva.example"),
        ("ben@bu\u0308cher.example", "ben@xn--bcher-kva.example"),
        ("ben@B\u00dcCHER.example", "ben@xn--bcher-kva.example"),
        ("ben@xn--bcher-kva.example", "ben@xn--bcher-kva.example"),
        ("ben@\u212aite.example", "ben@kite.example"),  # the sign of kelvin
        ("ben@\uff45xample.com", "ben@example.com"),  # fullwidth
        (f"{'a' * 64}@example.com", f"{'a' * 64}@example.com"),
    ],
)
def test_an_address_has_one_form(text: str, kept: str) -> None:
    assert normal(text) == kept
    assert normal(kept) == kept


@pytest.mark.parametrize(
    "text",
    [
        *["", "@", "ben", "ben@", "@example.com", "a@b@example.com", "a b@example.com", "ben@exam ple.com"],
        *["m\u0131ke@example.com", "\u212aen@example.com", "b\u00e9n@example.com", "ben\u200b@example.com"],
        *[f"{'a' * 65}@example.com", "x@[127.0.0.1]", "x@[IPv6:::1]", "x@127.0.0.1", "x@localhost", "x@com"],
        *['"a b"@example.com', "a..b@example.com", ".a@example.com", "a.@example.com", "a@example..com"],
        *[
            "a@-example.com",
            "a@example.com.",
            "a@exa_mple.com",
            "a@example.c",
            "a@example.123",
            "a,b@example.com",
        ],
        *["a@example.com\nBcc: b@example.com", "a\n@example.com", "a@exam\0ple.com", "a@\ud800.com"],
        *["a@" + "a" * 64 + ".com", "a@" + ".".join(["a" * 60] * 5) + ".com", "a" * 10_000_000],
    ],
)
def test_where_no_letter_arrives_nobody_lives(text: str) -> None:
    with pytest.raises(NotAnAddress):
        normal(text)


@given(st.emails() | st.text(max_size=90).map(lambda text: f"{text}@example.com"))
def test_what_is_taken_can_be_stored_and_stays_as_it_is(text: str) -> None:
    try:
        kept = normal(text)
    except NotAnAddress:
        return
    assert normal(kept) == kept == kept.lower()
    assert len(kept) <= 254
    assert re.fullmatch(email_addresses.STORED, kept)
