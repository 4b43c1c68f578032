"""How idempotency keys may be used: one key for one row and attempt, and never for another request."""

import json
import re
from collections import defaultdict
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from payments.sandbox.world import Asked

OURS = re.compile(r"/v1/(refunds|transfers|accounts|checkout/sessions|subscriptions/[^/]+)")
# The wish to end or to go on may be repeated and taken back: its key carries the moment. An account that left
# us, and a transfer refused for want of money, is followed by another attempt, which its key carries.
MAY_BE_ASKED_AGAIN = re.compile(r"/v1/accounts|/v1/transfers|/v1/subscriptions/[^/]+")


def misused(asked: Iterable["Asked"]) -> list[str]:
    """Return what is wrong with the keys of these calls, in words."""
    requests, keys, wrong = defaultdict(set), defaultdict(set), []
    for call in asked:
        if OURS.fullmatch(call.path) is None or not _is_the_products(call):
            continue  # asking twice does no harm there, and the SDK makes a key of its own
        request = f"{call.path} {json.dumps(call.params, sort_keys=True)}"
        requests[call.key].add(request)
        if MAY_BE_ASKED_AGAIN.fullmatch(call.path) is None:
            keys[request].add(call.key)
        if not _names_its_row(call):
            wrong.append(f"{call.key} does not name the row and attempt of {request}")
    wrong += [f"{key} was used for {len(many)} requests" for key, many in requests.items() if len(many) > 1]
    return wrong + [f"{request} had {len(many)} keys" for request, many in keys.items() if len(many) > 1]


def _is_the_products(call: "Asked") -> bool:
    """Say whether the product asked, which labels what it makes; tests ask as others do."""
    labels = call.params.get("metadata", {})
    return (
        "/subscriptions/" in call.path
        or "attempt" in labels
        or ("reference" in labels and "/checkout/" not in call.path)
    )


def _names_its_row(call: "Asked") -> bool:
    labels = call.params.get("metadata", {})
    reference = labels.get("reference", "")
    match call.path.split("/")[2]:
        case "refunds" | "transfers":
            return bool(reference) and reference in call.key
        case "accounts":
            return bool(reference) and reference.partition("-")[2] in call.key
        case "checkout":
            return call.key.endswith(f"-{labels['attempt']}") and len(call.key) > len("checkout--1")
        case _:
            return re.fullmatch(r"(cancel|resume|end)-.+", call.key) is not None
