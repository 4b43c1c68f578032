"""Payment intents and charges: a buyer is asked for money, and pays or is declined."""

from typing import Any

from payments.sandbox import balance, cards, disputes, lists
from payments.sandbox.cards import Card, Declined
from payments.sandbox.events import emit
from payments.sandbox.parameters import EXPAND, PAGE, Text
from payments.sandbox.shapes import Body, new, new_id
from payments.sandbox.state import Row
from payments.sandbox.world import Route, World

DEBIT_SECONDS = 3 * 86_400  # how long a direct debit takes until the bank has answered


def open_intent(world: World, *, amount: int, currency: str, at: int, **fields: Any) -> Row:
    """Ask for an amount; nobody has paid yet."""
    identity = new_id("pi")
    secret = f"{identity}_secret_{new_id('x')[2:]}"
    body = new(
        "payment_intent",
        id=identity,
        amount=amount,
        currency=currency,
        created=at,
        client_secret=secret,
        **fields,
    )
    intent = world.state.add("payment_intent", body)
    emit(world, "payment_intent.created", intent, at=at)
    return intent


def confirm(world: World, intent: Row, card: Card, payer: Body, *, at: int, confirmed: bool = False) -> bool:
    """Charge the card, and say whether the buyer has to confirm first; raise Declined.

    `payer` holds `email` and `name`; `confirmed` says that the buyer already did confirm.
    A decline is written down too: catch Declined inside the transaction.
    """
    _attach(world, intent, card, payer, at)
    if card.asks and not confirmed:
        use_sdk: Body = {"type": "use_stripe_sdk", "use_stripe_sdk": {"type": "three_d_secure_redirect"}}
        world.state.update(intent, status="requires_action", next_action=use_sdk)
        emit(world, "payment_intent.requires_action", intent, at=at)
        return True
    if card.delayed:
        _wait_for_the_bank(world, intent, card, payer, at)
        return False
    if card.declined:
        fail(world, intent, card, payer, card.declined, at=at)
        raise card.declined
    _succeed(world, intent, _charge(world, intent, card, payer, "succeeded", at), at)
    return False


def fail(world: World, intent: Row, card: Card, payer: Body, why: Declined, *, at: int) -> None:
    """Write down that the payment did not succeed; the buyer may try again."""
    if card.delayed:
        charge = world.state.get("charge", intent.body["latest_charge"])
        world.state.update(charge, status="failed", paid=False)
    else:
        charge = _charge(world, intent, card, payer, "failed", at)
    world.state.update(
        charge,
        failure_code=why.code,
        failure_message=str(why),
        outcome=_outcome("issuer_declined", why.decline_code or why.code, "The bank declined the payment."),
    )
    method = world.state.find(intent.body["payment_method"])
    error = {
        "charge": charge.id,
        "code": why.code,
        "decline_code": why.decline_code,
        "message": str(why),
        "payment_method": method.body if method else None,
        "type": "card_error",
    }
    world.state.update(
        intent,
        status="requires_payment_method",
        next_action=None,
        payment_method=None,
        latest_charge=charge.id,
        last_payment_error={name: value for name, value in error.items() if value is not None},
    )
    emit(world, "charge.failed", charge, at=at)
    emit(world, "payment_intent.payment_failed", intent, at=at)


def clear_debit(world: World, intent: Row, card: Card, payer: Body, *, at: int) -> bool:
    """Take the bank's answer to a direct debit, and say whether it paid."""
    if card.declined:
        fail(world, intent, card, payer, card.declined, at=at)
        return False
    charge = world.state.get("charge", intent.body["latest_charge"])
    world.state.update(charge, status="succeeded", paid=True, captured=True)
    _succeed(world, intent, charge, at)
    return True


def _attach(world: World, intent: Row, card: Card, payer: Body, at: int) -> None:
    method = cards.payment_method(card, at=at, customer=intent.body["customer"], **payer)
    world.state.add("payment_method", method)
    world.state.update(intent, payment_method=method["id"])


