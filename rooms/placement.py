"""Which mixer carries which room, and which edge takes a listener. Kept in Redis; lost, it is chosen anew."""

import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

from django.conf import settings
from redis import Redis

from rooms.media import register
from rooms.media.register import State

HOME_SECONDS: Final = 24 * 3600

# Moves a room only if it still is where the caller saw it: of two that choose at once, one wins.
# Returns where the room is now, and whether this moved it there.
_MOVE: Final = """
local now = redis.call('GET', KEYS[1]) or ''
if now == ARGV[1] then
  redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3])
  return {ARGV[2], 1}
end
return {now, 0}
"""


class NoMediaProcess(Exception):
    """No process of the kind that is needed takes anybody, so nobody can hear or speak right now."""


@dataclass(frozen=True)
class Places:
    """Where calls about some rooms go. Draining processes count: what they hold can still be taken away."""

    homes: Mapping[str, str]  # room -> the living mixer that carries it
    edges: Collection[str]
    mixers: Collection[str] = ()


def connection() -> "Redis":
    return Redis.from_url(settings.REDIS_URL, decode_responses=True, socket_timeout=5)


def home_of(room_id: str) -> str | None:
    """Return the mixer that carries the room, or None if none does or it has died."""
    return places([room_id]).homes.get(room_id)


def edges() -> list[str]:
    """Return every edge that lives, draining or not."""
    with connection() as redis:
        return sorted(register.alive(_told(redis, register.EDGES), at=time.time()))


def places(rooms: Iterable[str]) -> Places:
    """Return where these rooms are carried, and every living edge. One round trip, however many rooms."""
    rooms = list(rooms)
    with connection() as redis:
        asking = redis.pipeline(transaction=False)
        asking.hgetall(register.MIXERS)
        asking.hgetall(register.EDGES)
        if rooms:
            asking.mget([register.home_key(room) for room in rooms])
        mixers, edges, *names = asking.execute()
    at = time.time()
    living = register.alive(mixers, at=at)
    homes = dict(zip(rooms, names[0] if names else [], strict=True))
    return Places(
        homes={room: name for room, name in homes.items() if name in living},
        edges=sorted(register.alive(edges, at=at)),
        mixers=sorted(living),
    )


def lives(name: str) -> bool:
    """Say whether this process, mixer or edge, has been heard of lately."""
    with connection() as redis:
        told = {**_told(redis, register.MIXERS), **_told(redis, register.EDGES)}
    return name in register.alive(told, at=time.time())


def choose_edge(*, avoid: Collection[str] = ()) -> str:
    """Return the edge with most room left. Raise NoMediaProcess when there is none beside those to avoid."""
    with connection() as redis:
        welcoming = register.welcoming(_told(redis, register.EDGES), at=time.time())
    welcoming = {name: state for name, state in welcoming.items() if name not in avoid}
    if not welcoming:
        raise NoMediaProcess("No edge takes listeners at the moment.")
    return min(welcoming, key=lambda name: (_fullness(welcoming[name]), name))


def choose_home(room_id: str) -> str:
    """Return the mixer that carries the room, or give it the least busy one. Raise NoMediaProcess."""
    with connection() as redis:
        welcoming = register.welcoming(_told(redis, register.MIXERS), at=time.time())
        key = register.home_key(room_id)
        name = cast("str | None", redis.get(key))
        if name is not None and name in welcoming:
            return name
        if not welcoming:
            raise NoMediaProcess("No mixer takes rooms at the moment.")
        best = _least_busy(welcoming)
        now, _moved = cast("tuple[str, int]", redis.eval(_MOVE, 1, key, name or "", best, str(HOME_SECONDS)))
        return now or best


def rehome(room_id: str) -> bool:
    """Move the room off a mixer that has died or drains. Say whether this call did; nobody else has, then."""
    return bool(rehome_all([room_id]))


def rehome_all(rooms: Iterable[str], *, homeless: bool = False) -> list[str]:
    """Move those of these rooms whose mixer has died or drains to living ones; return those that moved.

    With `homeless`, also give a home to those that have none. Two round trips, however many rooms. A room
    that somebody else moves at the same time is theirs, and not returned. Without a mixer nothing moves.
    """
    rooms = list(rooms)
    if not rooms:
        return []
    with connection() as redis:
        asking = redis.pipeline(transaction=False)
        asking.hgetall(register.MIXERS)
        asking.mget([register.home_key(room) for room in rooms])
        mixers, names = asking.execute()
        welcoming = register.welcoming(mixers, at=time.time())
        lost = {
            room: name or ""
            for room, name in zip(rooms, names, strict=True)
            if name not in welcoming and (homeless or name is not None)
        }
        if not lost or not welcoming:
            return []
        chosen = _spread(lost, welcoming)
        moving = redis.pipeline(transaction=False)
        for room, name in lost.items():
            moving.eval(_MOVE, 1, register.home_key(room), name, chosen[room], str(HOME_SECONDS))
        won = moving.execute()
    return [room for room, (_now, moved) in zip(lost, won, strict=True) if moved]


def _told(redis: "Redis", kind: str) -> dict[str, str]:
    return cast("dict[str, str]", redis.hgetall(kind))


def _fullness(edge: State) -> float:
    return float(edge["listeners"]) / max(1, int(edge["most"]))


def _business(mixer: State) -> int:
    """Return how busy a mixer is: a speaker is decoded and mixed, a room is mixed and encoded."""
    return int(mixer["speakers"]) + int(mixer["rooms"])


def _least_busy(mixers: Mapping[str, State]) -> str:
    return min(mixers, key=lambda name: (_business(mixers[name]), name))


def _spread(rooms: Iterable[str], mixers: Mapping[str, State]) -> dict[str, str]:
    """Choose a mixer for each room, counting those chosen: heartbeats tell of them too late."""
    business: dict[str, Any] = {name: _business(state) for name, state in mixers.items()}
    chosen: dict[str, str] = {}
    for room in rooms:
        chosen[room] = min(business, key=lambda name: (business[name], name))
        business[chosen[room]] += 1
    return chosen
