"""Payouts: money from a Stripe balance to a bank account."""

from payments.sandbox import balance, catalogue, lists
from payments.sandbox.errors import Refusal
from payments.sandbox.events import emit
from payments.sandbox.parameters import EXPAND, PAGE, Choice, Labels, Text, Whole, merged
from payments.sandbox.shapes import Body, new, new_id
from payments.sandbox.state import Row
from payments.sandbox.world import Call, Route, World

_DAY = 86_400


def _send(world: World, account: str | None, given: Body, *, at: int, automatic: bool = False) -> Row:
    """Return a payout that is on its way; its amount leaves the balance now."""
    destination = _destination(world, account, given)
    mine = _unpaid(world, account, given["currency"]) if automatic else []
    body = new(
        "payout",
        id=new_id("po"),
        amount=given["amount"],
        arrival_date=at + world.switches.payout_seconds,
        automatic=automatic,
        created=at,
        currency=given["currency"],
        description=given.get("description", "STRIPE PAYOUT" if automatic else None),
        destination=destination,
        metadata=merged({}, given.get("metadata")),
        reconciliation_status="completed" if automatic else "not_applicable",
        statement_descriptor=given.get("statement_descriptor"),
    )
    payout = world.state.add("payout", body, account=account, paid_out=[row.id for row in mine])
    movement = balance.post(
        world,
        account=account,
        kind="payout",
        amount=-body["amount"],
        currency=body["currency"],
        source=payout.id,
        at=at,
    )
    world.state.update(payout, balance_transaction=movement.id)
    emit(world, "payout.created", payout, at=at)
    return payout


def _destination(world: World, account: str | None, given: Body) -> str | None:
    banks = world.state.of("bank_account", account=account)
    if "destination" in given:
        return world.state.get("bank_account", given["destination"], account=account, param="destination").id
    if account is not None and not banks:
        raise Refusal(
            f"Sorry, you don't have any external accounts in that currency ({given['currency']}).",
            code="payouts_not_allowed",
        )
    return banks[0].id if banks else None


def _unpaid(world: World, account: str | None, currency: str) -> list[Row]:
    """Return the available movements that no automatic payout has carried away yet."""
    carried = {one for row in world.state.of("payout", account=account) for one in row.hidden["paid_out"]}
    return [
        row
        for row in world.state.of("balance_transaction", account=account)
        if row.id not in carried
        and (row.body["currency"], row.body["status"]) == (currency, "available")
        and row.body["type"] != "payout"
    ]


def _create(world: World, call: Call) -> Body:
    given = call.params | {"currency": catalogue.currency(call.params["currency"])}
    if call.account is not None and not world.state.get("account", call.account).body["payouts_enabled"]:
        raise Refusal("Payouts are not enabled for this account.", code="payouts_not_allowed")
    balance.require(
        world,
        call.account,
        given["amount"],
        given["currency"],
        "You have insufficient funds in your Stripe account for this transfer.",
    )
    return _send(world, call.account, given, at=world.state.now()).body


def _cancel(world: World, call: Call) -> Body:
    payout = world.state.get("payout", call.ids["id"], account=call.account)
    if payout.body["status"] != "pending" or payout.body["automatic"]:
        raise Refusal("Payouts can only be canceled while they are pending and were made by hand.")
    _give_back(world, payout, "payout_cancel", world.state.now())
    world.state.update(payout, status="canceled")
    emit(world, "payout.canceled", payout)
    return payout.body


def _give_back(world: World, payout: Row, kind: str, at: int) -> None:
    back = balance.post(
        world,
        account=payout.account,
        kind=kind,
        amount=payout.body["amount"],
        currency=payout.body["currency"],
        source=payout.id,
        at=at,
    )
    world.state.update(payout, failure_balance_transaction=back.id)


def fail(world: World, payout: Row, *, at: int) -> None:
    """Let a payout come back from the bank, also one that was already called paid."""
    _give_back(world, payout, "payout_failure", at)
    world.state.update(
        payout,
        status="failed",
        failure_code="account_closed",
        failure_message="The bank account has been closed.",
    )
    emit(world, "payout.failed", payout, at=at)


def arrive_due(world: World, at: int) -> None:
    """Let the payouts arrive whose day has come, or fail if the switch says so."""
    for payout in reversed(world.state.all("payout")):
        if payout.body["status"] != "pending" or payout.body["arrival_date"] > at:
            continue
        if world.switches.fail_payouts:
            fail(world, payout, at=at)
        else:
            world.state.update(payout, status="paid")
            emit(world, "payout.paid", payout, at=at)


def send_automatic(world: World, at: int) -> None:
    """Pay out the connected accounts with a daily schedule, once a day, all that is available."""
    for account in world.state.all("account"):
        schedule = account.body["settings"]["payouts"]["schedule"]
        last = int(account.hidden.get("paid_out_at") or account.body["created"])
        if schedule["interval"] == "manual" or not account.body["payouts_enabled"] or last + _DAY > at:
            continue
        world.state.remember(account, paid_out_at=at)
        if balance.available(world, account.id, account.body["default_currency"]) > 0:
            pay_out_all(world, account, at=at)


def pay_out_all(world: World, account: Row, *, at: int) -> Row:
    """Pay out all that a connected account has available, as its schedule does."""
    currency = account.body["default_currency"]
    amount = balance.available(world, account.id, currency)
    balance.require(world, account.id, max(amount, 1), currency, "There is nothing to pay out.")
    return _send(world, account.id, {"amount": amount, "currency": currency}, at=at, automatic=True)


ROUTES = [
    Route(
        "POST",
        "/v1/payouts",
        _create,
        EXPAND
        | {
            "amount": Whole(required=True, least=1, most=99_999_999),
            "currency": Text(required=True),
            "description": Text(),
            "destination": Text(),
            "metadata": Labels(),
            "method": Choice(("instant", "standard")),
            "statement_descriptor": Text(longest=22),
        },
    ),
    Route(
        "GET",
        "/v1/payouts",
        lists.listing("payout", "destination", "status"),
        PAGE
        | {"destination": Text(), "status": Choice(("canceled", "failed", "in_transit", "paid", "pending"))},
    ),
    Route("GET", "/v1/payouts/{id}", lists.retrieve("payout"), EXPAND),
    Route("POST", "/v1/payouts/{id}/cancel", _cancel, EXPAND),
]
