"""No message of a socket is more than refused, whatever it holds: the protocol reads it, or says no."""

import json
from typing import get_args

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


WHOLE = {
    "seat": "0" * 32,
    "grant": "W" * 43,
    "use": "listen",
    "reason": "Shouting",
    "v": 1,
    "music": True,
    "frame_ms": 20,
}
KINDS = get_args(get_args(protocol.AnyRequest)[0])
REQUESTS = {get_args(kind.model_fields["op"].annotation)[0]: kind for kind in KINDS}
TEXTS = [
    (op, name)
    for op, kind in REQUESTS.items()
    for name in kind.model_fields
    if name != "id" and isinstance(WHOLE.get(name, ""), str)
]


def test_the_texts_of_the_protocol_are_found() -> None:
    assert {("remove", "reason"), ("remove", "seat"), ("mute", "seat"), ("hello", "grant")} <= set(TEXTS)


@pytest.mark.parametrize("bad", ["a\0b", "a\x1bb", "a\x7fb", "a\u202eb", "a\ud800b", "W" * 201])
@pytest.mark.parametrize(("op", "name"), TEXTS)
def test_no_text_holds_what_nobody_types(op: str, name: str, bad: str) -> None:
    fields = REQUESTS[op].model_fields
    whole = {field: value for field, value in WHOLE.items() if field in fields} | {"op": op}
    protocol.read(json.dumps(whole))
    for text in (bad, "0" * 20 + bad):
        with pytest.raises(ValidationError):
            protocol.read(json.dumps(whole | {name: text}))


@given(st.dictionaries(st.sampled_from(["op", "grant", "seat", "music", "frame_ms", "to"]), anything))
def test_whatever_a_message_holds_it_is_read_or_refused(message: dict[str, object]) -> None:
    try:
        protocol.read(json.dumps(message))
    except ValidationError:
        return
