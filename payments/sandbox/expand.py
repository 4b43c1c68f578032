"""`expand`: ids replaced by the objects they name (https://docs.stripe.com/api/expanding_objects)."""

import copy
from collections.abc import Callable

from payments.sandbox.errors import bad_parameter
from payments.sandbox.shapes import Body, as_list
from payments.sandbox.state import State

EXPANDABLE: dict[str, frozenset[str]] = {
    "balance_transaction": frozenset({"source"}),
    "charge": frozenset({"balance_transaction", "customer", "payment_intent", "source_transfer", "transfer"}),
    "checkout.session": frozenset({"customer", "invoice", "payment_intent", "subscription"}),
    "dispute": frozenset({"charge", "payment_intent"}),
    "invoice": frozenset({"customer", "default_payment_method", "parent.subscription_details.subscription"}),
    "invoice_payment": frozenset({"invoice", "payment.charge", "payment.payment_intent"}),
    "payment_intent": frozenset({"customer", "latest_charge", "payment_method"}),
    "payout": frozenset({"balance_transaction", "destination", "failure_balance_transaction"}),
    "price": frozenset({"product"}),
    "product": frozenset({"default_price"}),
    "refund": frozenset({"balance_transaction", "charge", "failure_balance_transaction", "payment_intent"}),
    "subscription": frozenset({"customer", "default_payment_method", "latest_invoice"}),
    "transfer": frozenset(
        {"balance_transaction", "destination", "destination_payment", "source_transaction"}
    ),
    "transfer_reversal": frozenset({"balance_transaction", "destination_payment_refund", "transfer"}),
}
"""The fields of each object that hold an id which may be expanded. Dots lead into hashes."""


def session_lines(state: State, body: Body) -> Body:
    """Return what a Checkout Session sells, as a list object."""
    lines = state.get("checkout.session", body["id"]).hidden["lines"]
    return as_list(copy.deepcopy(lines), f"/v1/checkout/sessions/{body['id']}/line_items")


def _refunds(state: State, body: Body) -> Body:
    mine = [row.body for row in state.all("refund") if row.body["charge"] == body["id"]]
    return as_list(copy.deepcopy(mine), f"/v1/charges/{body['id']}/refunds")


def _payments(state: State, body: Body) -> Body:
    mine = [row.body for row in state.all("invoice_payment") if row.body["invoice"] == body["id"]]
    return as_list(copy.deepcopy(mine), f"/v1/invoice_payments?invoice={body['id']}")


def _subscriptions(state: State, body: Body) -> Body:
    rows = [row for row in state.all("subscription") if row.body["customer"] == body["id"]]
    mine = [row.body for row in rows if row.body["status"] != "canceled"]
    return as_list(copy.deepcopy(mine), f"/v1/customers/{body['id']}/subscriptions")


INCLUDED_ON_REQUEST: dict[str, dict[str, Callable[[State, Body], Body]]] = {
    "charge": {"refunds": _refunds},
    "checkout.session": {"line_items": session_lines},
    "customer": {"subscriptions": _subscriptions},
    "invoice": {"payments": _payments},
}
"""Fields that Stripe leaves out unless `expand` asks for them."""


def expanded(state: State, body: Body, paths: list[str]) -> Body:
    """Return a copy of the answer with these paths expanded; refuse a path that Stripe would not expand."""
    answer = copy.deepcopy(body)
    for path in paths:
        parts = path.split(".")
        if len(parts) > 4:
            raise bad_parameter("You cannot expand more than 4 levels of a property.", param="expand")
        _descend(state, answer, parts)
    return answer


def _descend(state: State, node: Body, parts: list[str]) -> None:
    """Walk into an object (or a list of them) along the parts of one path."""
    if node["object"] != "list":
        _open(state, node, node, "", parts)
    elif parts[0] == "data":
        for each in node["data"]:
            _descend(state, each, parts[1:]) if parts[1:] else None
    else:
        raise _not_expandable(parts[0])


def _open(state: State, whole: Body, node: Body, above: str, parts: list[str]) -> None:
    """Expand the first part inside the object `whole`, whose hash `node` was reached by the path `above`."""
    name, rest = parts[0], parts[1:]
    kind, here = whole["object"], above + name
    expandable = EXPANDABLE.get(kind, frozenset())
    if here in INCLUDED_ON_REQUEST.get(kind, {}):
        node.setdefault(name, INCLUDED_ON_REQUEST[kind][here](state, whole))
    elif here in expandable:
        _replace(state, node, name)
    elif any(path.startswith(here + ".") for path in expandable):
        if node[name] is not None and rest:
            _open(state, whole, node[name], here + ".", rest)
        return
    elif not (rest and isinstance(node.get(name), dict) and "object" in node[name]):
        raise _not_expandable(name)
    if rest and node[name] is not None:
        _descend(state, node[name], rest)


def _replace(state: State, node: Body, name: str) -> None:
    row = state.find(node[name]) if isinstance(node[name], str) else None
    if row is not None:
        node[name] = copy.deepcopy(row.body)


def _not_expandable(name: str) -> Exception:
    return bad_parameter(f"This property cannot be expanded ({name}).", param="expand")
