"""Rooms whose mixer has died or drains get another one, which is told all it must know.

Who wins the move tells the new home who is in the room and how it sounds, and asks those on stage to connect
their microphones anew. Edges find the new home by themselves.
"""

from collections.abc import Collection
from datetime import datetime
from typing import Final

import structlog
from django.db.models import QuerySet

from rooms import callboard, media_calls, placement
from rooms.media_calls import Roll, Sound, Standing
from rooms.models import Room, Seat
from rooms.models.room import FRAME_MS
from rooms.models.seat import SeatQuerySet

MOST_AT_ONCE: Final = 10_000  # rooms in one look; a speaker of any other finds the new home when they post
SPEAK_WITHIN_SECONDS: Final = 0.5

log = structlog.get_logger(__name__)


def carry(*, room_id: str, at: datetime) -> str:
    """Return the mixer that carries the room; a dead or draining one is replaced, with all that follows.

    Raise placement.NoMediaProcess.
    """
    if placement.rehome(room_id):
        _settle([room_id], at=at)
    return placement.choose_home(room_id)


def watch(*, at: datetime) -> int:
    """Move the rooms whose mixer has died or drains. Return how many moved.

    One query and two round trips to Redis while all is well, however many rooms.
    """
    live = Room.objects.exclude(status=Room.Status.CLOSED).order_by("pk").values_list("pk", flat=True)
    return _move(list(live[:MOST_AT_ONCE]), at=at)


def move(*, room_id: str, at: datetime) -> int:
    """Move one room, whose mixer has said that it is leaving. Return 0 if somebody else has moved it."""
    return _move([room_id], at=at)


def find_for_the_homeless(*, at: datetime) -> int:
    """Give a home to rooms where somebody is heard and that have none: Redis has forgotten it."""
    heard = Seat.objects.on_stage().filter(muted=False).order_by("room_id")
    return _move(
        list(heard.values_list("room_id", flat=True).distinct()[:MOST_AT_ONCE]), at=at, homeless=True
    )


def tell_census(*, at: datetime) -> None:
    """Tell the media processes who is in each live room. Whoever else is connected there is put out."""
    rolls = _rolls(Room.objects.filter(status=Room.Status.OPEN), Seat.objects.seated())
    media_calls.census(rolls, at=at)


def _move(rooms: Collection[str], *, at: datetime, homeless: bool = False) -> int:
    moved = placement.rehome_all(rooms, homeless=homeless)
    if moved:
        log.info("rooms_moved", rooms=len(moved))
        _settle(moved, at=at)
    return len(moved)


def _settle(rooms: Collection[str], *, at: datetime) -> None:
    rolls = _rolls(Room.objects.filter(pk__in=rooms), Seat.objects.seated().filter(room_id__in=rooms))
    media_calls.settle(rolls, at=at)
    callboard.silence(rolls)
    on_stage = [seat for roll in rolls.values() for seat, one in roll.seats.items() if one.stage]
    callboard.sound_again(on_stage, again="speak", within=SPEAK_WITHIN_SECONDS)


def _rolls(rooms: QuerySet[Room], seats: SeatQuerySet) -> dict[str, Roll]:
    """Return the roll of each of these rooms, and of each in which one of these seats is. Two queries."""
    sounds = {room.pk: Sound(frames=room.frames, music=room.music) for room in rooms}
    standings: dict[str, dict[str, Standing]] = {room_id: {} for room_id in sounds}
    told = seats.values_list("room_id", "pk", "epoch", "stage", "muted", "room__frame_ms", "room__music")
    for room_id, seat_id, epoch, stage, muted, frame_ms, music in told.iterator():
        sounds.setdefault(room_id, Sound(frames=frame_ms // FRAME_MS, music=music))
        on_stage = stage == Seat.Stage.ON
        standing = Standing(epoch=epoch, stage=on_stage, muted=muted)
        standings.setdefault(room_id, {})[seat_id] = standing
    return {room_id: Roll(seats=standings[room_id], sound=sound) for room_id, sound in sounds.items()}
