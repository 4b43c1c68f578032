"""Every endpoint of Stripe's API that the stand-in has, in one list."""

from payments.sandbox import (
    balance,
    billing,
    catalogue,
    checkout,
    connect,
    disputes,
    events,
    invoices,
    money_in,
    payouts,
    refunds,
    transfers,
)
from payments.sandbox.world import Route

ROUTES: list[Route] = [
    route
    for trade in (
        balance,
        billing,
        catalogue,
        checkout,
        connect,
        disputes,
        events,
        invoices,
        money_in,
        payouts,
        refunds,
        transfers,
    )
    for route in trade.ROUTES
]
