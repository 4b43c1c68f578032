"""What the sale of tickets holds about a person, and what must be settled before they go."""

from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _

from accounts.models import User
from accounts.personal_data import (
    LONGEST_LIST,
    NotNow,
    Traces,
    exports,
    forgets,
    objects_to_closing,
    says_goodbye,
)
from payments.stripe_gateway import StripeRefused, StripeUnavailable
from ticketing import sales
from ticketing.models import Event, Order, Ticket


@exports("orders")
def _orders(*, user: User) -> list[dict[str, Any]]:
    placed = Order.objects.filter(buyer=user).select_related("event").order_by("placed_at")
    return [
        {
            "order": order.code,
            "event": order.event.title,
            "status": order.status,
            "total": str(order.total),
            "placed": order.placed_at,
        }
        for order in placed[:LONGEST_LIST]
    ]


@exports("tickets")
def _tickets(*, user: User) -> list[dict[str, Any]]:
    held = Ticket.objects.filter(holder=user).select_related("event", "ticket_type").order_by("created_at")
    return [
        {
            "event": ticket.event.title,
            "starts": ticket.event.starts_at,
            "type": ticket.type_name,
            "status": ticket.status,
        }
        for ticket in held[:LONGEST_LIST]
    ]


@exports("events_made")
def _events(*, user: User) -> list[dict[str, Any]]:
    made = Event.objects.filter(created_by=user).order_by("pk").values("title", "status", "starts_at")
    given_back = Event.objects.filter(refunding_by=user).order_by("pk").values("title", "refunding_because")
    return [dict(row) for row in [*made[:LONGEST_LIST], *given_back[:LONGEST_LIST]]]


@objects_to_closing
def _paid_tickets_ahead(*, user: User) -> list[str]:
    """Name the evenings that are paid for and still to come: closing would throw the money away."""
    ahead = Event.objects.filter(
        orders__buyer=user,
        orders__status=Order.Status.PAID,
        orders__total_minor__gt=0,
        status__in=[Event.Status.PUBLISHED, Event.Status.LIVE],
    )
    words = _(
        "You have paid for %s, which is still to come. Ask the club for a refund, or wait until it is over."
    )
    return [words % event.title for event in ahead.distinct().order_by("starts_at")]


@says_goodbye
def _let_go_of_what_is_held(*, user: User, at: datetime) -> None:
    for order in Order.objects.filter(buyer=user, status=Order.Status.HELD).select_related("charge"):
        try:
            sales.let_go(order=order, at=at)
        except (StripeUnavailable, StripeRefused) as error:
            raise NotNow from error


@forgets
def _forget_where_from(*, user: User, traces: Traces) -> None:
    """Forget from which network they bought, and what was written about them."""
    Order.objects.filter(buyer=user).update(network="")
    named = Event.objects.filter(traces.in_text("refunding_because"))
    named.update(refunding_because=traces.left_out("refunding_because"))