def _wait_for_the_bank(world: World, intent: Row, card: Card, payer: Body, at: int) -> None:
    charge = _charge(world, intent, card, payer, "pending", at)
    world.state.update(intent, status="processing", latest_charge=charge.id)
    emit(world, "charge.pending", charge, at=at)
    emit(world, "payment_intent.processing", intent, at=at)


def _charge(world: World, intent: Row, card: Card, payer: Body, status: str, at: int) -> Row:
    asked = intent.body
    identity = new_id("py" if card.delayed else "ch")
    body = new(
        "charge",
        id=identity,
        amount=asked["amount"],
        amount_captured=0 if status == "failed" else asked["amount"],
        billing_details=cards.billing_details(**payer),
        calculated_statement_descriptor="STAGEDOOR",
        captured=status == "succeeded",
        created=at,
        currency=asked["currency"],
        customer=asked["customer"],
        description=asked["description"],
        metadata=asked["metadata"],
        outcome=_outcome("approved_by_network", None, "Payment complete."),
        paid=status == "succeeded",
        payment_intent=intent.id,
        payment_method=asked["payment_method"],
        payment_method_details=cards.charge_details(card, asked["amount"]),
        receipt_email=asked["receipt_email"],
        receipt_url=f"{world.base_url}/_stand_in/objects/{identity}",
        status=status,
        transfer_group=asked["transfer_group"],
    )
    return world.state.add("charge", body, refund=card.refund, disputed=card.disputed)


def _outcome(network_status: str, reason: str | None, words: str) -> Body:
    return {
        "advice_code": None,
        "network_advice_code": None,
        "network_decline_code": None,
        "network_status": network_status,
        "reason": reason,
        "risk_level": "normal",
        "risk_score": 20,
        "seller_message": words,
        "type": "authorized" if reason is None else network_status,
    }


def _succeed(world: World, intent: Row, charge: Row, at: int) -> None:
    world.state.remember(charge, books_at=at + world.switches.fees_delay_seconds)
    if not world.switches.fees_delay_seconds:
        _book(world, charge, at)
    world.state.update(
        intent,
        amount_received=charge.body["amount"],
        last_payment_error=None,
        latest_charge=charge.id,
        next_action=None,
        status="succeeded",
    )
    emit(world, "charge.succeeded", charge, at=at)
    emit(world, "payment_intent.succeeded", intent, at=at)
    if charge.hidden["disputed"]:
        disputes.open_dispute(world, charge, at=at)


def _book(world: World, charge: Row, at: int) -> Body:
    """Write the charge and its fee into the balance; return what the charge's fields were before."""
    movement = balance.post(
        world,
        account=None,
        kind="payment" if charge.id.startswith("py_") else "charge",
        amount=charge.body["amount"],
        currency=charge.body["currency"],
        fee=balance.fee_on(charge.body["amount"]),
        source=charge.id,
        at=at,
        available_on=at + world.switches.funds_delay_seconds,
        category="charge",
    )
    world.state.remember(charge, books_at=None)
    return world.state.update(charge, balance_transaction=movement.id)


def book_late(world: World, at: int) -> None:
    """Book the charges whose fee comes later than they do."""
    for charge in reversed(world.state.all("charge")):
        due = charge.hidden.get("books_at")
        if due is not None and due <= at:
            emit(world, "charge.updated", charge, before=_book(world, charge, due), at=due)


ROUTES = [
    Route(
        "GET", "/v1/payment_intents", lists.listing("payment_intent", "customer"), PAGE | {"customer": Text()}
    ),
    Route(
        "GET",
        "/v1/payment_intents/{id}",
        lists.retrieve("payment_intent"),
        EXPAND | {"client_secret": Text()},
    ),
    Route(
        "GET",
        "/v1/charges",
        lists.listing("charge", "customer", "payment_intent", "transfer_group"),
        PAGE | {"customer": Text(), "payment_intent": Text(), "transfer_group": Text()},
    ),
    Route("GET", "/v1/charges/{id}", lists.retrieve("charge"), EXPAND),
]
