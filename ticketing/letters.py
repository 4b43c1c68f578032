"""What buyers and guests are told by e-mail. Each letter has a key, so one cause makes one letter.

All in the caller's transaction: the letter is owed exactly if the thing happened.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.urls import reverse
from django.utils import formats

from accounts import links, mail
from accounts.models import User
from payments.models import Refund
from payments.money import Money
from ticketing.models import Event, Order, Ticket

FRIENDS_SHOWN = 20  # links in one letter; the others stand on the page of the order


def order_paid(*, order: Order, at: datetime) -> None:
    """Write the one letter of a purchase: the way into the room, and the links for friends."""
    tickets = list(order.tickets.select_related("ticket_type", "event").order_by("created_at", "id"))
    own = [ticket for ticket in tickets if ticket.holder_id == order.buyer_id]
    for_friends = [
        {"name": ticket.type_name, "url": links.absolute(ticket.pass_path)}
        for ticket in tickets
        if ticket.holder_id is None
    ]
    _write(
        f"order-paid-{order.pk}",
        order.buyer,
        "order_paid",
        order.event,
        at,
        order=order,
        own=own,
        for_friends=for_friends[:FRIENDS_SHOWN],
        more=len(for_friends) - FRIENDS_SHOWN,
    )


def paid_too_late(*, order: Order, refund: Refund | None, at: datetime) -> None:
    """Tell the buyer that there is no seat, and that the money comes back, or that their bank decides."""
    key, bank_decides = f"order-too-late-{order.pk}", refund is not None and refund.status == "failed"
    _write(key, order.buyer, "paid_too_late", order.event, at, order=order, bank_decides=bank_decides)


def refunded(*, order: Order, refund: Refund | None, reason: str, at: datetime) -> None:
    """Tell the buyer that the tickets ended; without a refund they had cost nothing."""
    key = f"order-refunded-{order.pk}"
    _write(key, order.buyer, "refunded", order.event, at, order=order, amount=_amount(refund), reason=reason)


def called_off_all(
    *,
    orders: Sequence[Order],
    refunds: Mapping[UUID, Refund],
    by_bank: Collection[UUID],
    reason: str,
    at: datetime,
) -> None:
    """Tell each buyer that the event is off, and what comes back, or that their bank gave it back already."""
    drafts = [
        _draft(
            f"event-called-off-{order.pk}",
            order.buyer,
            "called_off",
            order.event,
            order=order,
            amount=_amount(refunds.get(order.charge_id) if order.charge_id else None),
            by_bank=order.pk in by_bank,
            reason=reason,
        )
        for order in orders
        if order.buyer.closed_at is None
    ]
    mail.write_all(drafts=drafts, at=at)


def left_out(*, order: Order, reason: str, at: datetime) -> None:
    """Tell the buyer that the event is off, and that their bank decides about the money."""
    _write(f"left-out-{order.pk}", order.buyer, "left_out", order.event, at, order=order, reason=reason)


def evening_missed(*, order: Order, at: datetime) -> None:
    """Tell the buyer that the evening did not take place, and when the money comes back by itself."""
    key = f"evening-missed-{order.pk}"
    _write(key, order.buyer, "evening_missed", order.event, at, order=order, costs=bool(order.total_minor))


def evening_missed_host(*, event: Event, to: User, at: datetime) -> None:
    """Tell a host that the evening does not count, and until when they may give the money back themselves."""
    sales_url = links.absolute(reverse("ticketing:sales", args=[event.slug]))
    _write(f"evening-missed-{event.pk}-{to.pk}", to, "evening_missed_host", event, at, sales_url=sales_url)


def doors_shut_again(*, event: Event, to: User, at: datetime) -> None:
    """Tell a host that the doors were shut because no host was there, and until when they can be opened."""
    key = f"doors-shut-{event.pk}-{to.pk}-{at.isoformat()}"
    _write(key, to, "doors_shut_again", event, at, until=formats.date_format(_end_there(event), "H:i"))


def _end_there(event: Event) -> datetime:
    return event.ends_at.astimezone(event.zone)


def _amount(refund: Refund | None) -> Money | None:
    return refund.amount if refund else None


def guests_lost_tickets(*, tickets: Sequence[Ticket], at: datetime) -> None:
    """Tell all who were given one of these tickets that it is no longer valid."""
    mail.write_all(
        drafts=[
            _draft(f"ticket-lost-{ticket.pk}", ticket.holder, "guest_lost_ticket", ticket.event)
            for ticket in tickets
            if ticket.holder is not None and ticket.holder.closed_at is None
        ],
        at=at,
    )


def guest_lost_ticket(*, ticket: Ticket, at: datetime) -> None:
    """Tell somebody who was given a ticket that it is no longer valid."""
    assert ticket.holder is not None, "a ticket nobody took has nobody to write to"  # noqa: S101 -- only a bug
    _write(f"ticket-lost-{ticket.pk}", ticket.holder, "guest_lost_ticket", ticket.event, at)


def ticket_taken(*, ticket: Ticket, at: datetime) -> None:
    """Tell the guest who took a passed-on ticket the way in."""
    assert ticket.holder is not None, "somebody took it"  # noqa: S101 -- only a bug
    _write(f"ticket-taken-{ticket.pk}", ticket.holder, "ticket_taken", ticket.event, at, ticket=ticket)


def _write(key: str, to: User, template: str, event: Event, at: datetime, **more: Any) -> None:
    draft = _draft(key, to, template, event, **more)
    mail.write(key=draft.key, to=draft.to, template=draft.template, context=draft.context, at=at)


def _draft(key: str, to: User, template: str, event: Event, **more: Any) -> mail.Draft:
    order: Order | None = more.get("order")
    context = {
        "event": event,
        "event_url": links.absolute(event.get_absolute_url()),
        "room_url": links.absolute(reverse("rooms:room", args=[event.slug])),
        "order_url": links.absolute(order.get_absolute_url()) if order else "",
        "to": to,
        **more,
    }
    return mail.Draft(key=key, to=to.email, template=f"ticketing/mail/{template}", context=context)
