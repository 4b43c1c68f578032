"""No message of a socket is more than refused, whatever it holds: the protocol reads it, or says no."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from rooms import protocol

anything = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
HARD = [
    *["", "\0", "null", "[]", "{", "9" * 10_000, "[" * 10_000, '{"op": "\\ud800"}'],
    *['{"op": ' + "1" * 10_000 + "}", json.dumps({"op": "hello", "grant": "\0"})],
    json.dumps({"op": "hello", "grant": "W" * 100_000}),
]


@pytest.mark.parametrize("text", HARD, ids=lambda text: repr(text[:12]))
def test_what_is_no_message_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        protocol.read(text)


@given(st.dictionaries(st.sampled_from(["op", "grant", "seat", "music", "frame_ms", "to"]), anything))
def test_whatever_a_message_holds_it_is_read_or_refused(message: dict[str, object]) -> None:
    try:
        protocol.read(json.dumps(message))
    except ValidationError:
        return
