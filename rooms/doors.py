"""Opening and closing a room, and what happens when its hosts stay away."""

from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

import structlog
from django.db import transaction
from django.db.models import F, Q, Value

from accounts.afterwards import once_committed
from payments.states import WrongState, move
from rooms import admission, callboard, delivery, media_calls, one_by_one
from rooms.admission import raise_seq
from rooms.models import Room, Seat
from rooms.stage import NotAllowed, NotSeated
from ticketing import letters, missed, programme
from ticketing.models import Event

EARLIEST = timedelta(
    hours=2
)  # before the start: what is heard before that would not be the evening people paid for
HOST_GRACE = timedelta(seconds=60)
HOST_GIVEN_UP = timedelta(minutes=15)
MOST_AT_ONCE = 100
OVER = (Event.Status.ENDED, Event.Status.CANCELLED)

log = structlog.get_logger(__name__)


class TooEarly(Exception):
    """Doors open at most two hours before the start."""


class DoorsHaveMoved(Exception):
    """The room is open or closed already."""


def open_doors(*, by: Seat, at: datetime) -> None:
    """Let ticket-holders in; the event is live. Raise NotAllowed, NotSeated, TooEarly or DoorsHaveMoved."""
    with transaction.atomic():
        room = _as_host(by)
        if at < room.event.starts_at - EARLIEST:
            raise TooEarly("Doors open at most two hours before the start.")
        try:
            move(room, Room.Status.OPEN, opened_at=at, shut_again_at=None)
        except WrongState as moved:
            raise DoorsHaveMoved("The room is open or closed already.") from moved
        programme.go_live(event=room.event, at=at)
        raise_seq(room)
        callboard.announce(room.pk)


def close_room(*, by: Seat, at: datetime) -> None:
    """End the evening for everybody. Raise NotAllowed, NotSeated or DoorsHaveMoved."""
    with transaction.atomic():
        room = _as_host(by)
        if room.status == Room.Status.SHUT:
            raise DoorsHaveMoved("The doors have not been opened.")
        _close(room, at=at)


def close_forgotten(*, at: datetime) -> int:
    """Shut or close what nobody shut. Return how many rooms.

    Rooms of events that are over, and rooms left by every host after the planned end, are closed. Before that
    end the doors only shut again, so that a host who comes back can open them.
    """
    return one_by_one.each(_forgotten(at), partial(_put_away, at=at))


def close_when_over(*, event: UUID, at: datetime) -> None:
    """Close the room of an event that has ended or was cancelled. Registered with ticketing's programme."""
    for room in Room.objects.filter(event=event).exclude(status=Room.Status.CLOSED):
        _put_away(room.pk, at=at)


@transaction.atomic
def _put_away(room_id: str, *, at: datetime) -> None:
    locked = Room.objects.select_for_update(of=("self",), no_key=True)
    room = locked.select_related("event__club").get(pk=room_id)
    if _is_over(room, at):
        _close(room, at=at)
    elif _is_left(room, at):
        _shut_again(room, at=at)


def watch_hosts(*, at: datetime) -> None:
    """Note where no host is, and after a minute pass the role to the moderator who has been here longest."""
    here = Seat.objects.filter(role=Seat.Role.HOST, status=Seat.Status.PRESENT).values("room_id")
    live = Room.objects.filter(status=Room.Status.OPEN)
    left = live.filter(host_gone_at=None).exclude(pk__in=here)
    one_by_one.each(left.values_list("pk", flat=True), partial(_set_host_gone, since=at))
    back = live.filter(host_gone_at__isnull=False, pk__in=here)
    one_by_one.each(back.values_list("pk", flat=True), partial(_set_host_gone, since=None))
    long_gone = live.filter(host_gone_at__lt=at - HOST_GRACE).exclude(pk__in=here)
    one_by_one.each(long_gone.values_list("pk", flat=True), _pass_role_on)


def _as_host(by: Seat) -> Room:
    room = (
        Room.objects.select_for_update(of=("self",), no_key=True)
        .select_related("event__club")
        .get(pk=by.room_id)
    )
    now = room.seats.seated().select_related("user", "room__event__club").filter(pk=by.pk).first()
    if now is None or not admission.stands(now):
        raise NotSeated("This seat has gone.")
    if now.role != Seat.Role.HOST or admission.due_role(now) != Seat.Role.HOST:
        raise NotAllowed("Only a host opens and closes the room.")
    return room


