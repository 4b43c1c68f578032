"""Transfers: money from the platform's balance to a connected account's, and back by reversal."""

from payments.sandbox import balance, cards, catalogue, lists
from payments.sandbox.errors import Refusal
from payments.sandbox.events import emit
from payments.sandbox.parameters import EXPAND, PAGE, Labels, Spec, Text, Whole, merged
from payments.sandbox.shapes import Body, as_list, new, new_id, priced
from payments.sandbox.state import Row
from payments.sandbox.world import Call, Route, World

_TOO_LITTLE = (
    "You have insufficient available funds in your Stripe account. Try adding funds directly to your "
    "available balance by creating Charges using the 4000000000000077 test card. See: "
    "https://stripe.com/docs/testing#available-balance"
)


def _check_destination(account: Row) -> None:
    if account.body["capabilities"].get("transfers") != "active":
        raise Refusal(
            "Your destination account needs to have at least one of the following capabilities enabled: "
            "transfers, crypto_transfers, legacy_payments",
            code="insufficient_capabilities_for_transfer",
        )


def _source(world: World, call: Call, amount: int, currency: str) -> Row | None:
    """Return the charge that the transfer draws on; refuse one that cannot bear it."""
    if "source_transaction" not in call.params:
        return None
    charge = world.state.get("charge", call.params["source_transaction"], param="source_transaction")
    body = charge.body
    if body["status"] == "failed":
        raise Refusal(f"The charge {charge.id} has failed.", param="source_transaction")
    if body["currency"] != currency:
        raise Refusal(
            f"The currency of source_transaction's balance transaction ({body['currency']}) must be the "
            f"same as the transfer currency ({currency})",
            param="currency",
        )
    earlier = [row.body for row in world.state.of("transfer") if row.body["source_transaction"] == charge.id]
    left = body["amount"] - sum(each["amount"] for each in earlier)
    if amount > left:
        raise Refusal(
            f"Cannot use {charge.id} as source: the charge has {priced(left, currency)} left to transfer.",
            code="balance_insufficient",
            param="source_transaction",
        )
    if body["transfer_group"] is None:
        group = f"group_{body['payment_intent']}"
        world.state.update(charge, transfer_group=group)
    return charge


def _create(world: World, call: Call) -> Body:
    given, at = call.params, world.state.now()
    if call.account is not None:
        raise Refusal("Transfers go out from the platform's own account.")
    if "amount" not in given:
        raise Refusal(
            "Missing required param: amount.", code="parameter_missing", param="amount", executed=False
        )
    amount, currency = given["amount"], catalogue.currency(given["currency"])
    account = _destination(world, given["destination"])
    _check_destination(account)
    charge = _source(world, call, amount, currency)
    if charge is None:
        balance.require(world, None, amount, currency, _TOO_LITTLE)
    available_on = _settles_at(world, charge, at)
    identity = new_id("tr")
    body = new(
        "transfer",
        id=identity,
        amount=amount,
        created=at,
        currency=currency,
        description=given.get("description"),
        destination=account.id,
        metadata=merged({}, given.get("metadata")),
        reversals=as_list([], f"/v1/transfers/{identity}/reversals"),
        source_transaction=charge.id if charge else None,
        transfer_group=given.get("transfer_group", charge.body["transfer_group"] if charge else None),
    )
    transfer = world.state.add("transfer", body)
    movement = _move(world, None, "transfer", transfer, -amount, at, available_on)
    payment = _arrive(world, transfer, account, at, available_on)
    world.state.update(transfer, balance_transaction=movement.id, destination_payment=payment.id)
    emit(world, "transfer.created", transfer, at=at)
    return transfer.body


def _destination(world: World, identity: str) -> Row:
    row = world.state.find(identity)
    if row is None or row.kind != "account" or row.hidden.get("gone"):
        raise Refusal(f"No such destination: '{identity}'", code="resource_missing", param="destination")
    return row


def _settles_at(world: World, charge: Row | None, at: int) -> int:
    """Return when the money is there: at once, or with the charge that it comes from."""
    if charge is None or charge.body["balance_transaction"] is None:
        return at
    movement = world.state.get("balance_transaction", charge.body["balance_transaction"])
    return max(at, int(movement.body["available_on"]))


def _move(
    world: World, account: str | None, kind: str, source: Row, amount: int, at: int, available_on: int
) -> Row:
    return balance.post(
        world,
        account=account,
        kind=kind,
        amount=amount,
        currency=source.body["currency"],
        source=source.id,
        at=at,
        available_on=available_on,
    )


def _arrive(world: World, transfer: Row, account: Row, at: int, available_on: int) -> Row:
    """Return the payment as the connected account sees it."""
    body = new(
        "charge",
        id=new_id("py"),
        amount=transfer.body["amount"],
        amount_captured=transfer.body["amount"],
        billing_details=cards.billing_details(None, None),
        created=at,
        currency=transfer.body["currency"],
        payment_method_details={"type": "stripe_account", "stripe_account": {}},
        source_transfer=transfer.id,
    )
    payment = world.state.add("charge", body, account=account.id, refund="succeeds", disputed=False)
    movement = _move(world, account.id, "payment", payment, transfer.body["amount"], at, available_on)
    world.state.update(payment, balance_transaction=movement.id)
    return payment


