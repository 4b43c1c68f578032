"""Did the evening take place? Seconds are counted while the room is live; the verdict falls when it closes.

An event is delivered if its stage was heard for ten minutes, or for a fifth of the length that was sold if
that is less. A second counts from the start that was sold, while the doors are open and somebody unmuted on
stage is above silence; and while somebody with a ticket hears it, or could have for five minutes and did not
come. The stage belongs to the hosts: whoever is unmuted there was asked by one, so a guest's music counts.
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Exists, OuterRef, Q
from django.utils.translation import gettext as _

from core import retries
from payments import cases
from payments.models import Case
from rooms.models import DeliveryFact, Room
from ticketing import programme
from ticketing.models import Event

ENOUGH_SECONDS = 10 * 60
ENOUGH_PART = 5  # one fifth of the length that was sold
HEARD_LATELY_SECONDS = (
    20  # edges tell every five seconds who hears, mixers who is heard, each at its own time
)
TIME_TO_COME_SECONDS = 5 * 60
MOST_AT_ONCE = 100
RELEASE_PATIENCE = retries.Patience(
    pauses=(timedelta(minutes=2), timedelta(minutes=30), timedelta(hours=3)), most=30
)

# Seconds never exceed the time that passed, so a message told twice, or by two stagehands, counts once.
_ADD = """
INSERT INTO rooms_deliveryfact (event_id, kind, ticket_id, seconds, first_at, last_at)
SELECT told.event_id, told.kind, told.ticket_id, told.seconds, %(at)s, %(at)s
  FROM ({told}) AS told
 WHERE told.seconds > 0
ON CONFLICT (event_id, kind, ticket_id) DO UPDATE
   SET seconds = rooms_deliveryfact.seconds + GREATEST(0, LEAST(
           EXCLUDED.seconds, ROUND(EXTRACT(EPOCH FROM EXCLUDED.last_at - rooms_deliveryfact.last_at))::int)),
       last_at = GREATEST(rooms_deliveryfact.last_at, EXCLUDED.last_at)
"""

_HEARING = """
SELECT DISTINCT room.event_id, 'ticket' AS kind, seat.ticket_id, %(seconds)s AS seconds
  FROM rooms_seat AS seat JOIN rooms_room AS room ON room.id = seat.room_id
 WHERE seat.room_id = %(room)s AND room.status = 'open' AND seat.ticket_id IS NOT NULL
   AND seat.id = ANY(%(seats)s)
"""

_HEARD = """
SELECT DISTINCT room.event_id, 'host' AS kind, NULL::uuid AS ticket_id,
       LEAST(%(seconds)s, FLOOR(EXTRACT(EPOCH FROM %(at)s - event.starts_at)))::int AS seconds
  FROM rooms_seat AS seat
  JOIN rooms_room AS room ON room.id = seat.room_id
  JOIN ticketing_event AS event ON event.id = room.event_id
 WHERE seat.room_id = %(room)s AND room.status = 'open' AND seat.stage = 'on' AND NOT seat.muted
   AND seat.id = ANY(%(seats)s)
   AND (%(at)s - make_interval(secs => %(time_to_come)s) >= GREATEST(room.opened_at, event.starts_at)
        OR EXISTS (SELECT FROM rooms_deliveryfact AS fact
                    WHERE fact.event_id = event.id AND fact.kind = 'ticket'
                      AND fact.last_at >= %(at)s - make_interval(secs => %(lately)s)))
