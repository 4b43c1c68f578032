"""The stand-in's answers and parameters against the SDK's own types: nothing more, nothing less."""

import ast
import importlib
import inspect
import sys
import types
import typing
from collections.abc import Callable
from decimal import Decimal
from functools import cache
from typing import Any

import pytest
import stripe
from stripe import ListObject, StripeObject

from payments.sandbox import expand, fields, shapes
from payments.sandbox.serve import StandIn

KINDS: dict[str, type[StripeObject]] = {
    "account": stripe.Account,
    "account_link": stripe.AccountLink,
    "balance": stripe.Balance,
    "balance_transaction": stripe.BalanceTransaction,
    "bank_account": stripe.BankAccount,
    "charge": stripe.Charge,
    "checkout.session": stripe.checkout.Session,
    "customer": stripe.Customer,
    "dispute": stripe.Dispute,
    "event": stripe.Event,
    "invoice": stripe.Invoice,
    "invoice_payment": stripe.InvoicePayment,
    "item": stripe.LineItem,
    "line_item": stripe.InvoiceLineItem,
    "payment_intent": stripe.PaymentIntent,
    "payment_method": stripe.PaymentMethod,
    "payout": stripe.Payout,
    "plan": stripe.Plan,
    "price": stripe.Price,
    "product": stripe.Product,
    "refund": stripe.Refund,
    "subscription": stripe.Subscription,
    "subscription_item": stripe.SubscriptionItem,
    "transfer": stripe.Transfer,
    "transfer_reversal": stripe.TransferReversal,
}
UNLESS_DELETED: dict[str, set[str]] = {
    # The SDK has one type for an object and what is left of it once it is deleted; only that lacks these.
    "account": {"charges_enabled", "details_submitted", "payouts_enabled", "type"},
    "customer": {"balance", "invoice_settings", "metadata"},
}
Sell = Callable[..., stripe.checkout.Session]


