"""What the sockets are told. The layer may lose a message, so each says the whole state.

A room's group gets what everybody sees; a seat's own group gets what is about that seat alone.
"""

import asyncio
from collections.abc import Collection, Iterable
from typing import Any

import structlog
from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from django.utils.translation import gettext as _
from redis.exceptions import RedisError

from accounts.afterwards import once_committed
from rooms import remembered
from rooms.models import Room, Seat
from rooms.protocol import MOST_HANDS_SHOWN, Close, Half, Hand, Person, SoundSetting, View, You

MOST_WITHIN_SECONDS = 60.0
TOLD_AT_ONCE = 50  # seats, when an edge asks all its listeners to move

log = structlog.get_logger(__name__)

WORDS = {
    Close.BAD_GRANT: lambda: _("This page has lost its place. Reload it to come back in."),
    Close.REMOVED: lambda: _("A moderator has removed you from this room. You cannot come back tonight."),
    Close.ROOM_CLOSED: lambda: _("The room is closed. Thank you for coming."),
    Close.TICKET_GONE: lambda: _("Your ticket is no longer valid, so you cannot stay in this room."),
    Close.TAKEN_OVER: lambda: _("You are now in this room from another page."),
    Close.ASK_AGAIN: lambda: _("Your place in this room has changed. The door is being asked again."),
    Close.FULL: lambda: _("The room is full. Try again in a few minutes."),
    Close.SERVER_MOVING: lambda: _("The server is moving. You will be reconnected."),
    Close.TOO_MUCH: lambda: _("This page sent more than the room can take. Reload it to come back in."),
}


def room_group(room_id: str) -> str:
    return f"room.{room_id}"


def seat_group(seat_id: str) -> str:
    return f"seat.{seat_id}"


def view(room: Room) -> View:
    """Return the room as those who moderate see it: hands with names. Costs two queries, hostless three.

    The caller read `room.seq` before: what is read here is at least as new, so a later event never goes back.
    """
    seats = list(
        room.seats.seated()
        .exclude(stage=Seat.Stage.OFF)
        .select_related("user")
        .order_by("hand_at", "taken_at")
    )
    stage = [seat for seat in seats if seat.is_on_stage]
    asking = [seat for seat in seats if not seat.is_on_stage]
    is_hostless = room.host_gone_at is not None
    waits = is_hostless and room.seats.seated().filter(role=Seat.Role.HOST).exists()
    return View(
        status=room.status,
        audience=room.seats.audience().count(),
        host_gone=is_hostless,
        host_left=is_hostless and not waits,
        hands_up=len(asking),
        stage=[_person(seat) for seat in sorted(stage, key=lambda seat: -seat.rank)],
        hands=[_hand(seat) for seat in asking[:MOST_HANDS_SHOWN]],
        sound=SoundSetting(music=room.music, frame_ms=room.frame_ms),
    )


def silence(rooms: Iterable[str]) -> None:
    """Put out the rings of those who spoke in these rooms: their mixer has gone, the next tells anew."""
    for room_id in rooms:
        remembered.note_speaking(room_id, [])
        _send(room_group(room_id), {"type": "room.speaking", "seats": []})


def you(seat: Seat) -> You:
    return You(seat=seat.pk, name=seat.user.shown_name, role=seat.role, stage=seat.stage, muted=seat.muted)


def for_eyes_of(seat: Seat, whole: View) -> View:
    """Return what this seat may see: who asks is for hosts and moderators, how the room sounds for hosts."""
    hands = whole.hands if seat.moderates else None
    sound = whole.sound if seat.role == Seat.Role.HOST else None
    return whole.model_copy(update={"hands": hands, "sound": sound})


def announce(room_id: str, *, touched: Collection[str] = ()) -> None:
    """Tell everybody in the room how it stands, on commit; `touched` seats look themselves up."""
    once_committed(_announce, room_id, list(touched))


def end_seat(seat_id: str, *, upto: int, code: Close) -> None:
    """Close the seat's sockets up to this connection, on commit. Later ones are not meant."""
    message = {"type": "seat.over", "upto": upto, "code": int(code)}
    once_committed(_send, seat_group(seat_id), message)


def end_room(room_id: str) -> None:
    """Close every socket of the room for good, on commit."""
    message = {"type": "room.over", "code": int(Close.ROOM_CLOSED)}
    once_committed(_send, room_group(room_id), message)


def sound_again(seats: Collection[str], *, again: Half, within: float) -> None:
    """Ask these seats' pages to connect that half of their sound anew, each at a moment of its own."""
    async_to_sync(ask_sound_again)(seats, again=again, within=within)


async def ask_sound_again(seats: Collection[str], *, again: Half, within: float) -> None:
    """Do so, one message for each seat.

    A message to the room's group with the seats in it would be read by each of its sockets, whoever is meant.
    """
    message = {"type": "seat.sound", "again": again, "within": min(max(within, 0.0), MOST_WITHIN_SECONDS)}
    layer = get_channel_layer()
    meant = list(seats)
    for start in range(0, len(meant), TOLD_AT_ONCE):
        groups = [seat_group(seat) for seat in meant[start : start + TOLD_AT_ONCE]]
        told = [layer.group_send(group, message) for group in groups]
        for problem in await asyncio.gather(*told, return_exceptions=True):
            if isinstance(problem, RedisError | OSError):
                log.warning("seat_not_told", message=message["type"], problem=type(problem).__name__)
            elif problem is not None:
                raise problem


def _announce(room_id: str, touched: list[str]) -> None:
    room = Room.objects.filter(pk=room_id).first()
    if room is None:
        return
    message = {"type": "room.changed", "seq": room.seq, "view": view(room).model_dump(), "touched": touched}
    _send(room_group(room_id), message)


def _send(group: str, message: dict[str, Any]) -> None:
    try:
        async_to_sync(get_channel_layer().group_send)(group, message)
    except (RedisError, OSError) as problem:
        log.warning("room_not_told", message=message["type"], problem=type(problem).__name__)


def _person(seat: Seat) -> Person:
    return Person(
        seat=seat.pk,
        name=seat.user.shown_name,
        handle=seat.user.handle,
        role=seat.role,
        muted=seat.muted,
        away=seat.status == Seat.Status.AWAY,
    )


def _hand(seat: Seat) -> Hand:
    return Hand(
        seat=seat.pk,
        name=seat.user.shown_name,
        handle=seat.user.handle,
        stage="invited" if seat.stage == Seat.Stage.INVITED else "hand",
        since=seat.hand_at.isoformat() if seat.hand_at else "",
    )
