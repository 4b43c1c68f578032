"""The three states of a field: required, null when unset, and left out when unset.

`field_states.json` says which fields may be null and which may be absent; what it does not name is always
there. Stripe's types for TypeScript tell these apart (`x: T | null`, `x?: T`); the file holds what those of
our API version say of every hash that the stand-in shows. A path names hashes by dots, members by `[]`.
"""

import json
from pathlib import Path
from typing import Any

from payments.sandbox.shapes import Body

_STATES = json.loads((Path(__file__).parent / "field_states.json").read_text(encoding="utf-8"))
OPTIONAL: dict[str, frozenset[str]] = {kind: frozenset(each["optional"]) for kind, each in _STATES.items()}
NULLABLE: dict[str, frozenset[str]] = {kind: frozenset(each["nullable"]) for kind, each in _STATES.items()}

# What an optional field tells that nothing else does: left out, there would be nobody to pay or to tell.
_TELLING = {
    "account": {"capabilities", "capabilities.transfers"},
    "event": {"account"},
    "invoice_payment": {"payment.payment_intent"},
}


def as_sent(thing: Body, *, bare: bool = False) -> Body:
    """Return an object as Stripe sends it: optional fields that are unset are absent.

    `bare` leaves out every optional field, set or not, but for those that tell what nothing else does.
    """
    return _hash(thing, str(thing.get("object")), "", bare=bare)


def _hash(node: Body, kind: str, path: str, *, bare: bool) -> Body:
    optional = OPTIONAL.get(kind, frozenset())
    told = _TELLING.get(kind, set())
    sent = {}
    for name, value in node.items():
        here = f"{path}.{name}" if path else name
        if here in optional and (value is None or (bare and here not in told)):
            continue
        sent[name] = _value(value, kind, here, bare=bare)
    return sent


def _value(value: Any, kind: str, path: str, *, bare: bool) -> Any:
    if isinstance(value, list):
        return [_value(each, kind, f"{path}[]", bare=bare) for each in value]
    if not isinstance(value, dict):
        return value
    if isinstance(value.get("object"), str):
        return _hash(value, value["object"], "", bare=bare)
    if path.endswith("previous_attributes"):  # what was unset before is null here, as Stripe tells it
        return value
    return _hash(value, kind, path, bare=bare)
