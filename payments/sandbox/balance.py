"""Balances: every movement of money is a balance transaction, and `net = amount - fee`."""

from payments.sandbox import lists
from payments.sandbox.errors import Refusal
from payments.sandbox.parameters import EXPAND, PAGE, Text
from payments.sandbox.shapes import Body, new, new_id, places
from payments.sandbox.state import Row
from payments.sandbox.world import Call, Route, World

_SETTLED = frozenset({"charge", "payment", "refund", "refund_failure", "adjustment"})
_CATEGORY = {
    "payment": "charge",
    "payment_refund": "refund",
    "payout_failure": "payout_reversal",
    "stripe_fee": "fee",
    "transfer_refund": "transfer_reversal",
}


def post(  # noqa: PLR0913 -- a movement of money has that many sides
    world: World,
    *,
    account: str | None,
    kind: str,
    amount: int,
    currency: str,
    source: str,
    at: int,
    fee: int = 0,
    available_on: int | None = None,
    category: str | None = None,
) -> Row:
    """Write one movement into an account's balance: minor units, below zero when money leaves.

    What buyers pay and get back is settled in the currency that the switches name; `fee` is in the first one.
    """
    available_on = at if available_on is None else available_on
    settled, rate = world.switches.settle_in, None
    if settled and settled != currency and account is None and kind in _SETTLED:
        rate = world.switches.exchange_rate
        amount, fee = exchanged(amount, currency, settled, rate), exchanged(fee, currency, settled, rate)
        currency = settled
    fee_detail = {"amount": fee, "application": None, "currency": currency, "type": "stripe_fee"}
    body = new(
        "balance_transaction",
        id=new_id("txn"),
        amount=amount,
        available_on=available_on,
        created=at,
        currency=currency,
        exchange_rate=rate,
        fee=fee,
        fee_details=[fee_detail | {"description": "Stripe processing fees"}] if fee else [],
        net=amount - fee,
        reporting_category=category or _CATEGORY.get(kind, kind),
        source=source,
        status="available" if available_on <= at else "pending",
        type=kind,
    )
    return world.state.add("balance_transaction", body, account=account)


def exchanged(amount: int, currency: str, into: str, rate: float) -> int:
    """Return minor units of one currency in those of another: `rate` is what one whole unit is worth."""
    return round(amount * rate * 10.0 ** (places(into) - places(currency)))


def fee_on(amount: int) -> int:
    """Return Stripe's fee on a card charge: 1.5 % and 25 minor units."""
    return min(amount, (amount * 15 + 500) // 1000 + 25)


def available(world: World, account: str | None, currency: str) -> int:
    """Return what the account may spend now, in minor units."""
    return _sum(world, account, "available").get(currency, 0)


def require(world: World, account: str | None, amount: int, currency: str, message: str) -> None:
    """Refuse a payment that the account's available balance does not cover."""
    if available(world, account, currency) < amount:
        raise Refusal(message, code="balance_insufficient")


def settle(world: World, at: int) -> None:
    """Make available what was pending until now."""
    for row in world.state.all("balance_transaction"):
        if row.body["status"] == "pending" and row.body["available_on"] <= at:
            world.state.update(row, status="available")


def _sum(world: World, account: str | None, status: str) -> dict[str, int]:
    totals: dict[str, int] = {}
    for row in world.state.of("balance_transaction", account=account):
        totals.setdefault(row.body["currency"], 0)
        if row.body["status"] == status:
            totals[row.body["currency"]] += row.body["net"]
    return totals


def _parts(totals: dict[str, int]) -> list[Body]:
    currencies = totals or {"eur": 0}
    return [
        {"amount": amount, "currency": currency, "source_types": {"card": amount}}
        for currency, amount in sorted(currencies.items())
    ]


def _balance(world: World, call: Call) -> Body:
    return new(
        "balance",
        available=_parts(_sum(world, call.account, "available")),
        pending=_parts(_sum(world, call.account, "pending")),
    )


def _list(world: World, call: Call) -> Body:
    rows = world.state.of("balance_transaction", account=call.account)
    for name in ("currency", "source", "type"):
        if name in call.params:
            rows = [row for row in rows if row.body[name] == call.params[name]]
    if "payout" in call.params:
        payout = world.state.get("payout", call.params["payout"], account=call.account, param="payout")
        rows = [row for row in rows if row.id in payout.hidden["paid_out"] or row.body["source"] == payout.id]
    return lists.page(call, rows)


ROUTES = [
    Route("GET", "/v1/balance", _balance, EXPAND),
    Route(
        "GET",
        "/v1/balance_transactions",
        _list,
        PAGE | {"currency": Text(), "payout": Text(), "source": Text(), "type": Text()},
    ),
    Route("GET", "/v1/balance_transactions/{id}", lists.retrieve("balance_transaction"), EXPAND),
]
