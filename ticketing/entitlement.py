"""Who may come in by a ticket. One place answers for page, letter, API and door."""

import enum

from django.contrib.auth.models import AnonymousUser

from accounts.models import User
from ticketing.models import Event, Order, Ticket


class Standing(enum.Enum):
    TICKET = "ticket"
    CONFIRMING = "confirming"  # Stripe was asked for the payment and has not told us how it went
    NONE = "none"


def holds_ticket(user: User | AnonymousUser, event: Event) -> Ticket | None:
    """Return this person's valid ticket for this event."""
    if not user.is_authenticated:
        return None
    return Ticket.objects.live().filter(holder=user, event=event).select_related("ticket_type").first()


def order_under_way(user: User | AnonymousUser, event: Event) -> Order | None:
    """Return this person's order for which Stripe's page was opened, while its seats are held."""
    if not user.is_authenticated:
        return None
    held = Order.objects.filter(buyer=user, event=event, status=Order.Status.HELD)
    return held.filter(charge__checkout_id__isnull=False).select_related("charge").first()


def standing(user: User | AnonymousUser, event: Event) -> Standing:
    if holds_ticket(user, event):
        return Standing.TICKET
    if order_under_way(user, event):
        return Standing.CONFIRMING
    return Standing.NONE
