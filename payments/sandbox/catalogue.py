"""Products, prices and customers."""

import re
from typing import Any

from payments.sandbox import lists
from payments.sandbox.errors import Refusal
from payments.sandbox.events import emit
from payments.sandbox.parameters import (
    EXPAND,
    PAGE,
    Choice,
    Flag,
    Group,
    Labels,
    Several,
    Spec,
    Text,
    Whole,
    merged,
    one_of,
)
from payments.sandbox.shapes import Body, new, new_id
from payments.sandbox.state import Row
from payments.sandbox.world import Call, Route, World

RECURRING: Spec = {
    "interval": Choice(("day", "week", "month", "year"), required=True),
    "interval_count": Whole(least=1, most=36),
}
PRODUCT_DATA: Spec = {
    "name": Text(required=True, longest=250),
    "description": Text(),
    "images": Several(Text()),
    "metadata": Labels(),
    "unit_label": Text(),
}
_ADDRESS: Spec = {
    name: Text(clears=True) for name in ("city", "country", "line1", "line2", "postal_code", "state")
}
_CURRENCIES = re.compile(
    "aed|aud|bgn|bhd|brl|cad|chf|czk|dkk|eur|gbp|hkd|huf|inr|isk|jod|jpy|krw|kwd|mxn|myr|nok|nzd|omr|pln|ron|sek|"
    "sgd|thb|tnd|try|twd|ugx|usd"
)


def currency(code: str, *, param: str = "currency") -> str:
    """Return a currency code in lower case; refuse one that Stripe does not take."""
    if _CURRENCIES.fullmatch(code.lower()) is None:
        raise Refusal(f"Invalid currency: {code.lower()}.", param=param, executed=False)
    return code.lower()


def add_product(world: World, given: Body, *, account: str | None, active: bool = True) -> Row:
    """Know a product."""
    at = world.state.now()
    fields = {name: given[name] for name in given if name not in {"expand", "active", "id"}}
    fields["metadata"] = merged({}, given.get("metadata"))
    body = new("product", id=new_id("prod", 14), active=active, created=at, updated=at, **fields)
    product = world.state.add("product", body, account=account)
    emit(world, "product.created", product, at=at)
    return product


def add_price(world: World, given: Body, *, product: Row, account: str | None, active: bool = True) -> Row:
    """Know a price of a product: what is paid once, or in each interval."""
    recurring = given.get("recurring")
    amount = given["unit_amount"]
    body = new(
        "price",
        id=new_id("price"),
        active=active,
        billing_scheme="per_unit",
        created=world.state.now(),
        currency=currency(given["currency"]),
        lookup_key=given.get("lookup_key"),
        metadata=merged({}, given.get("metadata")),
        nickname=given.get("nickname"),
        product=product.id,
        recurring=recurring and _recurring(recurring),
        tax_behavior=given.get("tax_behavior", "unspecified"),
        type="recurring" if recurring else "one_time",
        unit_amount=amount,
        unit_amount_decimal=str(amount),
    )
    price = world.state.add("price", body, account=account)
    emit(world, "price.created", price)
    return price


def _recurring(given: Body) -> Body:
    return {
        "interval": given["interval"],
        "interval_count": given.get("interval_count", 1),
        "meter": None,
        "trial_period_days": None,
        "usage_type": "licensed",
    }


def add_customer(world: World, given: Body, *, account: str | None, at: int) -> Row:
    """Know a customer."""
    fields: dict[str, Any] = {name: given[name] for name in given if name != "expand"}
    fields["metadata"] = merged({}, given.get("metadata"))
    if "address" in fields:
        fields["address"] = dict.fromkeys(_ADDRESS) | fields["address"]
    body = new(
        "customer", id=new_id("cus", 14), created=at, invoice_prefix=new_id("x", 8)[2:].upper(), **fields
    )
    customer = world.state.add("customer", body, account=account)
    emit(world, "customer.created", customer, at=at)
    return customer


def _create_product(world: World, call: Call) -> Body:
    return add_product(world, call.params, account=call.account, active=call.params.get("active", True)).body


