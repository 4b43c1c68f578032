"""Everybody's money back, for an event that is called off or was not delivered: a piece at a time.

aftersales marks the event; here its rows are worked off by one runner an event (`core.retries` claims it). A
piece is one transaction over some hundred orders, with one statement for all of them; a worker that dies
loses no more than its last piece, and whoever comes next goes on.

ONE rule says whose money may go back: no dispute of the charge is `blocking()`. Whoever is left out is told
by a letter, listed on the sales page and a case for finance, and the event is not done while there is one.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

import structlog
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils.translation import gettext as _

from accounts import audit
from core import retries
from payments import cases, failed_refunds, refunds
from payments.models import Case, Dispute, Refund
from payments.states import move_all
from ticketing import aftersales, held_too_long, letters, seats
from ticketing.models import Event, Order, Ticket

log = structlog.get_logger(__name__)

ORDERS_A_PIECE = 500
HELD_A_PIECE = 20  # each asks Stripe
LEFT_OUT_A_PIECE = 200
LOOKS_AGAIN = timedelta(minutes=15)  # at what others decide: banks, and buyers whose page is still open
PATIENCE = retries.Patience(
    pauses=(timedelta(minutes=2), timedelta(minutes=5), timedelta(minutes=30), timedelta(hours=3)), most=30
)
WAITS_FOR_A_PERSON = Q(status=Refund.Status.WANTED, given_up_at__isnull=False)
LIVING = (Order.Status.HELD, Order.Status.PAID)
RETURNED = (Order.Status.REFUNDED, Order.Status.TOO_LATE)


def give(*, at: datetime) -> int:
    """Do a piece for each event that is due; return how many orders were settled. Asks Stripe.

    Zero: nothing is left to do just now. Any number of workers may do this at once.
    """
    _open_again()
    settled: list[int] = []
    waiting = Event.objects.filter(refunding_since__isnull=False, refunding_done_at=None)
    retries.work(
        waiting.select_related("refunding_by", "club"),
        lambda event: settled.append(_piece(event, at=at)),
        at=at,
        patience=PATIENCE,
        give_up=partial(_give_up, at=at),
    )
    return sum(settled)


def left_out(event: Event) -> QuerySet[Order]:
    """Return the orders of an event that is given back whose buyers cannot have their money just now.

    `bank_decides` and `refund_refused` say why; neither: Stripe does not say whether it was paid.
    """
    by_bank, refused = _with_the_bank(), _refused()
    orders = Order.objects.filter(event=event).annotate(bank_decides=by_bank, refund_refused=refused)
    stuck = Q(status=Order.Status.HELD, given_up_at__isnull=False)
    return orders.filter(
        Q(status=Order.Status.PAID, bank_decides=True) | Q(status__in=RETURNED, refund_refused=True) | stuck
    ).order_by("placed_at", "pk")


def is_anything_left(event: Event) -> bool:
    """Return whether somebody who bought could still be given something back."""
    return Order.objects.filter(event=event, status=Order.Status.PAID).exists()


def _with_the_bank() -> Exists:
    """Tell whether an order's money is, or may come to be, with the buyer's bank: not given twice.

    A bank that gave all of it back has decided; one that gave a part back has left the rest to people.
    """
    blocking = Dispute.objects.blocking().filter(charge=OuterRef("charge"))
    return Exists(blocking.exclude(stripe_status=Dispute.LOST, amount_minor__gte=OuterRef("total_minor")))


def _refused() -> Exists:
    """Tell whether an order's refund did not come through and waits for a person of finance, or a bank."""
    return Exists(_not_come_through().filter(charge=OuterRef("charge")))


def _not_come_through() -> QuerySet[Refund]:
    by_bank = failed_refunds.with_the_bank().values("pk")
    return Refund.objects.filter(WAITS_FOR_A_PERSON | Q(pk__in=by_bank))


def _open_again() -> None:
    """Events that were done are not, once a bank has sent a refund back, or keeps one from being sent."""
    refused = _not_come_through().filter(
        charge__order__status__in=RETURNED, charge__order__event__refunding_done_at__isnull=False
    )
    events = set(refused.values_list("charge__order__event", flat=True))
    if events:
        Event.objects.filter(pk__in=events).update(refunding_done_at=None, next_attempt_at=None)


def _piece(event: Event, *, at: datetime) -> int:
    let_go = _let_go_of_held(event, at=at)
    settled = _settle(event, at=at)
    _leave_out(event, at=at)
    if settled == ORDERS_A_PIECE:
        retries.rest(event, until=at)
    elif _unsettled(event).exists():
        retries.rest(event, until=at + LOOKS_AGAIN)
    else:
        Event.objects.filter(pk=event.pk, refunding_done_at=None).update(refunding_done_at=at)
        retries.rest(event, until=None)
    return let_go + settled


def _unsettled(event: Event) -> QuerySet[Order]:
    orders = Order.objects.filter(event=event).annotate(refund_refused=_refused())
    return orders.filter(Q(status__in=LIVING) | Q(status__in=RETURNED, refund_refused=True))