def _close(room: Room, *, at: datetime) -> None:
    """Close, judge, and forget: seats, grants and bans go; delivery facts stay. The caller holds the lock."""
    delivery.note_doors(room=room, at=at)
    try:
        move(room, Room.Status.CLOSED, closed_at=at, host_gone_at=None)
    except WrongState as moved:
        raise DoorsHaveMoved("The room is closed already.") from moved
    if room.event.status != Event.Status.CANCELLED:
        if room.event.status != Event.Status.ENDED:
            programme.end(event=room.event, at=at)
        delivery.settle(room=room, at=at)
    room.seats.all().delete()
    room.bans.all().delete()
    raise_seq(room)
    callboard.end_room(room.pk)
    once_committed(media_calls.close, rooms=[room.pk])
    log.info("room_closed", delivery=room.event.delivery)


def _shut_again(room: Room, *, at: datetime) -> None:
    """Shut the doors of a room without a host: listeners wait outside, the hosts are written to."""
    delivery.note_doors(room=room, at=at)
    move(room, Room.Status.SHUT, opened_at=None, host_gone_at=None, shut_again_at=at)
    programme.off_air(event=room.event)
    listeners = room.seats.seated().filter(role=Seat.Role.LISTENER).values_list("pk", flat=True)
    admission.revoke(seats=list(listeners), reason=admission.Reason.SHUT, at=at)
    for host in missed.hosts(room.event.club):
        letters.doors_shut_again(event=room.event, to=host, at=at)
    room.refresh_from_db(fields=["seq"])
    raise_seq(room)
    callboard.announce(room.pk)
    log.info("doors_shut_again")


def _forgotten(at: datetime) -> list[str]:
    """Return rooms that seem to have to be closed or shut. Which, is decided under the lock."""
    length = F("event__minutes") * Value(timedelta(minutes=1))
    left = Q(status=Room.Status.OPEN, host_gone_at__lt=at - HOST_GIVEN_UP)
    shut_for_good = Q(
        status=Room.Status.SHUT, shut_again_at__isnull=False, event__starts_at__lte=Value(at) - length
    )
    unfinished = Room.objects.exclude(status=Room.Status.CLOSED)
    found = unfinished.filter(left | shut_for_good | Q(event__status__in=OVER))
    return list(found.order_by("pk").values_list("pk", flat=True)[:MOST_AT_ONCE])


def _is_over(room: Room, at: datetime) -> bool:
    if room.status == Room.Status.CLOSED:
        return False
    has_no_host = room.shut_again_at is not None if room.status == Room.Status.SHUT else _is_left(room, at)
    return room.event.status in OVER or (has_no_host and at >= room.event.ends_at)


def _is_left(room: Room, at: datetime) -> bool:
    gone_for_good = room.host_gone_at is not None and room.host_gone_at < at - HOST_GIVEN_UP
    return room.status == Room.Status.OPEN and gone_for_good


def _set_host_gone(room_id: str, *, since: datetime | None) -> None:
    with transaction.atomic():
        room = Room.objects.select_for_update(of=("self",), no_key=True).get(pk=room_id)
        if (room.host_gone_at is None) == (since is None):
            return
        room.host_gone_at = since
        room.save(update_fields=["host_gone_at"])
        raise_seq(room)
        callboard.announce(room.pk)


def _pass_role_on(room_id: str) -> None:
    with transaction.atomic():
        room = Room.objects.select_for_update(of=("self",), no_key=True).get(pk=room_id)
        deputies = room.seats.filter(role=Seat.Role.MODERATOR, status=Seat.Status.PRESENT)
        deputy = deputies.order_by("taken_at", "pk").first()
        if deputy is None:
            return  # the room waits for a host, and closes by itself if none comes
        Seat.objects.filter(pk=deputy.pk).update(role=Seat.Role.HOST, is_deputy=True)
        Room.objects.filter(pk=room.pk).update(host_gone_at=None)
        raise_seq(room)
        callboard.announce(room.pk, touched=[deputy.pk])
