"""What an event has sold and what of it is the creator's, for the sales page."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

from django.db.models import Count, Sum
from django.db.models.functions import Coalesce, TruncDate

from payments.models import Refund
from payments.money import Money
from ticketing.models import Event, Order, Ticket, TicketType

DAYS_SHOWN_SINGLY = 31
WEEK = timedelta(days=7)
DAY = timedelta(days=1)


@dataclass(frozen=True, kw_only=True)
class Takings:
    """taken = given_back + fees + yours."""

    taken: Money
    given_back: Money
    fees: Money
    yours: Money
    tickets: int


@dataclass(frozen=True)
class Span:
    """A day, or a week that begins on this day, and how many tickets were sold in it."""

    first: date
    days: int
    tickets: int


def of(event: Event) -> Takings:
    bought = event.orders.filter(status__in=[Order.Status.PAID, Order.Status.REFUNDED]).aggregate(
        taken=Coalesce(Sum("total_minor"), 0), fees=Coalesce(Sum("charge__fee_minor"), 0)
    )
    given = (
        Refund.objects.filter(charge__order__event=event, charge__order__status=Order.Status.REFUNDED)
        .exclude(status=Refund.Status.FAILED)
        .aggregate(amount=Coalesce(Sum("amount_minor"), 0), fees=Coalesce(Sum("fee_minor"), 0))
    )
    fees = bought["fees"] - given["fees"]
    return Takings(
        taken=Money(bought["taken"], event.currency),
        given_back=Money(given["amount"], event.currency),
        fees=Money(fees, event.currency),
        yours=Money(bought["taken"] - given["amount"] - fees, event.currency),
        tickets=event.tickets.live().count(),
    )


def by_type(event: Event) -> list[tuple[TicketType, Money]]:
    """Return the ticket types, each with what its valid tickets cost when they were bought."""
    sold = Ticket.objects.live().filter(event=event).values_list("ticket_type").annotate(Sum("price_minor"))
    taken: dict[UUID, int] = dict(sold)
    return [(kind, Money(taken.get(kind.pk, 0), event.currency)) for kind in event.ticket_types.all()]


def over_time(event: Event, *, at: datetime) -> list[Span]:
    """Return the valid tickets by the day they were bought, in the event's zone; a long time by weeks."""
    sold = (
        Ticket.objects.live()
        .filter(event=event, order__paid_at__isnull=False)
        .annotate(day=TruncDate("order__paid_at", tzinfo=event.zone))
        .values("day")
        .annotate(tickets=Count("pk"))
    )
    by_day: dict[date, int] = dict(sold.values_list("day", "tickets"))
    first = min([*by_day, (event.published_at or event.created_at).astimezone(event.zone).date()])
    last = max([*by_day, min(at, event.ended_at or at).astimezone(event.zone).date()])
    step = DAY if (last - first).days < DAYS_SHOWN_SINGLY else WEEK
    return [
        Span(start, step.days, sum(by_day.get(start + DAY * day, 0) for day in range(step.days)))
        for start in _starts(first, last, step)
    ]


def _starts(first: date, last: date, step: timedelta) -> Iterator[date]:
    while first <= last:
        yield first
        first += step
