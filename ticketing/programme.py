"""The programme of a club: events drafted, published, live, ended; and when their money is the creator's."""

import secrets
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from typing import Protocol
from uuid import UUID

from django.db import transaction
from django.db.models import F, Max, Q, QuerySet, Value
from django.utils.text import slugify
from django.utils.translation import gettext as _

from accounts import audit
from accounts.afterwards import once_committed
from accounts.models import User
from clubs import officers
from clubs.models import Club, Officer
from core import retries
from payments import cases, releases
from payments.models import Case, Charge
from payments.states import WrongState, move
from ticketing import offers
from ticketing.models import Event, Order, TicketType

SLUG_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"
MISSED_AFTER = timedelta(hours=12)  # nobody opened the doors until so long after the planned end
REFUND_AFTER = timedelta(hours=48)  # of an evening that did not take place, unless the club does it before
AT_ONCE = 200
CHARGES_A_PIECE = 2000


class Over(Protocol):
    def __call__(self, *, event: UUID, at: datetime) -> object: ...


# Who is told, after commit, that an event is over. The room registers here, since it lies above.
on_over: list[Over] = []


class AlreadyPast(Exception):
    """The event would start before now."""


class NothingToSell(Exception):
    """An event is published with one ticket type on sale at least."""


class TimeIsPromised(Exception):
    """Tickets are held or sold for this start: it is not moved under those who bought them."""


class LengthIsPromised(Exception):
    """Tickets are held or sold for this length: it may become longer, not shorter."""


class ProgrammeIsClosed(Exception):
    """The event is over or called off, and stays as it was."""


class MoneyGoesBack(Exception):
    """The buyers of this event are given their money back, so nothing of it is released."""


def draft(
    *,
    club: Club,
    by: User,
    title: str,
    description: str,
    starts_at: datetime,
    timezone: str,
    minutes: int,
    at: datetime,
) -> Event:
    """Return a new event that only the club's officers see."""
    return Event.objects.create(
        club=club,
        slug=_slug(title),
        title=title,
        description=description,
        starts_at=starts_at,
        timezone=timezone,
        minutes=minutes,
        currency=club.currency,
        created_by=by,
        created_at=at,
    )


def _slug(title: str) -> str:
    ending = "".join(secrets.choice(SLUG_LETTERS) for _ in range(6))
    return "-".join(part for part in (slugify(title)[:80].strip("-"), ending) if part)


@transaction.atomic
def revise(
    *, event: Event, title: str, description: str, starts_at: datetime, timezone: str, minutes: int
) -> Event:
    """Change what an event says of itself. Its address stays, so that links that were sent go on working.

    Raise ProgrammeIsClosed; TimeIsPromised or LengthIsPromised when the start would move, or the evening
    become shorter, although tickets are held or sold.
    """
    event.refresh_from_db(from_queryset=Event.objects.select_for_update(of=("self",), no_key=True))
    if event.status in {Event.Status.ENDED, Event.Status.CANCELLED}:
        raise ProgrammeIsClosed
    if (starts_at != event.starts_at or minutes < event.minutes) and _is_taken(event):
        raise TimeIsPromised if starts_at != event.starts_at else LengthIsPromised
    event.title, event.description, event.minutes = title, description, minutes
    event.starts_at, event.timezone = starts_at, timezone
    event.save(update_fields=["title", "description", "minutes", "starts_at", "timezone"])
    return event


def _is_taken(event: Event) -> bool:
    # Locked, so that nobody buys for the old start while it moves.
    kinds = TicketType.objects.select_for_update(of=("self",), no_key=True).filter(event=event).order_by("id")
    return any(kind.taken for kind in kinds)


@transaction.atomic
def publish(*, event: Event, by: User, at: datetime) -> Event:
    """Put a draft on sale. Raise AlreadyPast, NothingToSell, WrongState."""
    if event.starts_at <= at:
        raise AlreadyPast
    if not event.ticket_types.filter(is_open=True).exists():
        raise NothingToSell
    move(event, Event.Status.PUBLISHED, published_at=at)
    audit.record(actor=by, verb="event-published", subject=event, at=at)
    return event


def go_live(*, event: Event, at: datetime) -> Event:
    """Tell that the doors are open. Raise WrongState."""
    del at  # the room's own facts say when
    return move(event, Event.Status.LIVE)


def off_air(*, event: Event) -> Event:
    """Tell that the doors are shut again before the evening was over. Raise WrongState."""
    return move(event, Event.Status.PUBLISHED)


@transaction.atomic
def end(*, event: Event, at: datetime) -> Event:
    """Tell that it is over: nothing is sold any more. Raise WrongState."""
    move(event, Event.Status.ENDED, ended_at=at)
    offers.close(event=event)
    tell_over(event=event, at=at)
    return event


