"""What may happen after the sale: an order refunded, an event called off, everybody given their money back.

Giving many people their money back is a mark on the event that is committed first. The work follows from the
row: see money_back.py.
"""

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from celery import current_app
from django.db import transaction
from django.db.models import Exists, OuterRef

from accounts import audit
from accounts.models import User
from payments import refunds
from payments.models import Refund
from payments.states import move
from ticketing import letters, offers, programme, sales, seats
from ticketing.models import Event, Order, Ticket


class TicketDeath(Protocol):
    def __call__(self, *, tickets: list[UUID], at: datetime) -> object: ...


# Who is told, after commit, that tickets are no longer valid. The room registers here, since it lies above.
# It sweeps as well, so nobody stays in because a call was lost.
on_ticket_death: list[TicketDeath] = []


# The same columns count the tries of whatever is worked on an event; this work begins anew.
UNTRIED: dict[str, Any] = {"attempts": 0, "next_attempt_at": None, "last_error": "", "given_up_at": None}


class NotRefundable(Exception):
    """Only an order that is bought, and not refunded yet, can be refunded."""


class NothingToRefund(Exception):
    """Nobody is left to be given money back, it is under way already, or the event is not judged yet."""


class TookPlace(Exception):
    """The event took place: its money may be with the creator already, so orders are refunded one by one."""


@transaction.atomic
def refund(*, order: Order, by: User | None, reason: str, at: datetime) -> Refund | None:
    """Give the money of an order back, free its seats and end its tickets. Return None if it was free.

    One transaction; the room is told and the money leaves after commit. What was released to the creator an
    officer gives back only as far as the balance covers it; the house (`by` is None) is not bounded.
    Raise NotRefundable, ChargeDisputed, NotCovered.
    """
    order = sales.locked(order)
    given = _undo(order, by=by, reason=reason, at=at)
    letters.refunded(order=order, refund=given, reason=reason, at=at)
    return given


@transaction.atomic
def end_returned(*, order: Order, at: datetime) -> bool:
    """End the tickets of an order whose money somebody gave back at Stripe itself. One transaction.

    True only for the one who did it. An order that is not bought, or refunded by us, stays as it is.
    """
    order = sales.locked(order)
    if not order.is_paid or order.charge is None:
        return False
    given = order.charge.refunds.exclude(status=Refund.Status.FAILED).order_by("created_at").last()
    if given is None:  # a bank took it, and the bank may give it back
        return False
    _close(order, by=None, reason=given.reason, at=at)
    letters.refunded(order=order, refund=given, reason=given.reason, at=at)
    return True


@transaction.atomic
def cancel_event(*, event: Event, by: User, reason: str, at: datetime) -> Event:
    """Call an event off: nothing is sold any more, and everybody gets their money back. Raise WrongState."""
    move(
        event,
        Event.Status.CANCELLED,
        refunding_since=at,
        refunding_because=reason,
        refunding_by=by,
        **UNTRIED,
    )
    offers.close(event=event)
    audit.record(actor=by, verb="event-cancelled", subject=event, reason=reason, at=at)
    programme.tell_over(event=event, at=at)
    transaction.on_commit(_nudge, robust=True)
    return event


@transaction.atomic
def refund_everyone(*, event: Event, by: User | None, reason: str, at: datetime) -> Event:
    """Give everybody's money back for an event that did not take place. Raise TookPlace, NothingToRefund.

    The house itself may mark one of which nobody bought anything: so its deadline comes to an end.
    """
    missed = Event.objects.filter(
        pk=event.pk,
        status=Event.Status.ENDED,
        delivery=Event.Delivery.NOT_DELIVERED,
        refunding_since=None,
    )
    if by is not None:
        missed = missed.filter(Exists(Order.objects.filter(event=OuterRef("pk"), status=Order.Status.PAID)))
    if not missed.update(refunding_since=at, refunding_because=reason, refunding_by=by, **UNTRIED):
        if Event.objects.filter(pk=event.pk, delivery=Event.Delivery.DELIVERED).exists():
            raise TookPlace
        raise NothingToRefund
    audit.record(actor=by, verb="event-refunded", subject=event, reason=reason, at=at)
    transaction.on_commit(_nudge, robust=True)
    event.refresh_from_db()
    return event


def _nudge() -> None:
    # By name, since tasks import trades. Without a broker the timetable finds the row a little later.
    current_app.send_task("ticketing.tasks.give_money_back", retry=False)


def _undo(order: Order, *, by: User | None, reason: str, at: datetime) -> Refund | None:
    if not order.is_paid:
        raise NotRefundable
    given = None
    if order.charge is not None:
        # Somebody may have given it back at Stripe itself: the tickets end all the same.
        with suppress(refunds.NothingLeftToRefund):
            given = refunds.ask(charge=order.charge, reason=reason, by=by, bounded=by is not None, at=at)
    _close(order, by=by, reason=reason, at=at)
    return given


def _close(order: Order, *, by: User | None, reason: str, at: datetime) -> None:
    """End an order whose money goes back: its tickets die, its seats are free."""
    move(order, Order.Status.REFUNDED, refunded_at=at)
    dying = list(order.tickets.live().select_related("event", "holder").order_by("id"))
    seats.give_back(Counter(ticket.ticket_type_id for ticket in dying))
    _end(dying, order, at)
    audit.record(actor=by, verb="order-refunded", subject=order, reason=reason, at=at)


def _end(tickets: Sequence[Ticket], order: Order, at: datetime) -> None:
    for ticket in tickets:
        move(ticket, Ticket.Status.DEAD)
        if ticket.holder_id not in {None, order.buyer_id}:
            letters.guest_lost_ticket(ticket=ticket, at=at)
    tell_the_room([ticket.pk for ticket in tickets], at)


def tell_the_room(dead: list[UUID], at: datetime) -> None:
    """Tell whoever asked to be told, after commit, that these tickets are no longer valid."""

    def tell_all() -> None:
        for tell in on_ticket_death:
            tell(tickets=dead, at=at)

    # Robust: who refunds is not stopped by a room that does not answer; its own sweep finds the dead tickets.
    transaction.on_commit(tell_all, robust=True)