def _let_go_of_held(event: Event, *, at: datetime) -> int:
    """Shut the checkouts of those who are paying; who was quicker has the money returned. Asks Stripe."""
    return held_too_long.let_go_of(Order.objects.filter(event=event), at=at, at_once=HELD_A_PIECE)


@transaction.atomic
def _settle(event: Event, *, at: datetime) -> int:
    """Refund a piece of the orders, free the seats, end the tickets, write the letters. One transaction."""
    paid = Order.objects.select_for_update(of=("self",), no_key=True).filter(
        ~_with_the_bank(), event=event, status=Order.Status.PAID
    )
    orders = list(paid.select_related("buyer", "charge").order_by("pk")[:ORDERS_A_PIECE])
    if not orders:
        return 0
    for order in orders:
        order.event = event
    lost = Dispute.objects.blocking().filter(charge__order__in=orders)
    by_bank: set[UUID] = set(lost.values_list("charge__order", flat=True))
    asked = _refund(orders, event, at=at, apart_from=by_bank)
    late = {
        charge.pk for charge in asked.disputed
    }  # disputed in this very moment: left out by the next piece
    orders = [order for order in orders if order.charge_id not in late]
    move_all(_these(orders), Order.Status.REFUNDED, refunded_at=at, left_out_at=None)
    _end_tickets(orders, at=at)
    letters.called_off_all(
        orders=orders, refunds=asked.refunds, by_bank=by_bank, reason=event.refunding_because, at=at
    )
    reason, by = event.refunding_because, event.refunding_by
    audit.record_many([audit.Entry(by, "order-refunded", order, reason) for order in orders], at=at)
    for order in orders:
        if order.left_out_at is not None:
            cases.it_worked(cause=_cause(order), note=_("The money went back after all."), at=at)
    return len(orders)


def _refund(orders: Sequence[Order], event: Event, *, at: datetime, apart_from: set[UUID]) -> refunds.Asked:
    """Ask for the refund of each charge. One with nothing left was given back at Stripe: no hindrance."""
    charges = [order.charge for order in orders if order.charge is not None and order.pk not in apart_from]
    return refunds.ask_many(charges=charges, reason=event.refunding_because, by=event.refunding_by, at=at)


def _these(orders: Sequence[Order]) -> QuerySet[Order]:
    return Order.objects.filter(pk__in=[order.pk for order in orders])


def _end_tickets(orders: Sequence[Order], *, at: datetime) -> None:
    buyers = {order.pk: order.buyer_id for order in orders}
    living = dict(
        Ticket.objects.live().filter(order__in=orders).order_by("pk").values_list("pk", "ticket_type")
    )
    seats.give_back(Counter(living.values()))
    ended = move_all(Ticket.objects.filter(pk__in=living), Ticket.Status.DEAD)
    assert ended == len(living), "whoever holds the order's lock moves its tickets"  # noqa: S101 -- only a bug could break it
    guests = Ticket.objects.filter(pk__in=living, holder__isnull=False).select_related("event", "holder")
    lost = [ticket for ticket in guests if ticket.holder_id != buyers[ticket.order_id]]
    letters.guests_lost_tickets(tickets=lost, at=at)
    aftersales.tell_the_room(list(living), at)


def _leave_out(event: Event, *, at: datetime) -> None:
    """Tell those who are left out, and finance; each once."""
    untold = left_out(event).filter(left_out_at=None).select_related("buyer", "charge")
    for order in list(untold[:LEFT_OUT_A_PIECE]):
        order.event = event
        _leave_one_out(order, at=at)


@transaction.atomic
def _leave_one_out(order: Order, *, at: datetime) -> None:
    if not Order.objects.filter(pk=order.pk, left_out_at=None).update(left_out_at=at):
        return
    bank_decides = order.is_paid and bool(getattr(order, "bank_decides", False))
    if bank_decides:
        letters.left_out(order=order, reason=order.event.refunding_because, at=at)
        what = _(
            "The money of order %(code)s is disputed, so it was left out when everybody got theirs back."
        )
    elif order.is_held:
        what = _("Stripe does not say whether order %(code)s was paid, so its buyer was left out.")
    else:
        return  # its refund has a case of its own
    cases.report(
        kind=Case.Kind.REFUND,
        cause=_cause(order),
        what=what % {"code": order.code},
        subject=order,
        stripe_id=(order.charge.payment_intent_id if order.charge else "") or "",
        at=at,
    )
    log.warning("left_out", order=str(order.pk), bank_decides=bank_decides)


def _cause(order: Order) -> str:
    return f"order-{order.pk}-left-out"


def _give_up(event: Event, error: Exception, *, at: datetime) -> None:
    cases.report(
        kind=Case.Kind.REFUND,
        cause=f"event-{event.pk}-money-back",
        what=_("The money of an event could not be given back, however often it was tried: %(error)s")
        % {"error": f"{type(error).__name__}: {error}"[:300]},
        subject=event,
        at=at,
    )
