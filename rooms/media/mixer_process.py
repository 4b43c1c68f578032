"""A mixer as a process: a house of rooms, its clock, and its line to everybody else."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

import structlog
from redis.asyncio import Redis

from rooms.media import clock, line, memory, metrics, mixer_calls, mixer_metrics, register, session
from rooms.media.calls import Answer, Call
from rooms.media.house import House
from rooms.media.machine import Reach
from rooms.media.running import run_until, true_within
from rooms.media.tally import LateTicks

SPEAKING_SECONDS: Final = 0.2
PRESENCE_SECONDS: Final = 5.0
TIDY_SECONDS: Final = 2.0
TOGETHER_SECONDS: Final = 0.3  # so that those who end together know it of each other
DRAIN_SECONDS: Final = 6.0
GOODBYE_SECONDS: Final = 8.0
MOST_FAR_PACKETS: Final = 500  # waiting for Redis; the oldest go, for late sound is no sound

log = structlog.get_logger("rooms.media")


@dataclass(frozen=True)
class Settings:
    """What one mixer is told on its command line."""

    redis_url: str
    name: str
    reach: Reach
    metrics_port: int | None


async def serve(settings: Settings, *, stop: asyncio.Event) -> None:
    """Mix rooms until `stop` is set; then have them move to another mixer, if there is one, and return."""
    async with (
        Redis.from_url(settings.redis_url, decode_responses=True, socket_timeout=10) as redis,
        Redis.from_url(settings.redis_url, socket_timeout=10) as raw,
    ):
        await _MixerProcess(settings, redis, raw).run(stop)


class _MixerProcess:
    def __init__(self, settings: Settings, redis: "Redis", raw: "Redis") -> None:
        self._settings = settings
        self._redis = redis
        self._raw = raw
        self._far: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue(maxsize=MOST_FAR_PACKETS)
        self._line = line.Line(
            redis,
            name=settings.name,
            of=register.MIXERS,
            read=mixer_calls.read,
            carry_out=self._carry_out,
            state=self._state,
        )
        self._house = House(reach=settings.reach, tell=self._line.tell, publish=self._publish)
        self._late_ticks = LateTicks()

    async def run(self, stop: asyncio.Event) -> None:
        if self._settings.metrics_port is not None:
            metrics.serve(
                lambda: mixer_metrics.read(self._house, self._late_ticks), port=self._settings.metrics_port
            )
        memory.set_aside()
        log.info("mixer_ready", name=self._settings.name)
        parts = [
            clock.run(self._house.tick, late=self._late_ticks.note),
            *self._line.parts(),
            self._send_far(),
            self._tell_who_speaks(),
            self._presence(),
            self._tidy(),
        ]
        await run_until(stop, parts, finish=self._drain)

    async def _carry_out(self, call: Call[House], at: float) -> Answer:
        return await call.carry_out(self._house, at=at)

    def _state(self) -> Mapping[str, object]:
        return {
            "rooms": len(self._house.rooms),
            "speakers": self._house.speakers,
            "draining": self._house.draining,
        }

    def _publish(self, room: str, datagram: bytes) -> None:
        if self._far.full():
            self._far.get_nowait()
        self._far.put_nowait((room, datagram))

    async def _send_far(self) -> None:
        while True:
            room, datagram = await self._far.get()
            await self._line.or_later(partial(self._raw.publish, f"media:mix:{room}", datagram))

    async def _tell_who_speaks(self) -> None:
        while True:
            await asyncio.sleep(SPEAKING_SECONDS)
            self._house.tell_who_speaks()

    async def _presence(self) -> None:
        before = time.monotonic()
        while True:
            await asyncio.sleep(PRESENCE_SECONDS)
            now = time.monotonic()
            self._house.tell_presence(seconds=now - before)
            before = now

    async def _tidy(self) -> None:
        while True:
            await asyncio.sleep(TIDY_SECONDS)
            self._house.forget_idle(at=time.time())
            memory.give_back()

    async def _drain(self) -> None:
        """Stay while speakers leave: the stagehand sees that we drain, and gives our rooms another home."""
        self._house.draining = True
        await self._line.beat_now()
        await asyncio.sleep(TOGETHER_SECONDS)
        if await self._line.others():
            await true_within(lambda: not self._house.speakers, seconds=DRAIN_SECONDS)
        self._house.close()
        await session.all_hung_up()
        await self._line.say_goodbye(seconds=GOODBYE_SECONDS)