def _reverse(world: World, call: Call) -> Body:
    transfer = world.state.get("transfer", call.ids["id"], account=call.account)
    return reverse(
        world, transfer, amount=call.params.get("amount"), metadata=call.params.get("metadata")
    ).body


def reverse(
    world: World, transfer: Row, *, amount: int | None = None, metadata: dict[str, str] | None = None
) -> Row:
    """Take a transfer back, or a part of it, from what the connected account has available."""
    body, at = transfer.body, world.state.now()
    left = body["amount"] - body["amount_reversed"]
    amount = left if amount is None else amount
    if left == 0:
        raise Refusal(f"Transfer {transfer.id} is already fully reversed.", code="transfer_already_reversed")
    if amount > left:
        asked, rest = priced(amount, body["currency"]), priced(left, body["currency"])
        raise Refusal(
            f"Transfer reversal amount ({asked}) is greater than unreversed amount on transfer ({rest})",
            param="amount",
        )
    balance.require(
        world,
        body["destination"],
        amount,
        body["currency"],
        f"Insufficient funds in connected account {body['destination']} to reverse the transfer.",
    )
    reversal = _write_reversal(world, transfer, merged({}, metadata), amount, at)
    reversals = [*_reversals(transfer), reversal.body]
    together = body["amount_reversed"] + amount
    world.state.update(
        transfer,
        amount_reversed=together,
        reversals=body["reversals"] | {"data": reversals[::-1][:10], "has_more": len(reversals) > 10},
        reversed=together == body["amount"],
    )
    world.state.remember(transfer, reversals=reversals)
    emit(world, "transfer.reversed", transfer, at=at)
    return reversal


def _reversals(transfer: Row) -> list[Body]:
    return list(transfer.hidden.get("reversals", []))


def _write_reversal(world: World, transfer: Row, metadata: dict[str, str], amount: int, at: int) -> Row:
    body, account = transfer.body, transfer.body["destination"]
    payment = world.state.get("charge", body["destination_payment"], account=account)
    back = world.state.add(
        "refund",
        new(
            "refund",
            id=new_id("pyr"),
            amount=amount,
            charge=payment.id,
            created=at,
            currency=body["currency"],
        ),
        account=account,
        behaves="succeeds",
    )
    taken = _move(world, account, "payment_refund", back, -amount, at, at)
    refunded = payment.body["amount_refunded"] + amount
    world.state.update(payment, amount_refunded=refunded, refunded=refunded == payment.body["amount"])
    reversal = world.state.add(
        "transfer_reversal",
        new(
            "transfer_reversal",
            id=new_id("trr"),
            amount=amount,
            created=at,
            currency=body["currency"],
            destination_payment_refund=back.id,
            metadata=metadata,
            transfer=transfer.id,
        ),
    )
    movement = _move(world, None, "transfer_refund", reversal, amount, at, at)
    world.state.update(back, balance_transaction=taken.id)
    world.state.update(reversal, balance_transaction=movement.id)
    return reversal


def _update(world: World, call: Call) -> Body:
    transfer = world.state.get("transfer", call.ids["id"], account=call.account)
    fields: Body = {"metadata": merged(transfer.body["metadata"], call.params.get("metadata"))}
    if "description" in call.params:
        fields["description"] = call.params["description"]
    before = world.state.update(transfer, **fields)
    emit(world, "transfer.updated", transfer, before=before)
    return transfer.body


def _list_reversals(world: World, call: Call) -> Body:
    transfer = world.state.get("transfer", call.ids["id"], account=call.account)
    rows = [row for row in world.state.of("transfer_reversal") if row.body["transfer"] == transfer.id]
    return lists.page(call, rows)


def _retrieve_reversal(world: World, call: Call) -> Body:
    world.state.get("transfer", call.ids["id"], account=call.account)
    return world.state.get("transfer_reversal", call.ids["reversal"]).body


_REVERSAL_PAGE: Spec = {name: rule for name, rule in PAGE.items() if name != "created"}
ROUTES = [
    Route(
        "POST",
        "/v1/transfers",
        _create,
        EXPAND
        | {
            "amount": Whole(least=1, most=99_999_999),
            "currency": Text(required=True),
            "description": Text(),
            "destination": Text(required=True),
            "metadata": Labels(),
            "source_transaction": Text(),
            "transfer_group": Text(),
        },
    ),
    Route(
        "GET",
        "/v1/transfers",
        lists.listing("transfer", "destination", "transfer_group"),
        PAGE | {"destination": Text(), "transfer_group": Text()},
    ),
    Route("GET", "/v1/transfers/{id}", lists.retrieve("transfer"), EXPAND),
    Route(
        "POST",
        "/v1/transfers/{id}",
        _update,
        EXPAND | {"description": Text(clears=True), "metadata": Labels()},
    ),
    Route(
        "POST",
        "/v1/transfers/{id}/reversals",
        _reverse,
        EXPAND | {"amount": Whole(least=1), "description": Text(), "metadata": Labels()},
    ),
    Route("GET", "/v1/transfers/{id}/reversals", _list_reversals, _REVERSAL_PAGE),
    Route("GET", "/v1/transfers/{id}/reversals/{reversal}", _retrieve_reversal, EXPAND),
]