def _create_price(world: World, call: Call) -> Body:
    given = call.params
    one_of(given, "product", "product_data")
    if "product_data" in given:
        product = add_product(world, given["product_data"], account=call.account)
    elif "product" in given:
        product = world.state.get("product", given["product"], account=call.account, param="product")
    else:
        raise Refusal(
            "You must specify either `product` or `product_data` when creating a price.", executed=False
        )
    return add_price(
        world, given, product=product, account=call.account, active=given.get("active", True)
    ).body


def _create_customer(world: World, call: Call) -> Body:
    return add_customer(world, call.params, account=call.account, at=world.state.now()).body


def _update(world: World, call: Call, kind: str) -> Row:
    row = world.state.get(kind, call.ids["id"], account=call.account)
    fields = {name: value for name, value in call.params.items() if name != "expand"}
    if "metadata" in fields:
        fields["metadata"] = merged(row.body["metadata"], fields["metadata"])
    if "address" in fields:
        fields["address"] = (row.body["address"] or dict.fromkeys(_ADDRESS)) | fields["address"]
    before = world.state.update(row, **fields)
    if before:
        emit(world, f"{kind}.updated", row, before=before)
    return row


def _update_product(world: World, call: Call) -> Body:
    product = _update(world, call, "product")
    world.state.update(product, updated=world.state.now())
    return product.body


def _update_price(world: World, call: Call) -> Body:
    return _update(world, call, "price").body


def _update_customer(world: World, call: Call) -> Body:
    return _update(world, call, "customer").body


_PRODUCT: Spec = EXPAND | PRODUCT_DATA | {"active": Flag(), "statement_descriptor": Text(), "url": Text()}
_PRODUCT_CHANGE: Spec = _PRODUCT | {
    "name": Text(),
    "description": Text(clears=True),
    "default_price": Text(),
    "unit_label": Text(clears=True),
    "url": Text(clears=True),
}
_PRICE_CHANGE: Spec = EXPAND | {
    "active": Flag(),
    "lookup_key": Text(),
    "metadata": Labels(),
    "nickname": Text(clears=True),
    "tax_behavior": Choice(("inclusive", "exclusive", "unspecified")),
}
_PRICE: Spec = _PRICE_CHANGE | {
    "currency": Text(required=True),
    "nickname": Text(),
    "product": Text(),
    "product_data": Group({name: PRODUCT_DATA[name] for name in ("name", "metadata", "unit_label")}),
    "recurring": Group(RECURRING),
    "unit_amount": Whole(required=True, least=0, most=99_999_999),
}
_CUSTOMER: Spec = EXPAND | {
    "address": Group(_ADDRESS),
    "description": Text(clears=True),
    "email": Text(clears=True, longest=512, is_email=True),
    "metadata": Labels(),
    "name": Text(clears=True, longest=256),
    "phone": Text(clears=True),
    "preferred_locales": Several(Text()),
}
ROUTES = [
    Route("POST", "/v1/products", _create_product, _PRODUCT),
    Route("GET", "/v1/products", lists.listing("product", "active"), PAGE | {"active": Flag()}),
    Route("GET", "/v1/products/{id}", lists.retrieve("product"), EXPAND),
    Route("POST", "/v1/products/{id}", _update_product, _PRODUCT_CHANGE),
    Route("POST", "/v1/prices", _create_price, _PRICE),
    Route(
        "GET",
        "/v1/prices",
        lists.listing("price", "active", "currency", "product", "type"),
        PAGE
        | {
            "active": Flag(),
            "currency": Text(),
            "product": Text(),
            "type": Choice(("one_time", "recurring")),
        },
    ),
    Route("GET", "/v1/prices/{id}", lists.retrieve("price"), EXPAND),
    Route("POST", "/v1/prices/{id}", _update_price, _PRICE_CHANGE),
    Route("POST", "/v1/customers", _create_customer, _CUSTOMER),
    Route("GET", "/v1/customers", lists.listing("customer", "email"), PAGE | {"email": Text()}),
    Route("GET", "/v1/customers/{id}", lists.retrieve("customer"), EXPAND),
    Route("POST", "/v1/customers/{id}", _update_customer, _CUSTOMER),
]
