"""Which media process carries which room. Kept in Redis beside their heartbeats; lost, it is chosen anew."""

import json
import time
from typing import Any, Final, cast

from django.conf import settings
from redis import Redis

PROCESSES: Final = "media:processes"
DEAD_AFTER_SECONDS: Final = 10
HOME_SECONDS: Final = 24 * 3600

# Moves a room only if it still is where the caller saw it: of two that choose at once, one wins.
_MOVE: Final = """
local now = redis.call('GET', KEYS[1])
if (now or '') == ARGV[1] then
  redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3])
  return ARGV[2]
end
return now
"""


class NoMediaProcess(Exception):
    """No media process is alive, so nobody can hear or speak right now."""


def connection() -> "Redis":
    return Redis.from_url(settings.REDIS_URL, decode_responses=True, socket_timeout=5)


def home_of(room_id: str) -> str | None:
    """Return the media process that carries the room, or None if none does or it has died."""
    with connection() as redis:
        name = cast("str | None", redis.get(f"media:home:{room_id}"))
        return name if name in _alive(redis) else None


def choose(room_id: str) -> str:
    """Return the media process that carries the room, or give it the least busy one. Raise NoMediaProcess."""
    with connection() as redis:
        alive = _alive(redis)
        key = f"media:home:{room_id}"
        name = cast("str | None", redis.get(key))
        if name is not None and name in alive:
            return name
        if not alive:
            raise NoMediaProcess("No media process has been heard of in the last ten seconds.")
        best = min(alive, key=lambda one: (alive[one], one))
        return str(redis.eval(_MOVE, 1, key, name or "", best, str(HOME_SECONDS)))


def forget(room_id: str) -> None:
    with connection() as redis:
        redis.delete(f"media:home:{room_id}")


def _alive(redis: "Redis") -> dict[str, int]:
    """Return the living processes and how many listeners each has."""
    told = cast("dict[str, Any]", redis.hgetall(PROCESSES))
    states = {name: json.loads(state) for name, state in told.items()}
    oldest = time.time() - DEAD_AFTER_SECONDS
    return {name: int(state["listeners"]) for name, state in states.items() if state["at"] >= oldest}
