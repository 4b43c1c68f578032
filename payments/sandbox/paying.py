"""What a buyer does on the hosted checkout page: pay, be declined, confirm, or pay by a slow bank debit."""

from typing import Any

from payments.sandbox import billing, cards, catalogue, checkout, money_in
from payments.sandbox.cards import Card, Declined
from payments.sandbox.events import emit
from payments.sandbox.shapes import Body
from payments.sandbox.state import Row
from payments.sandbox.world import World


class NotOpen(Exception):
    """The session is paid or expired: nobody can pay it any more."""


def pay(world: World, session: Row, *, number: str, email: str, name: str | None) -> bool:
    """Pay the session, and say whether the buyer has to confirm first. Raises Declined and NotOpen."""
    card, payer, at = cards.read(number), {"email": email, "name": name}, world.state.now()
    _check_open(session, at)
    if card.type not in session.body["payment_method_types"]:
        raise Declined("Your card number is invalid.", code="incorrect_number")
    with world.state.transaction():
        world.state.remember(session, number=card.number, payer=payer)
        intent = _intent(world, session, payer, at)
        try:
            if money_in.confirm(world, intent, card, payer, at=at):
                return True
        except Declined as declined:
            why = declined
        else:
            _complete(world, session, intent, at)
            return False
    raise why


def answer_confirmation(world: World, session: Row, *, authenticated: bool) -> None:
    """Finish what `pay` left to confirm. Raises Declined (also when the buyer failed to) and NotOpen."""
    at, payer = world.state.now(), session.hidden["payer"]
    _check_open(session, at)
    card = cards.read(session.hidden["number"])
    with world.state.transaction():
        intent = _intent(world, session, payer, at)
        if authenticated:
            money_in.confirm(world, intent, card, payer, at=at, confirmed=True)
            _complete(world, session, intent, at)
            return
        why = Declined(
            "We are unable to authenticate your payment method. Please choose a different payment method and "
            "try again.",
            code="payment_intent_authentication_failure",
        )
        money_in.fail(world, intent, card, payer, why, at=at)
    raise why


def _check_open(session: Row, at: int) -> None:
    if session.body["status"] != "open" or checkout.ends_at(session) <= at:
        raise NotOpen("This checkout is no longer open.")


def _intent(world: World, session: Row, payer: Body, at: int) -> Row:
    """Return the session's payment intent: it comes into being with the first attempt to pay."""
    made = session.hidden.get("intent")
    if made:
        return world.state.get("payment_intent", made)
    data: dict[str, Any] = session.hidden["intent_data"]
    customer = _customer(world, session, payer, at)
    intent = money_in.open_intent(
        world,
        amount=session.body["amount_total"],
        currency=session.body["currency"],
        at=at,
        customer=customer,
        payment_method_types=session.body["payment_method_types"],
        **data,
    )
    world.state.remember(session, intent=intent.id)
    if session.body["mode"] == "payment":
        world.state.update(session, payment_intent=intent.id)
    return intent


def _customer(world: World, session: Row, payer: Body, at: int) -> str | None:
    body = session.body
    wanted = body["mode"] == "subscription" or body["customer_creation"] == "always"
    if body["customer"] is None and wanted:
        row = catalogue.add_customer(world, payer, account=session.account, at=at)
        world.state.update(session, customer=row.id)
    customer: str | None = session.body["customer"]
    return customer


def _complete(world: World, session: Row, intent: Row, at: int) -> None:
    payer, is_paid = session.hidden["payer"], intent.body["status"] == "succeeded"
    if session.body["mode"] == "subscription":
        subscription, invoice = billing.begin(world, session, intent, at=at)
        world.state.update(session, subscription=subscription.id, invoice=invoice.id)
    world.state.update(
        session,
        customer_details=checkout.details(payer["email"], payer["name"]),
        payment_status="paid" if is_paid else "unpaid",
        status="complete",
        url=None,
    )
    emit(world, "checkout.session.completed", session, at=at)
    if not is_paid:
        world.state.remember(session, clears_at=at + money_in.DEBIT_SECONDS)


def clear_debits(world: World, at: int) -> None:
    """Let the banks answer the direct debits whose time has come."""
    for session in reversed(world.state.all("checkout.session")):
        due = session.hidden.get("clears_at")
        if due is None or due > at:
            continue
        world.state.remember(session, clears_at=None)
        card: Card = cards.read(session.hidden["number"])
        intent = world.state.get("payment_intent", session.hidden["intent"])
        if money_in.clear_debit(world, intent, card, session.hidden["payer"], at=due):
            world.state.update(session, payment_status="paid")
            emit(world, "checkout.session.async_payment_succeeded", session, at=due)
        else:
            emit(world, "checkout.session.async_payment_failed", session, at=due)
