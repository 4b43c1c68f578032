"""Seats are counted here and nowhere else. At every commit held + sold ≤ capacity.

Each function is one conditional UPDATE per ticket type, in id order, in the caller's transaction: two buyers
never wait for each other crosswise, and who loses the last seat learns it from the row, not an old snapshot.
"""

from collections.abc import Mapping
from uuid import UUID

from django.db import models
from django.db.models import Count, F, OuterRef, Q, Subquery
from django.db.models.expressions import CombinedExpression
from django.db.models.functions import Coalesce

from ticketing.models import Ticket, TicketType

Seats = Mapping[UUID, int]  # how many of which ticket type


class SoldOut(Exception):
    """Fewer seats are left than were asked for."""

    def __init__(self, ticket_type: TicketType) -> None:
        super().__init__(f"{ticket_type.left} seats of {ticket_type.pk} are left.")
        self.ticket_type = ticket_type


class NotOnSale(Exception):
    """The event or one of the ticket types is not sold, not yet or no longer."""


def hold(seats: Seats) -> None:
    """Put seats aside for somebody who is about to pay. Raise SoldOut or NotOnSale."""
    for pk, count in sorted(seats.items()):
        if not _free(pk, count).update(held=F("held") + count):
            raise _refusal(pk)


def sell(seats: Seats) -> None:
    """Sell seats that were not held, or no longer. Raise SoldOut or NotOnSale."""
    for pk, count in sorted(seats.items()):
        if not _free(pk, count).update(sold=F("sold") + count):
            raise _refusal(pk)


def sell_held(seats: Seats) -> None:
    for pk, count in sorted(seats.items()):
        _change(pk, held=F("held") - count, sold=F("sold") + count)


def let_go(seats: Seats) -> None:
    for pk, count in sorted(seats.items()):
        _change(pk, held=F("held") - count)


def give_back(seats: Seats) -> None:
    """Free seats that were sold."""
    for pk, count in sorted(seats.items()):
        _change(pk, sold=F("sold") - count)


def miscounted() -> models.QuerySet[TicketType]:
    """Return the ticket types whose counts are not those of their tickets: there must be none."""
    tickets = Ticket.objects.filter(ticket_type=OuterRef("pk")).order_by().values("ticket_type")
    held, sold = (
        Coalesce(Subquery(tickets.filter(status=status).values(count=Count("pk"))), 0)
        for status in (Ticket.Status.HELD, Ticket.Status.LIVE)
    )
    return TicketType.objects.exclude(held=held, sold=sold)


def _free(pk: UUID, count: int) -> models.QuerySet[TicketType]:
    fits = Q(capacity__isnull=True) | Q(capacity__gte=F("held") + F("sold") + count)
    return TicketType.objects.filter(fits, pk=pk, is_open=True)


def _refusal(pk: UUID) -> SoldOut | NotOnSale:
    ticket_type = TicketType.objects.filter(pk=pk).first()
    return SoldOut(ticket_type) if ticket_type is not None and ticket_type.is_open else NotOnSale()


def _change(pk: UUID, **counts: CombinedExpression) -> None:
    changed = TicketType.objects.filter(pk=pk).update(**counts)
    assert changed == 1, "a ticket type with tickets is never deleted"  # noqa: S101 -- only a bug could break it
