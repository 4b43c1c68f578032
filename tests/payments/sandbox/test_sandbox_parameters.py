"""The stand-in's parameters against the SDK's own types: each is one that the SDK would let us send."""

import importlib
import typing
from collections.abc import Mapping
from functools import cache
from typing import Any

import pytest
import typing_extensions

from payments.sandbox.parameters import Group, Rule, Several
from payments.sandbox.surface import ROUTES
from payments.sandbox.world import Route
from tests.payments.sandbox.test_sandbox_shapes import names_in

SERVICES: dict[str, str] = {
    "POST /v1/refunds": "RefundCreateParams",
    "GET /v1/refunds": "RefundListParams",
    "POST /v1/refunds/{id}": "RefundUpdateParams",
    "POST /v1/transfers": "TransferCreateParams",
    "GET /v1/transfers": "TransferListParams",
    "POST /v1/transfers/{id}": "TransferUpdateParams",
    "POST /v1/transfers/{id}/reversals": "TransferReversalCreateParams",
    "GET /v1/transfers/{id}/reversals": "TransferReversalListParams",
    "POST /v1/payouts": "PayoutCreateParams",
    "GET /v1/payouts": "PayoutListParams",
    "POST /v1/accounts": "AccountCreateParams",
    "GET /v1/accounts": "AccountListParams",
    "POST /v1/accounts/{id}": "AccountUpdateParams",
    "POST /v1/account_links": "AccountLinkCreateParams",
    "POST /v1/products": "ProductCreateParams",
    "GET /v1/products": "ProductListParams",
    "POST /v1/products/{id}": "ProductUpdateParams",
    "POST /v1/prices": "PriceCreateParams",
    "GET /v1/prices": "PriceListParams",
    "POST /v1/prices/{id}": "PriceUpdateParams",
    "POST /v1/customers": "CustomerCreateParams",
    "GET /v1/customers": "CustomerListParams",
    "POST /v1/customers/{id}": "CustomerUpdateParams",
    "POST /v1/checkout/sessions": "checkout.SessionCreateParams",
    "GET /v1/checkout/sessions": "checkout.SessionListParams",
    "POST /v1/checkout/sessions/{id}/expire": "checkout.SessionExpireParams",
    "GET /v1/checkout/sessions/{id}/line_items": "checkout.SessionLineItemListParams",
    "GET /v1/subscriptions": "SubscriptionListParams",
    "POST /v1/subscriptions/{id}": "SubscriptionUpdateParams",
    "DELETE /v1/subscriptions/{id}": "SubscriptionCancelParams",
    "GET /v1/invoices": "InvoiceListParams",
    "GET /v1/invoice_payments": "InvoicePaymentListParams",
    "GET /v1/payment_intents": "PaymentIntentListParams",
    "GET /v1/payment_intents/{id}": "PaymentIntentRetrieveParams",
    "GET /v1/charges": "ChargeListParams",
    "GET /v1/balance": "BalanceRetrieveParams",
    "GET /v1/balance_transactions": "BalanceTransactionListParams",
    "GET /v1/disputes": "DisputeListParams",
    "POST /v1/disputes/{id}": "DisputeUpdateParams",
    "POST /v1/disputes/{id}/close": "DisputeCloseParams",
    "GET /v1/events": "EventListParams",
    "POST /v1/payouts/{id}/cancel": "PayoutCancelParams",
}
WITH_EXPAND_ONLY = [
    route
    for route in ROUTES
    if f"{route.method} {route.path}" not in SERVICES and set(route.spec) == {"expand"}
]


def params_of(name: str) -> type:
    module = importlib.import_module(
        "stripe.params.checkout" if name.startswith("checkout.") else "stripe.params"
    )
    found: type = getattr(module, name.removeprefix("checkout."))
    return found


@cache
def params_fields(kind: type) -> dict[str, Any]:
    return typing.get_type_hints(kind, names_in("stripe._request_options") | names_in(kind.__module__))


def strange(spec: Mapping[str, Rule], kind: type, path: str = "") -> list[str]:
    """Return the parameters in a spec that the SDK's TypedDict does not name."""
    known = params_fields(kind)
    found = [f"{path}{name}" for name in spec if name not in known]
    for name in spec.keys() & known.keys():
        rule = spec[name]
        inner = rule.each if isinstance(rule, Several) else rule
        if isinstance(inner, Group):
            (nested,) = typed_dicts(known[name])
            found += strange(inner.inner, nested, f"{path}{name}.")
    return found


def typed_dicts(hint: Any) -> set[type]:
    """Return the TypedDicts that a parameter's type mentions."""
    if typing_extensions.is_typeddict(hint):
        return {hint}
    return {found for part in typing.get_args(hint) for found in typed_dicts(part)}


@pytest.mark.parametrize("endpoint", sorted(SERVICES))
def test_every_parameter_is_one_that_the_sdk_can_send(endpoint: str) -> None:
    route = next(route for route in ROUTES if f"{route.method} {route.path}" == endpoint)
    assert strange(route.spec, params_of(SERVICES[endpoint])) == []


def test_every_endpoint_with_parameters_is_checked() -> None:
    unchecked: list[Route] = [
        route
        for route in ROUTES
        if f"{route.method} {route.path}" not in SERVICES and route not in WITH_EXPAND_ONLY
    ]
    assert [f"{route.method} {route.path}" for route in unchecked] == []
