"""What Redis holds of a live room for those who come later. It goes with the room; lost, it is told anew."""

import json
from collections.abc import Sequence
from typing import Final, NamedTuple, cast

from rooms import placement
from rooms.media import register

SPEAKING_SECONDS: Final = 600  # a talk without a pause is told of only where it begins
SESSION_SECONDS: Final = 24 * 3600
MOST_AT_ONCE: Final = 1_000  # keys in one command

# Only of a room that has a home: what a mixer told last may come when the room has been closed.
_NOTE_SPEAKING: Final = """
if redis.call('EXISTS', KEYS[1]) == 1 then
  redis.call('SET', KEYS[2], ARGV[1], 'EX', ARGV[2])
end
return 0
"""


class Held(NamedTuple):
    """Where a media session is."""

    room: str
    process: str


def note_speaking(room_id: str, seats: Sequence[str]) -> None:
    """Remember who speaks, for those who come in before that changes. Losing it costs a ring for a moment."""
    with placement.connection() as redis:
        keys = (register.home_key(room_id), _speaking(room_id))
        redis.eval(_NOTE_SPEAKING, len(keys), *keys, json.dumps(list(seats)), str(SPEAKING_SECONDS))


def speaking(room_id: str) -> list[str]:
    with placement.connection() as redis:
        told = cast("str | None", redis.get(_speaking(room_id)))
    return list(json.loads(told)) if told is not None else []


def note_session(session: str, *, room_id: str, process: str) -> None:
    """Remember where a session is, so that its owner can end it. Look afterwards if the room still lives."""
    with placement.connection() as redis:
        noting = redis.pipeline()
        noting.set(_session(session), json.dumps([room_id, process]), ex=SESSION_SECONDS)
        noting.sadd(_sessions(room_id), session)
        noting.expire(_sessions(room_id), SESSION_SECONDS)
        noting.execute()


def session(session: str) -> Held | None:
    """Return where the session is, or None if it is not known (any more)."""
    with placement.connection() as redis:
        told = cast("str | None", redis.get(_session(session)))
    return Held(*json.loads(told)) if told is not None else None


def forget_session(session: str, *, room_id: str) -> None:
    with placement.connection() as redis:
        forgetting = redis.pipeline()
        forgetting.delete(_session(session))
        forgetting.srem(_sessions(room_id), session)
        forgetting.execute()


def forget(room_id: str) -> None:
    """Forget the room: its home, who spoke, and which sessions it had."""
    with placement.connection() as redis:
        redis.delete(register.home_key(room_id), _speaking(room_id))
        while ids := cast("list[str]", redis.spop(_sessions(room_id), MOST_AT_ONCE)):
            redis.delete(*map(_session, ids))


def _speaking(room_id: str) -> str:
    return f"speaking:{room_id}"


def _session(session: str) -> str:
    return f"media-session:{session}"


def _sessions(room_id: str) -> str:
    return f"media-sessions:{room_id}"