"""


def heard(
    *, room_id: str, hearing: Collection[str], audible: Collection[str], seconds: float, at: datetime
) -> None:
    """Count seconds in which these seats heard the room, and sound of these was above silence in it.

    Several processes tell of one room: each edge of its own listeners, the mixer of the stage.
    """
    values: dict[str, Any] = {
        "room": room_id,
        "seconds": round(seconds),
        "at": at,
        "lately": HEARD_LATELY_SECONDS,
        "time_to_come": TIME_TO_COME_SECONDS,
    }
    with connection.cursor() as cursor:
        if hearing:
            cursor.execute(_ADD.format(told=_HEARING), {**values, "seats": list(hearing)})
        if audible:
            cursor.execute(_ADD.format(told=_HEARD), {**values, "seats": list(audible)})


def note_doors(*, room: Room, at: datetime) -> None:
    """Add the seconds that the doors were open, now that they shut."""
    if room.opened_at is None or room.status != Room.Status.OPEN:
        return
    seconds = max(0, round((at - room.opened_at).total_seconds()))
    fact, is_new = DeliveryFact.objects.get_or_create(
        event=room.event,
        kind=DeliveryFact.Kind.DOORS,
        ticket=None,
        defaults={"seconds": seconds, "first_at": room.opened_at, "last_at": at},
    )
    if not is_new:
        fact.seconds, fact.last_at = fact.seconds + seconds, at
        fact.save(update_fields=["seconds", "last_at"])


def settle(*, room: Room, at: datetime) -> Event.Delivery:
    """Say whether the event took place, now that its room has closed; write it down and return it."""
    verdict = Event.Delivery.DELIVERED if is_enough(room.event) else Event.Delivery.NOT_DELIVERED
    programme.set_delivery(event=room.event, delivery=verdict, at=at)
    return verdict


def is_enough(event: Event) -> bool:
    """Say whether what was heard until now makes the evening one that took place."""
    start, minutes = programme.promise(event)
    too_early = round(
        (start - event.starts_at).total_seconds()
    )  # counted, and before the start that was sold
    return stage_seconds(event) - too_early >= enough(minutes)


def enough(minutes: int) -> int:
    """Return for how many seconds the stage of an evening of this length must be heard."""
    return min(ENOUGH_SECONDS, minutes * 60 // ENOUGH_PART)


def stage_seconds(event: Event) -> int:
    fact = DeliveryFact.objects.filter(event=event, kind=DeliveryFact.Kind.HOST).first()
    return 0 if fact is None else fact.seconds


def release_due(*, at: datetime) -> int:
    """Release a piece of the money of each event that took place, once the holding days are over.

    Return of how many events; zero: nothing is left to release just now. One worker an event.
    """
    due = Event.objects.filter(
        status=Event.Status.ENDED,
        delivery=Event.Delivery.DELIVERED,
        money_released_at=None,
        refunding_since=None,
        ended_at__lte=at - timedelta(days=settings.HOLDING_DAYS),
    )
    return retries.work(
        due,
        partial(_release_piece, at=at),
        at=at,
        at_once=MOST_AT_ONCE,
        patience=RELEASE_PATIENCE,
        give_up=partial(_cannot_release, at=at),
    )


def _cannot_release(event: Event, error: Exception, *, at: datetime) -> None:
    cases.report(
        kind=Case.Kind.RELEASE,
        cause=f"event-{event.pk}-release",
        what=_(
            "The money of “%(title)s” could not be made available to its creator, however often it was "
            "tried. The last error: %(error)s"
        )
        % {"title": event.title, "error": str(error)[:300] or type(error).__name__},
        subject=event,
        at=at,
    )


def forget_who_heard(*, at: datetime) -> int:
    """Make one fact of those of an event's tickets, once its money is settled; return of how many events.

    Until then they prove to a reviewer, or to a bank, that somebody heard what they paid for.
    """
    del at  # what is settled stays so
    is_settled = Q(money_released_at__isnull=False) | Q(refunding_done_at__isnull=False)
    by_ticket = DeliveryFact.objects.filter(event=OuterRef("pk"), kind=DeliveryFact.Kind.TICKET)
    events = list(Event.objects.filter(is_settled, Exists(by_ticket)).order_by("pk")[:MOST_AT_ONCE])
    for event in events:
        _forget_tickets(event)
    return len(events)


@transaction.atomic
def _forget_tickets(event: Event) -> None:
    facts = list(DeliveryFact.objects.filter(event=event, kind=DeliveryFact.Kind.TICKET))
    gone, _kinds = DeliveryFact.objects.filter(pk__in=[fact.pk for fact in facts]).delete()
    if gone != len(facts):  # another worker adds some of them up
        transaction.set_rollback(True)
        return
    total, is_new = DeliveryFact.objects.get_or_create(
        event=event,
        kind=DeliveryFact.Kind.TICKETS,
        ticket=None,
        defaults={
            "tickets": gone,
            "seconds": sum(fact.seconds for fact in facts),
            "first_at": min(fact.first_at for fact in facts),
            "last_at": max(fact.last_at for fact in facts),
        },
    )
    if not is_new:
        total.tickets += gone
        total.seconds += sum(fact.seconds for fact in facts)
        total.save(update_fields=["tickets", "seconds"])


def _release_piece(event: Event, *, at: datetime) -> None:
    try:
        is_more_left = programme.release_piece(event=event, at=at)
    except programme.MoneyGoesBack:
        is_more_left = False  # since a moment ago: from here on it is another work
    retries.rest(event, until=at if is_more_left else None)
