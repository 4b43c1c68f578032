"""Checkout Sessions: what is for sale on one hosted page, until when, and where the buyer goes next."""

from payments.sandbox import catalogue, lists
from payments.sandbox.errors import Refusal, bad_parameter
from payments.sandbox.events import emit
from payments.sandbox.expand import session_lines
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
from payments.sandbox.shapes import Body, as_list, new, new_id, priced
from payments.sandbox.state import Row
from payments.sandbox.world import Call, Route, World

_SHORTEST, _LONGEST = 30 * 60, 24 * 3600
_MOST = 99_999_999  # eight figures, wherever the point stands
_LEAST = {
    "aed": 200,
    "bgn": 100,
    "czk": 1500,
    "dkk": 250,
    "gbp": 30,
    "hkd": 400,
    "huf": 17500,
    "jpy": 50,
    "krw": 500,
    "mxn": 1000,
    "myr": 200,
    "nok": 300,
    "pln": 200,
    "ron": 200,
    "sek": 300,
    "thb": 1000,
}
_STEPS = {"isk": 100, "ugx": 100} | dict.fromkeys(("bhd", "jod", "kwd", "omr", "tnd"), 10)
_ECHOED = (
    "allow_promotion_codes",
    "allowed_payment_method_types",
    "billing_address_collection",
    "cancel_url",
    "client_reference_id",
    "customer",
    "customer_email",
    "locale",
    "payment_method_collection",
    "submit_type",
    "success_url",
)


def _line(world: World, item: Body, account: str | None, place: int) -> Body:
    """Return one line of the order; a price given as data becomes a price of its own."""
    one_of(item, "price", "price_data")
    where = f"line_items[{place}]"
    if "price" in item:
        price = world.state.get("price", item["price"], account=account, param=f"{where}[price]")
        product = world.state.get("product", price.body["product"], account=account)
        if not price.body["active"]:
            raise Refusal(
                "The price specified is inactive. This field only accepts active prices.",
                param=f"{where}[price]",
            )
    elif "price_data" in item:
        product = _product(world, item["price_data"], account, where)
        price = catalogue.add_price(world, item["price_data"], product=product, account=account, active=False)
    else:
        name = f"{where}[price]"
        raise bad_parameter(f"Missing required param: {name}.", param=name, code="parameter_missing")
    amount = price.body["unit_amount"] * item["quantity"]
    return new(
        "item",
        id=new_id("li"),
        amount_subtotal=amount,
        amount_total=amount,
        currency=price.body["currency"],
        description=product.body["name"],
        metadata=merged({}, item.get("metadata")),
        price=price.body,
        quantity=item["quantity"],
    )


def _product(world: World, data: Body, account: str | None, where: str) -> Row:
    one_of(data, "product", "product_data")
    if "product" in data:
        return world.state.get(
            "product", data["product"], account=account, param=f"{where}[price_data][product]"
        )
    if "product_data" not in data:
        raise bad_parameter(
            f"You must specify either `product` or `product_data` when creating a price in {where}.",
            param=f"{where}[price_data]",
        )
    return catalogue.add_product(world, data["product_data"], account=account, active=False)


def _check_times(given: Body, at: int) -> int:
    expires_at = int(given.get("expires_at", at + _LONGEST))
    if expires_at < at + _SHORTEST:
        raise bad_parameter(
            "The `expires_at` timestamp must be at least 30 minutes from Checkout Session creation.",
            param="expires_at",
        )
    if expires_at > at + _LONGEST:
        raise bad_parameter(
            "The `expires_at` timestamp must be less than 24 hours from Checkout Session creation.",
            param="expires_at",
        )
    return expires_at


def _check_form(given: Body) -> None:
    mode = given["mode"]
    one_of(given, "customer", "customer_email")
    for name, wanted in (("payment_intent_data", "payment"), ("subscription_data", "subscription")):
        if name in given and mode != wanted:
            raise bad_parameter(f"You can not pass `{name}` in `{mode}` mode.", param=name)
    if not given["line_items"]:
        raise bad_parameter(
            "Missing required param: line_items.", param="line_items", code="parameter_missing"
        )
    if "customer_creation" in given and mode != "payment":
        raise bad_parameter(
            "`customer_creation` can only be used in `payment` mode.", param="customer_creation"
        )


