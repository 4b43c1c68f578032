"""Who may come in by a ticket. One place answers for page, letter, API and door."""

import enum
from collections import Counter

from django.contrib.auth.models import AnonymousUser
from django.db.models import Exists, OuterRef

from accounts.models import User
from payments.models import Dispute
from ticketing.models import Event, Order, Ticket, TicketType


class Standing(enum.Enum):
    TICKET = "ticket"
    CHARGED_BACK = "charged-back"  # the buyer's bank has taken the money back, and has not returned it
    CONFIRMING = "confirming"  # Stripe was asked for the payment and has not told us how it went
    NONE = "none"


def holds_ticket(user: User | AnonymousUser, event: Event) -> Ticket | None:
    """Return this person's valid ticket for this event, unless a bank has taken the payment for it back."""
    if not user.is_authenticated:
        return None
    return (
        Ticket.objects.live()
        .filter(~charged_back(), holder=user, event=event)
        .select_related("ticket_type")
        .first()
    )


def charged_back() -> Exists:
    """Ask of a ticket in a query whether the money for it is with the buyer's bank just now."""
    withdrawn = Dispute.objects.filter(charge__order=OuterRef("order"), is_withdrawn=True)
    return Exists(withdrawn)


def order_under_way(user: User | AnonymousUser, event: Event) -> Order | None:
    """Return this person's order for which Stripe's page was opened, while its seats are held."""
    if not user.is_authenticated:
        return None
    held = Order.objects.filter(buyer=user, event=event, status=Order.Status.HELD)
    return held.filter(charge__checkout_id__isnull=False).select_related("charge").first()


def held_order(user: User | AnonymousUser, event: Event) -> Order | None:
    """Return this person's order whose seats are held, whether its payment was begun or not."""
    if not user.is_authenticated:
        return None
    return Order.objects.filter(buyer=user, event=event, status=Order.Status.HELD).first()


def kinds_for(user: User | AnonymousUser, event: Event) -> list[TicketType]:
    """Return the types on sale as this person may buy them: what they hold themselves is theirs, not taken.

    The rows are for showing only: their `held` is not the one that is kept.
    """
    kinds = list(event.ticket_types.filter(is_open=True))
    if user.is_authenticated:
        held = Ticket.objects.filter(order__buyer=user, event=event, status=Ticket.Status.HELD)
        own = Counter(held.values_list("ticket_type_id", flat=True))
        for kind in kinds:
            kind.held -= own[kind.pk]
    return kinds


def standing(user: User | AnonymousUser, event: Event) -> Standing:
    if holds_ticket(user, event):
        return Standing.TICKET
    if user.is_authenticated and Ticket.objects.live().filter(holder=user, event=event).exists():
        return Standing.CHARGED_BACK
    if order_under_way(user, event):
        return Standing.CONFIRMING
    return Standing.NONE
