"""What may happen after the sale: an order refunded, an event called off, everybody given their money back.

Giving many people their money back is a mark on the event that is committed first. The work follows from the
row, one order at a time, by whoever comes: the task that was woken, or the sweep that finds what nobody woke.
"""

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import Protocol
from uuid import UUID

import structlog
from celery import current_app
from django.db import transaction
from django.db.models import QuerySet

from accounts import audit
from accounts.models import User
from payments import refunds
from payments.models import Refund
from payments.states import move
from payments.stripe_gateway import StripeRefused, StripeUnavailable
from ticketing import letters, offers, sales, seats
from ticketing.models import Event, Order, Ticket

log = structlog.get_logger(__name__)

AT_ONCE = 100


class TicketDeath(Protocol):
    def __call__(self, *, tickets: list[UUID], at: datetime) -> object: ...


# Who is told, after commit, that tickets are no longer valid. The room registers here, since it lies above.
# It sweeps as well, so nobody stays in because a call was lost.
on_ticket_death: list[TicketDeath] = []


class NotRefundable(Exception):
    """Only an order that is bought, and not refunded yet, can be refunded."""


class NothingToRefund(Exception):
    """The event's buyers are given their money back already, or it is still going on."""


@transaction.atomic
def refund(*, order: Order, by: User | None, reason: str, at: datetime) -> Refund | None:
    """Give the money of an order back, free its seats and end its tickets. Return None if it was free.

    One transaction; the room is told and the money leaves after commit. Raise NotRefundable, ChargeDisputed.
    """
    order = sales.locked(order)
    given = _undo(order, by=by, reason=reason, at=at)
    letters.refunded(order=order, refund=given, reason=reason, at=at)
    return given


@transaction.atomic
def cancel_event(*, event: Event, by: User, reason: str, at: datetime) -> Event:
    """Call an event off: nothing is sold any more, and everybody gets their money back. Raise WrongState."""
    move(event, Event.Status.CANCELLED, refunding_since=at, refunding_because=reason, refunding_by=by)
    offers.close(event=event)
    audit.record(actor=by, verb="event-cancelled", subject=event, reason=reason, at=at)
    transaction.on_commit(_nudge, robust=True)
    return event


@transaction.atomic
def refund_everyone(*, event: Event, by: User, reason: str, at: datetime) -> Event:
    """Give everybody's money back for an event that is over. Raise NothingToRefund."""
    ended = Event.objects.filter(pk=event.pk, status=Event.Status.ENDED, refunding_since=None)
    if not ended.update(refunding_since=at, refunding_because=reason, refunding_by=by):
        raise NothingToRefund
    audit.record(actor=by, verb="event-refunded", subject=event, reason=reason, at=at)
    transaction.on_commit(_nudge, robust=True)
    event.refresh_from_db()
    return event


def give_money_back(*, at: datetime) -> int:
    """Do what is left of it for events whose buyers get their money back; return how many orders it settled.

    Asks Stripe about orders that are being paid. Any number of workers may do this at once.
    """
    events = Event.objects.filter(refunding_since__isnull=False, refunding_done_at=None)
    return sum(
        _wind_up(event, at) for event in events.select_related("refunding_by").order_by("refunding_since")
    )


def _nudge() -> None:
    # By name, since tasks import trades. Without a broker the timetable finds the row a little later.
    current_app.send_task("ticketing.tasks.give_money_back", retry=False)


def _wind_up(event: Event, at: datetime) -> int:
    settled, last = 0, UUID(int=0)
    while batch := list(_unsettled(event).filter(pk__gt=last).order_by("pk")[:AT_ONCE]):
        settled += sum(_settle(order, event, at) for order in batch)
        last = batch[-1].pk
    if not _unsettled(event).exists():
        Event.objects.filter(pk=event.pk, refunding_done_at=None).update(refunding_done_at=at)
    return settled


def _unsettled(event: Event) -> QuerySet[Order]:
    """Return the orders that still have a seat. What a bank is about to take back is not given twice."""
    seated = Order.objects.filter(event=event, status__in=[Order.Status.HELD, Order.Status.PAID])
    return seated.exclude(charge__disputes__isnull=False).select_related("charge")


def _settle(order: Order, event: Event, at: datetime) -> bool:
    try:
        if order.is_held:
            order = sales.let_go(
                order=order, at=at
            )  # if it was paid, the event is over: that money returned too
        if order.is_paid:
            _call_off(order, event, at)
    except (StripeUnavailable, StripeRefused, NotRefundable, refunds.ChargeDisputed) as reason:
        log.warning("order_stays", order=str(order.pk), reason=type(reason).__name__)
        return False
    return True


@transaction.atomic
def _call_off(order: Order, event: Event, at: datetime) -> None:
    order = sales.locked(order)
    given = _undo(order, by=event.refunding_by, reason=event.refunding_because, at=at)
    letters.called_off(order=order, refund=given, reason=event.refunding_because, at=at)


def _undo(order: Order, *, by: User | None, reason: str, at: datetime) -> Refund | None:
    if not order.is_paid:
        raise NotRefundable
    given = None
    if order.charge is not None:
        # Somebody may have given it back at Stripe itself: the tickets end all the same.
        with suppress(refunds.NothingLeftToRefund):
            given = refunds.ask(charge=order.charge, reason=reason, by=by, at=at)
    move(order, Order.Status.REFUNDED, refunded_at=at)
    dying = list(order.tickets.live().select_related("event", "holder").order_by("id"))
    seats.give_back(Counter(ticket.ticket_type_id for ticket in dying))
    _end(dying, order, at)
    audit.record(actor=by, verb="order-refunded", subject=order, reason=reason, at=at)
    return given


def _end(tickets: Sequence[Ticket], order: Order, at: datetime) -> None:
    for ticket in tickets:
        move(ticket, Ticket.Status.DEAD)
        if ticket.holder_id not in {None, order.buyer_id}:
            letters.guest_lost_ticket(ticket=ticket, at=at)
    _tell_the_room([ticket.pk for ticket in tickets], at)


def _tell_the_room(dead: list[UUID], at: datetime) -> None:
    def tell_all() -> None:
        for tell in on_ticket_death:
            tell(tickets=dead, at=at)

    # Robust: who refunds is not stopped by a room that does not answer; its own sweep finds the dead tickets.
    transaction.on_commit(tell_all, robust=True)
