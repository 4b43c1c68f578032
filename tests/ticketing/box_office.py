"""What the tests of the sale do at the counter, in a word each."""

import secrets
from datetime import datetime

from accounts.models import User
from payments.models import Charge
from tests import factories
from ticketing import sales, seats
from ticketing.models import Event, Order, TicketType

SIGNED_IN = 7  # queries that say who asks: session, person, and the note that this session is alive


def kind(event: Event, *, price: int = 1200, capacity: int | None = None, **more: object) -> TicketType:
    return factories.TicketTypeFactory.create(event=event, price_minor=price, capacity=capacity, **more)


def fan() -> User:
    # No password and no address to confirm: hashing forty passwords takes longer than the race.
    return factories.UserFactory.create(password="!", verified=False)


def hold(buyer: User, ticket_type: TicketType, count: int = 1, *, at: datetime) -> Order:
    return sales.hold(buyer=buyer, event=ticket_type.event, basket={ticket_type.pk: count}, at=at)


def pay(order: Order, *, at: datetime) -> Order:
    """Let the payment of an order come in, as a webhook would tell it. Return the order as it is then."""
    sales.complete(order=order, payment_intent=f"pi_{order.pk.hex}", at=at)
    return again(order)


def buy(buyer: User, ticket_type: TicketType, count: int = 1, *, at: datetime) -> Order:
    order = hold(buyer, ticket_type, count, at=at)
    return pay(order, at=at) if order.total else sales.take_free(order=order, at=at)


def charge(order: Order) -> Charge:
    """Return the charge of an order that costs something, as it is now."""
    return Charge.objects.get(order=order)


def checkout(order: Order, *, at: datetime) -> str:
    """Open Stripe's page for an order; return the id of its session."""
    sales.start_checkout(order=again(order), at=at)
    return str(charge(order).checkout_id)


def again(order: Order) -> Order:
    return Order.objects.select_related("charge", "event", "buyer").get(pk=order.pk)


def counts(ticket_type: TicketType) -> tuple[int, int]:
    """Return (held, sold), and see to it that they are those of the tickets."""
    assert list(seats.miscounted()) == []
    ticket_type.refresh_from_db()
    return ticket_type.held, ticket_type.sold


def payment() -> str:
    return f"pi_{secrets.token_hex(8)}"