def tell_over(*, event: Event, at: datetime) -> None:
    """Tell whoever asked to be told, after the commit, that the event has ended or is cancelled."""
    for tell in on_over:
        once_committed(tell, event=event.pk, at=at)


def on_the_team(user: User, *, at: datetime) -> QuerySet[Event]:
    """Return the evenings on sale or live into whose rooms this person comes as host or moderator."""
    office = Officer.objects.filter(user=user, role__in=officers.MODERATING)
    length = F("minutes") * Value(timedelta(minutes=1))
    awaited = Q(status=Event.Status.PUBLISHED, starts_at__gt=Value(at - MISSED_AFTER) - length)
    found = Event.objects.filter(awaited | Q(status=Event.Status.LIVE), club__in=office.values("club"))
    return found.select_related("club").order_by("starts_at", "id")


def promise(event: Event) -> tuple[datetime, int]:
    """Return the start and the length in minutes that were sold: the latest and the longest of all."""
    bought = Order.objects.filter(event=event, status=Order.Status.PAID)
    sold = bought.aggregate(start=Max("sold_starts_at"), minutes=Max("sold_minutes"))
    return max(event.starts_at, sold["start"] or event.starts_at), sold["minutes"] or event.minutes


def end_missed(*, at: datetime) -> int:
    """End what nobody ever opened, as not delivered; return how many events that were."""
    length = F("minutes") * Value(timedelta(minutes=1))
    missed = Event.objects.filter(
        status=Event.Status.PUBLISHED, starts_at__lt=Value(at - MISSED_AFTER) - length
    )
    return retries.work(
        missed, partial(_end_missed, at=at), at=at, at_once=AT_ONCE, give_up=partial(_cannot_end, at=at)
    )


def _cannot_end(event: Event, error: Exception, *, at: datetime) -> None:
    cases.report(
        kind=Case.Kind.OTHER,
        cause=f"event-{event.pk}-missed",
        what=_(
            "Nobody ever opened “%(title)s”, and it could not be ended, however often it was tried: its "
            "buyers wait for their money. The last error: %(error)s"
        )
        % {"title": event.title, "error": str(error)[:300] or type(error).__name__},
        subject=event,
        at=at,
    )


def _end_missed(event: Event, *, at: datetime) -> None:
    with suppress(WrongState), transaction.atomic():  # the host may have come after all
        end(event=event, at=at)
        set_delivery(event=event, delivery=Event.Delivery.NOT_DELIVERED, at=at)
    retries.rest(event, until=None)


def set_delivery(*, event: Event, delivery: Event.Delivery, at: datetime) -> bool:
    """Write down whether the evening took place, once; False if that was known before.

    If it did not, all are told, and what was paid goes back by itself after two days: ticketing/missed.py.
    """
    unknown = Event.objects.filter(pk=event.pk, delivery=Event.Delivery.UNKNOWN)
    bought = Order.objects.filter(event=event, status=Order.Status.PAID, total_minor__gt=0)
    is_missed = delivery == Event.Delivery.NOT_DELIVERED
    refund_by = at + REFUND_AFTER if is_missed and bought.exists() else None
    is_news = bool(unknown.update(delivery=delivery, refund_by=refund_by))
    if is_news:
        event.delivery, event.refund_by = delivery, refund_by
        audit.record(actor=None, verb=f"event-{delivery}", subject=event, at=at)
    return is_news


def release_money(*, event: Event, at: datetime) -> None:
    """Make all that was paid for this event available to the creator. Again and again does no harm.

    Raise MoneyGoesBack.
    """
    while release_piece(event=event, at=at):
        pass


@transaction.atomic
def release_piece(*, event: Event, at: datetime) -> bool:
    """Release a piece of what was paid for this event; return whether more may be left. One transaction.

    Raise MoneyGoesBack. The event's lock keeps two workers from the same piece, and its money from going back
    meanwhile.
    """
    locked = Event.objects.select_for_update(of=("self",), no_key=True).get(pk=event.pk)
    if locked.refunding_since is not None:
        raise MoneyGoesBack
    paid = Charge.objects.filter(
        order__event=event, order__status=Order.Status.PAID, status=Charge.Status.PAID, released_at=None
    )
    piece = list(paid.order_by("pk").values_list("pk", flat=True)[:CHARGES_A_PIECE])
    if piece:
        releases.release_many(charges=Charge.objects.filter(pk__in=piece), at=at)
    if len(piece) == CHARGES_A_PIECE:
        return True
    Event.objects.filter(pk=event.pk, money_released_at=None).update(money_released_at=at)
    return False