def _check_lines(mode: str, lines: list[Body]) -> None:
    recurring = [line for line in lines if line["price"]["type"] == "recurring"]
    if mode == "payment" and recurring:
        raise Refusal(
            "You specified `payment` mode but passed a recurring price. Either switch to `subscription` mode "
            "or use only one-time prices.",
            param="mode",
        )
    if mode == "subscription" and not recurring:
        raise Refusal(
            "You must provide at least one recurring price in `subscription` mode when using prices.",
            param="line_items",
        )
    if len({line["currency"] for line in lines}) > 1:
        raise Refusal("All line items must have the same currency.", param="line_items")
    currency, total = lines[0]["currency"], sum(line["amount_total"] for line in lines)
    least = _LEAST.get(currency, 50)
    if total < least and (mode == "payment" or total > 0):
        raise Refusal(
            "The Checkout Session's total amount due must add up to at least "
            f"{priced(least, currency)} {currency}",
            code="amount_too_small",
        )
    if total > _MOST:
        raise Refusal(
            f"The Checkout Session's total amount due must be at most {priced(_MOST, currency)} {currency}",
            code="amount_too_large",
        )
    if total % _STEPS.get(currency, 1):
        raise Refusal(
            f"Invalid amount: amounts in {currency} must be divisible by {_STEPS[currency]}.",
            code="invalid_charge_amount",
        )


def _create(world: World, call: Call) -> Body:
    given, at = call.params, world.state.now()
    if call.account is not None:
        raise Refusal("This stand-in sells on the platform's own account only.", executed=False)
    _check_form(given)
    expires_at = _check_times(given, at - world.state.behind)
    mode = given["mode"]
    customer = None
    if "customer" in given:
        customer = world.state.get("customer", given["customer"], account=call.account, param="customer").body
    lines = [_line(world, item, call.account, place) for place, item in enumerate(given["line_items"])]
    _check_lines(mode, lines)
    total = sum(line["amount_total"] for line in lines)
    identity = new_id("cs_test", 40)
    body = new(
        "checkout.session",
        id=identity,
        amount_subtotal=total,
        amount_total=total,
        created=at,
        currency=lines[0]["currency"],
        expires_at=expires_at,
        metadata=merged({}, given.get("metadata")),
        mode=mode,
        payment_method_types=_methods(given),
        url=f"{world.base_url}/pay/{identity}",
        **_echoed(given, mode),
    )
    if customer or "customer_email" in given:
        body["customer_details"] = details(given.get("customer_email") or (customer or {}).get("email"), None)
    session = world.state.add(
        "checkout.session",
        body,
        account=call.account,
        lines=lines,
        ends_at=expires_at + world.state.behind,
        intent_data=given.get("payment_intent_data", {}),
        subscription_data=given.get("subscription_data", {}),
    )
    return session.body


def _methods(given: Body) -> list[str]:
    """Return how the buyer may pay; a subscription renews by card only."""
    allowed: list[str] = given.get("allowed_payment_method_types", ["card", "sepa_debit"])
    return ["card"] if given["mode"] == "subscription" else allowed


def _echoed(given: Body, mode: str) -> Body:
    fields = {name: given[name] for name in _ECHOED if name in given}
    if mode == "payment":
        fields["customer_creation"] = given.get("customer_creation", "if_required")
        fields.setdefault("payment_method_collection", "if_required")
    else:
        fields.setdefault("payment_method_collection", "always")
    if "wallet_options" in given:
        fields["wallet_options"] = {"link": {"display": given["wallet_options"]["link"].get("display")}}
    if "phone_number_collection" in given:
        fields["phone_number_collection"] = given["phone_number_collection"]
    if "custom_text" in given:
        words = given["custom_text"]
        parts = ("after_submit", "shipping_address", "submit", "terms_of_service_acceptance")
        fields["custom_text"] = {name: words.get(name) for name in parts}
    return fields


def details(email: str | None, name: str | None) -> Body:
    """Return `customer_details`: what the buyer wrote on the page."""
    return {
        "address": None,
        "business_name": None,
        "email": email,
        "individual_name": None,
        "name": name,
        "phone": None,
        "tax_exempt": "none",
        "tax_ids": [],
    }


def close_expired(world: World, session: Row, *, at: int) -> None:
    """End an open session unpaid."""
    world.state.update(session, status="expired", url=None)
    emit(world, "checkout.session.expired", session, at=at)


def ends_at(session: Row) -> int:
    """Return when an open session ends by our clock, which may be ahead of that of those who asked for it."""
    known = {"ends_at": session.body["expires_at"]} | session.hidden
    return int(known["ends_at"])


