"""Refunds: money goes back to the buyer. Stripe's fee does not come back to us."""

from payments.sandbox import balance, lists
from payments.sandbox.errors import Refusal
from payments.sandbox.events import emit
from payments.sandbox.parameters import EXPAND, PAGE, Choice, Labels, Text, Whole, merged, one_of
from payments.sandbox.shapes import Body, new, new_id, priced
from payments.sandbox.state import Row
from payments.sandbox.world import Call, Route, World

_LATER_SECONDS = 3600  # when the test cards for slow and failing refunds make up their mind


def _charge_of(world: World, call: Call) -> Row:
    one_of(call.params, "charge", "payment_intent")
    if "charge" in call.params:
        return world.state.get("charge", call.params["charge"], account=call.account, param="charge")
    if "payment_intent" not in call.params:
        raise Refusal(
            "One of the following params should be provided for this request: payment_intent or charge.",
            executed=False,
        )
    intent = world.state.get(
        "payment_intent", call.params["payment_intent"], account=call.account, param="payment_intent"
    )
    if intent.body["latest_charge"] is None:
        raise Refusal(f"This PaymentIntent ({intent.id}) does not have a successful charge to refund.")
    return world.state.get("charge", intent.body["latest_charge"], account=call.account)


def _check(charge: Row, amount: int) -> None:
    body = charge.body
    left = body["amount"] - body["amount_refunded"]
    if body["status"] != "succeeded":
        raise Refusal(f"Charge {charge.id} has not succeeded and cannot be refunded.", param="charge")
    if charge.hidden.get("charged_back"):
        raise Refusal(
            f"Charge {charge.id} has been charged back; cannot issue a refund.", code="charge_disputed"
        )
    if left == 0:
        raise Refusal(f"Charge {charge.id} has already been refunded.", code="charge_already_refunded")
    if amount > left:
        asked, rest = priced(amount, body["currency"]), priced(left, body["currency"])
        raise Refusal(
            f"Refund amount ({asked}) is greater than unrefunded amount on charge ({rest})", param="amount"
        )


def _create(world: World, call: Call) -> Body:
    charge, given = _charge_of(world, call), call.params
    return make(
        world, charge, amount=given.get("amount"), reason=given.get("reason"), metadata=given.get("metadata")
    ).body


def make(
    world: World,
    charge: Row,
    *,
    amount: int | None = None,
    reason: str | None = None,
    metadata: dict[str, str] | None = None,
) -> Row:
    """Give a charge back, or a part of it; refuse what cannot be given back."""
    at, left = world.state.now(), charge.body["amount"] - charge.body["amount_refunded"]
    amount = left if amount is None else amount
    _check(charge, amount)
    body = new(
        "refund",
        id=new_id("re"),
        amount=amount,
        charge=charge.id,
        created=at,
        currency=charge.body["currency"],
        customer=charge.body["customer"],
        destination_details={
            "card": {
                "reference_status": "pending",
                "reference_type": "acquirer_reference_number",
                "type": "refund",
            },
            "type": "card",
        },
        metadata=merged({}, metadata),
        payment_intent=charge.body["payment_intent"],
        payment_method=charge.body["payment_method"],
        reason=reason,
    )
    refund = world.state.add("refund", body, account=charge.account, behaves=charge.hidden["refund"])
    _mark_charge(world, charge, amount)
    short = balance.available(world, charge.account, body["currency"]) < amount
    if short and world.switches.refunds_wait_for_funds:
        world.state.update(refund, status="pending", pending_reason="insufficient_funds")
    else:
        _take_money(world, refund, at)
    emit(world, "refund.created", refund, at=at)
    emit(world, "charge.refunded", charge, at=at)
    return refund


def _mark_charge(world: World, charge: Row, amount: int) -> None:
    refunded = charge.body["amount_refunded"] + amount
    world.state.update(charge, amount_refunded=refunded, refunded=refunded == charge.body["amount"])


def _take_money(world: World, refund: Row, at: int) -> None:
    """Move the refund's amount out of the balance, and settle what the test card says about its fate."""
    movement = balance.post(
        world,
        account=refund.account,
        kind="refund",
        amount=-refund.body["amount"],
        currency=refund.body["currency"],
        source=refund.id,
        at=at,
    )
    behaves = refund.hidden["behaves"]
    world.state.update(
        refund,
        balance_transaction=movement.id,
        pending_reason="processing" if behaves == "pending" else None,
        status="pending" if behaves == "pending" else "succeeded",
    )
    if behaves != "succeeds":
        world.state.remember(refund, decided_at=at + _LATER_SECONDS)


def settle(world: World, at: int) -> None:
    """Carry on with the refunds that wait for money, for the bank, or for their failure."""
    for refund in reversed(world.state.all("refund")):
        body = refund.body
        if body["pending_reason"] == "insufficient_funds":
            if balance.available(world, refund.account, body["currency"]) >= body["amount"]:
                _take_money(world, refund, at)
                emit(world, "refund.updated", refund, before={"status": "pending"}, at=at)
        elif refund.hidden.get("decided_at", at + 1) <= at:
            world.state.remember(refund, decided_at=at + 10**9)
            _decide(world, refund, at)


def _decide(world: World, refund: Row, at: int) -> None:
    if refund.hidden["behaves"] == "pending":
        before = world.state.update(refund, status="succeeded", pending_reason=None)
        emit(world, "refund.updated", refund, before=before, at=at)
        return
    fail(world, refund, at=at)


def fail(world: World, refund: Row, *, at: int) -> None:
    """Let a refund come back from the bank, also one that had succeeded: the money is ours again."""
    charge = world.state.get("charge", refund.body["charge"], account=refund.account)
    _mark_charge(world, charge, -refund.body["amount"])
    back = balance.post(
        world,
        account=refund.account,
        kind="refund_failure",
        amount=refund.body["amount"],
        currency=refund.body["currency"],
        source=refund.id,
        at=at,
    )
    before = world.state.update(
        refund,
        status="failed",
        failure_reason="lost_or_stolen_card",
        failure_balance_transaction=back.id,
    )
    emit(world, "refund.updated", refund, before=before, at=at)
    emit(world, "refund.failed", refund, at=at)


def _update(world: World, call: Call) -> Body:
    refund = world.state.get("refund", call.ids["id"], account=call.account)
    before = world.state.update(refund, metadata=merged(refund.body["metadata"], call.params.get("metadata")))
    emit(world, "refund.updated", refund, before=before)
    return refund.body


ROUTES = [
    Route(
        "POST",
        "/v1/refunds",
        _create,
        EXPAND
        | {
            "amount": Whole(least=1),
            "charge": Text(),
            "metadata": Labels(),
            "payment_intent": Text(),
            "reason": Choice(("duplicate", "fraudulent", "requested_by_customer")),
        },
    ),
    Route(
        "GET",
        "/v1/refunds",
        lists.listing("refund", "charge", "payment_intent"),
        PAGE | {"charge": Text(), "payment_intent": Text()},
    ),
    Route("GET", "/v1/refunds/{id}", lists.retrieve("refund"), EXPAND),
    Route("POST", "/v1/refunds/{id}", _update, EXPAND | {"metadata": Labels()}),
]
