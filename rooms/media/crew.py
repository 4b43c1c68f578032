"""The media processes of one machine: as many as it was told, and a new one for each that ends.

A process gets a name of its own for each life, so that what is meant for the dead never reaches its heir.
"""

import asyncio
import contextlib
import secrets
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from rooms.media import register

FEWEST_PAIRS: Final = 2
MOST_PAIRS: Final = 64
RESTART_SECONDS: Final = (0.1, 0.5, 1.0, 2.0, 5.0)  # after the first death in a row, the second …
LONG_LIFE_SECONDS: Final = 60.0  # who lived so long has not died of what killed the one before
END_SECONDS: Final = 15.0

log = structlog.get_logger("rooms.media")


@dataclass(frozen=True)
class Member:
    """One place in the crew. `arguments` are the command line's, without the name."""

    role: str  # "mixer" or "edge"
    number: int
    arguments: tuple[str, ...]

    @property
    def register(self) -> str:
        return register.MIXERS if self.role == "mixer" else register.EDGES

    def new_name(self) -> str:
        return f"{self.role}-{self.number}-{secrets.token_hex(4)}"


def pairs_for(cores: int) -> int:
    """Return how many edges with their senders a machine of so many cores carries beside its mixers.

    A busy pair keeps one core full, most of it the sender's; mixers and everything else need one too. Never
    fewer than two, so that whose edge dies has somewhere to go at once.
    """
    return max(FEWEST_PAIRS, min(cores - 1, MOST_PAIRS))


async def serve(members: Sequence[Member], *, redis_url: str, stop: asyncio.Event) -> None:
    """Keep every member alive until `stop` is set; then let all of them end, within fifteen seconds."""
    async with Redis.from_url(redis_url, decode_responses=True, socket_timeout=5) as redis:
        await asyncio.gather(*(_keep_alive(member, redis, redis_url, stop) for member in members))


async def _keep_alive(member: Member, redis: "Redis", redis_url: str, stop: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    deaths = 0
    while not stop.is_set():
        name, born = member.new_name(), loop.time()
        code = await _live(member, name, redis_url, stop)
        if stop.is_set():
            return
        deaths = 1 if loop.time() - born > LONG_LIFE_SECONDS else deaths + 1
        log.warning("media_process_ended", name=name, code=code)
        await _strike_out(redis, member, name)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), RESTART_SECONDS[min(deaths, len(RESTART_SECONDS)) - 1])


async def _live(member: Member, name: str, redis_url: str, stop: asyncio.Event) -> int:
    """Run one life of `member`; return its exit code. It is asked to end when `stop` is set.

    It ends, too, when its standard input does: should the crew be killed, nobody stays behind.
    """
    command = [sys.executable, "-m", "rooms.media", member.role, "--redis-url", redis_url, "--name", name]
    process = await asyncio.create_subprocess_exec(
        *command, "--in-crew", *member.arguments, stdin=asyncio.subprocess.PIPE
    )
    ended, asked = asyncio.create_task(process.wait()), asyncio.create_task(stop.wait())
    await asyncio.wait([ended, asked], return_when=asyncio.FIRST_COMPLETED)
    asked.cancel()
    if not ended.done():
        process.send_signal(signal.SIGTERM)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(ended), END_SECONDS)
        if not ended.done():
            process.kill()
    return await ended


async def _strike_out(redis: "Redis", member: Member, name: str) -> None:
    """Take the dead off the register at once, so that nobody waits for its heartbeat to grow old."""
    with contextlib.suppress(RedisError, OSError):
        await redis.hdel(member.register, name)