def expire_overdue(world: World, at: int) -> None:
    """End every open session whose time is over."""
    for session in reversed(world.state.all("checkout.session")):
        if session.body["status"] == "open" and ends_at(session) <= at:
            close_expired(world, session, at=ends_at(session))


def _expire(world: World, call: Call) -> Body:
    session = world.state.get("checkout.session", call.ids["id"], account=call.account)
    if session.body["status"] != "open":
        raise Refusal(
            'Only Checkout Sessions with a status in ["open"] can be expired. This Checkout Session has a '
            f"status of `{session.body['status']}`."
        )
    close_expired(world, session, at=world.state.now())
    return session.body


def _line_items(world: World, call: Call) -> Body:
    session = world.state.get("checkout.session", call.ids["id"], account=call.account)
    lines = session_lines(world.state, session.body)["data"]
    start = 0
    if "starting_after" in call.params:
        start = [line["id"] for line in lines].index(call.params["starting_after"]) + 1
    limit = call.params.get("limit", 10)
    return as_list(lines[start : start + limit], call.path, has_more=len(lines) > start + limit)


_PRICE_DATA: Spec = {
    "currency": Text(required=True),
    "product": Text(),
    "product_data": Group(catalogue.PRODUCT_DATA),
    "recurring": Group(catalogue.RECURRING),
    "tax_behavior": Choice(("inclusive", "exclusive", "unspecified")),
    "unit_amount": Whole(required=True, least=0, most=99_999_999),
}
_LINE: Spec = {
    "metadata": Labels(),
    "price": Text(),
    "price_data": Group(_PRICE_DATA),
    "quantity": Whole(required=True, least=1, most=999_999),
}
_INTENT_DATA: Spec = {
    "description": Text(longest=1000),
    "metadata": Labels(),
    "receipt_email": Text(is_email=True),
    "setup_future_usage": Choice(("off_session", "on_session")),
    "statement_descriptor": Text(longest=22),
    "statement_descriptor_suffix": Text(longest=22),
    "transfer_group": Text(),
}
_SUBSCRIPTION_DATA: Spec = {
    "billing_mode": Group({"type": Choice(("classic", "flexible"), required=True)}),
    "description": Text(longest=500),
    "metadata": Labels(),
}
_MESSAGE = Group({"message": Text(required=True, longest=1200)})
_CREATE: Spec = EXPAND | {
    "allow_promotion_codes": Flag(),
    "allowed_payment_method_types": Several(Choice(("card", "sepa_debit"))),
    "billing_address_collection": Choice(("auto", "required")),
    "cancel_url": Text(is_url=True),
    "client_reference_id": Text(longest=200),
    "custom_text": Group({"after_submit": _MESSAGE, "submit": _MESSAGE}),
    "customer": Text(),
    "customer_creation": Choice(("always", "if_required")),
    "customer_email": Text(longest=800, is_email=True),
    "expires_at": Whole(),
    "line_items": Several(Group(_LINE), required=True),
    "locale": Text(),
    "metadata": Labels(),
    "mode": Choice(("payment", "subscription"), required=True),
    "payment_intent_data": Group(_INTENT_DATA),
    "payment_method_collection": Choice(("always", "if_required")),
    "phone_number_collection": Group({"enabled": Flag(required=True)}),
    "submit_type": Choice(("auto", "book", "donate", "pay", "subscribe")),
    "subscription_data": Group(_SUBSCRIPTION_DATA),
    "success_url": Text(required=True, is_url=True),
    "ui_mode": Choice(("hosted_page",)),
    "wallet_options": Group({"link": Group({"display": Choice(("auto", "never"))}, required=True)}),
}
_FILTERS: Spec = {
    "customer": Text(),
    "payment_intent": Text(),
    "status": Choice(("complete", "expired", "open")),
    "subscription": Text(),
}
ROUTES = [
    Route("POST", "/v1/checkout/sessions", _create, _CREATE),
    Route("GET", "/v1/checkout/sessions", lists.listing("checkout.session", *_FILTERS), PAGE | _FILTERS),
    Route("GET", "/v1/checkout/sessions/{id}", lists.retrieve("checkout.session"), EXPAND),
    Route("POST", "/v1/checkout/sessions/{id}/expire", _expire, EXPAND),
    Route(
        "GET",
        "/v1/checkout/sessions/{id}/line_items",
        _line_items,
        EXPAND | {"limit": Whole(least=1, most=100), "starting_after": Text()},
    ),
]