@cache
def names_in(module: str) -> dict[str, Any]:
    """Return what an SDK module can name, its imports for type checkers included."""
    source = sys.modules[module]
    names = dict(vars(source))
    for node in ast.walk(ast.parse(inspect.getsource(source))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("stripe"):
            origin = importlib.import_module(str(node.module))
            names |= {each.asname or each.name: getattr(origin, each.name) for each in node.names}
    return names


def fields_of(kind: type) -> dict[str, Any]:
    """Return the fields that an SDK type declares, with their types."""
    found = {}
    for base in reversed(kind.__mro__):
        if base.__module__.startswith("stripe") and base not in {StripeObject, ListObject}:
            for name, written in inspect.get_annotations(base).items():
                hint = typing.ForwardRef(written) if isinstance(written, str) else written
                typed = typing._eval_type(hint, names_in(base.__module__), {})  # type: ignore[attr-defined]
                if typing.get_origin(typed) is not typing.ClassVar and not name.startswith("_"):
                    found[name] = typed
    return found


def is_union(hint: Any) -> bool:
    return typing.get_origin(hint) in {typing.Union, types.UnionType}


def is_optional(hint: Any) -> bool:
    return is_union(hint) and type(None) in typing.get_args(hint)


def faults(value: Any, hint: Any, path: str) -> list[str]:
    """Return what is wrong with a JSON value that the SDK takes for this type."""
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if is_union(hint):
        return union_faults(value, [part for part in parts if part is not type(None)], hint, path)
    if origin is typing.Literal:
        return [] if value in parts else [f"{path} is {value!r}, not one of {parts}"]
    if origin in {list, ListObject}:
        return list_faults(value, origin, parts[0], path)
    if isinstance(hint, type) and issubclass(hint, StripeObject):
        return object_faults(value, hint, path)
    wanted = {str: str, int: int, bool: bool, float: float, Decimal: str}.get(hint, dict)
    return [] if type(value) is wanted else [f"{path} is {value!r}, not {wanted.__name__}"]


def list_faults(value: Any, origin: Any, each: Any, path: str) -> list[str]:
    if origin is list:
        return [fault for item in value for fault in faults(item, each, f"{path}[]")]
    keys = [] if value.keys() == {"object", "data", "has_more", "url"} else [f"{path} is no list object"]
    return keys + list_faults(value["data"], list, each, path)


def union_faults(value: Any, parts: list[Any], hint: Any, path: str) -> list[str]:
    if value is None:
        return [] if is_optional(hint) else [f"{path} is null"]
    words = [part for part in parts if typing.get_origin(part) is typing.Literal]
    if words:  # the SDK adds `str` for words to come; today's are these
        return faults(value, words[0], path)
    if isinstance(value, dict) and "object" in value:
        named = [part for part in parts if getattr(part, "OBJECT_NAME", "") == value["object"]]
        return faults(value, named[0], path) if named else [f"{path} may be no {value['object']}"]
    each = [faults(value, part, path) for part in parts]
    return min(each, key=len)


def object_faults(value: Any, kind: type, path: str) -> list[str]:
    if not isinstance(value, dict):
        return [f"{path} is {value!r}, not an object"]
    known = fields_of(kind)
    required = {name for name, hint in known.items() if not is_optional(hint)}
    found = [f"{path}.{name} is not Stripe's" for name in value.keys() - known.keys()]
    found += [f"{path}.{name} is missing" for name in required - value.keys()]
    return found + [
        fault
        for name in value.keys() & known.keys()
        for fault in faults(value[name], known[name], f"{path}.{name}")
    ]


# The three states of a field: required, null when unset, absent when unset. The SDK's types tell only the
# first from the others; which of those it is, Stripe's types for TypeScript say: `field_states.json`.


def state_faults(thing: dict[str, Any], where: str) -> list[str]:
    """Return what is null though Stripe would leave it out, or missing though it would not."""
    return hash_faults(thing, thing["object"], "", where)


def hash_faults(node: dict[str, Any], kind: str, path: str, where: str) -> list[str]:
    optional, nullable = (
        {each.rpartition(".")[2] for each in names if each.rpartition(".")[0] == path}
        for names in (fields.OPTIONAL[kind], fields.NULLABLE[kind])
    )
    expected = fields_of(hash_type(kind, path)).keys() - optional - {"deleted"}
    found = [f"{where}.{name} is missing" for name in expected - node.keys()]
    for name, value in node.items():
        if value is None and (name in optional or name not in nullable):
            found.append(f"{where}.{name} is null")
        found += value_faults(value, kind, f"{path}.{name}" if path else name, f"{where}.{name}")
    return found


def value_faults(value: Any, kind: str, path: str, where: str) -> list[str]:
    if isinstance(value, list):
        return [fault for each in value for fault in value_faults(each, kind, f"{path}[]", f"{where}[]")]
    if not isinstance(value, dict):
        return []
    if value.get("object") == "list":
        return [fault for each in value["data"] for fault in state_faults(each, f"{where}[]")]
    if isinstance(value.get("object"), str):
        return state_faults(value, where)
    return hash_faults(value, kind, path, where) if has_fields(hash_type(kind, path)) else []


def has_fields(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, StripeObject) and bool(fields_of(kind))


def hash_type(kind: str, path: str) -> Any:
    """Return the SDK's type of a hash inside an object (`settings.payouts`), or of the object itself."""
    hint: Any = KINDS[kind]
    for part in path.split(".") if path else []:
        hint = inside(fields_of(hint)[part.removesuffix("[]")])
    return hint


def inside(hint: Any) -> Any:
    """Return the one SDK type that an optional, a list or an expandable field holds."""
    if isinstance(hint, type) and issubclass(hint, StripeObject):
        return hint
    return next((found for part in typing.get_args(hint) if (found := inside(part)) is not None), None)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_what_may_be_null_or_absent_is_what_the_sdk_calls_optional(kind: str) -> None:
    known = fields.OPTIONAL[kind] | fields.NULLABLE[kind]
    different = {}
    for path in {""} | {name.rpartition(".")[0] for name in known}:
        ours = {name.rpartition(".")[2] for name in known if name.rpartition(".")[0] == path}
        theirs = {name for name, hint in fields_of(hash_type(kind, path)).items() if is_optional(hint)}
        theirs -= {"deleted"} | (set() if path else UNLESS_DELETED.get(kind, set()))
        if ours != theirs:
            different[path] = ours ^ theirs
    assert different == {}


@pytest.fixture
def a_busy_month(stand_in: StandIn, client: stripe.StripeClient, sell: Sell, payee: str) -> StandIn:
    """Return a stand-in where everything has happened at least once."""
    stand_in.pay(sell().id, name="Ben")
    stand_in.pay(
        sell(customer_creation="always", allowed_payment_method_types=["sepa_debit"]).id,
        card="DE89370400440532013000",
    )
    for card in ("4000000000000259", "4000000000007726", "4000000000005126"):
        stand_in.pay(sell(amount=9000).id, card=card)
    for charge in stand_in.objects("charge")[:2]:
        client.v1.refunds.create({"charge": charge["id"], "amount": 100, "reason": "duplicate"})
    transfer = client.v1.transfers.create({"amount": 900, "currency": "eur", "destination": payee})
    client.v1.transfers.reversals.create(transfer.id, {"amount": 200})
    client.v1.payouts.create({"amount": 100, "currency": "eur"}, {"stripe_account": payee})
    month = {
        "currency": "eur",
        "unit_amount": 500,
        "recurring": {"interval": "month"},
        "product_data": {"name": "Club"},
    }
    stand_in.pay(sell(mode="subscription", line_items=[{"price_data": month, "quantity": 1}]).id)
    sell()
    stand_in.advance(40 * 86_400)
    return stand_in


def test_every_object_has_the_fields_of_the_sdks_type_and_no_other(
    a_busy_month: StandIn, client: stripe.StripeClient, sell: Sell, payee: str
) -> None:
    seen: dict[str, list[dict[str, Any]]] = {kind: a_busy_month.objects(kind) for kind in KINDS}
    link = {
        "account": payee,
        "type": "account_onboarding",
        "refresh_url": "http://a",
        "return_url": "http://b",
    }
    seen["account_link"] = [client.v1.account_links.create(link).to_dict()]  # type: ignore[arg-type]  # a dict, as sent
    seen["balance"] = [client.v1.balance.retrieve().to_dict()]
    seen["item"] = client.v1.checkout.sessions.line_items.list(sell().id).to_dict(for_json=True)["data"]
    for subscription in seen["subscription"]:
        seen["subscription_item"] += subscription["items"]["data"]
        seen["plan"] += [item["plan"] for item in subscription["items"]["data"]]
    for invoice in seen["invoice"]:
        seen["line_item"] += invoice["lines"]["data"]
    assert [kind for kind, objects in seen.items() if not objects] == []
    found = {
        fault
        for kind, objects in seen.items()
        for each in objects
        for fault in [*faults(each, KINDS[kind], kind), *state_faults(each, kind)]
    }
    assert sorted(found) == []


def test_an_events_object_has_the_shape_of_the_object_it_is_about(a_busy_month: StandIn) -> None:
    found = set()
    for event in a_busy_month.objects("event"):
        thing = event["data"]["object"]
        found |= {*faults(thing, KINDS[thing["object"]], event["type"]), *state_faults(thing, event["type"])}
    assert sorted(found) == []


def test_every_event_has_a_name_that_the_sdk_knows(a_busy_month: StandIn) -> None:
    known = set(typing.get_args(fields_of(stripe.Event)["type"]))
    assert {event["type"] for event in a_busy_month.objects("event")} - known == set()


@pytest.mark.parametrize("kind", sorted(path.stem for path in shapes._FOLDER.glob("*.json")))
def test_every_blank_is_of_a_kind_that_the_sdk_knows(kind: str) -> None:
    blank = shapes.new(kind)
    known = fields_of(KINDS[kind])
    required = known.keys() - {name for name in fields.OPTIONAL[kind] if "." not in name} - {"deleted"}
    assert (required - blank.keys(), blank.keys() - known.keys()) == (set(), set())


@pytest.mark.parametrize(
    ("kind", "path"), [(kind, path) for kind, paths in expand.EXPANDABLE.items() for path in sorted(paths)]
)
def test_every_expandable_field_is_one_that_the_sdk_says_may_hold_an_object(kind: str, path: str) -> None:
    hint: Any = KINDS[kind]
    for part in path.split("."):
        classes = [hint, *typing.get_args(hint)]
        holder = next(each for each in classes if isinstance(each, type) and issubclass(each, StripeObject))
        hint = fields_of(holder)[part]
    options = typing.get_args(hint)
    assert str in options
    assert [each for each in options if isinstance(each, type) and issubclass(each, StripeObject)] != []


REASONS = ("duplicate", "expired_uncaptured_charge", "fraudulent", "requested_by_customer")


def test_the_check_itself_sees_a_missing_a_strange_and_a_wrong_field(a_busy_month: StandIn) -> None:
    refund = a_busy_month.objects("refund")[0]
    del refund["currency"]
    broken = refund | {"colour": "red", "amount": "100", "reason": "boredom"}
    found = faults(broken, stripe.Refund, "refund")
    assert sorted(found) == [
        "refund.amount is '100', not int",
        "refund.colour is not Stripe's",
        "refund.currency is missing",
        f"refund.reason is 'boredom', not one of {REASONS}",
    ]
