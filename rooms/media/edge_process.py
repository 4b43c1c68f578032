"""An edge as a process: its listeners, its line to everybody else, and the rooms it is fed."""

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, cast

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from rooms.media import edge_calls, edge_metrics, line, memory, metrics, register
from rooms.media.audience import Audience
from rooms.media.calls import Answer, Call
from rooms.media.edge import Edge
from rooms.media.feeding import Feeding
from rooms.media.running import run_until, true_within

TAKEOVERS: Final = "media:takeovers"  # an edge tells the others whom it carries by now
PRESENCE_SECONDS: Final = 5.0
TOGETHER_SECONDS: Final = 0.3  # so that those who end together know it of each other
DRAIN_SECONDS: Final = 10.0
MOVE_WITHIN_SECONDS: Final = 4.0
GOODBYE_SECONDS: Final = 2.0
BEHIND_SENDER: Final = 5  # niceness: a storm of joins must not hold up the sound

log = structlog.get_logger("rooms.media")


@dataclass(frozen=True)
class Settings:
    """What one edge is told on its command line."""

    redis_url: str
    name: str
    bind: str | None
    port: int
    public_ips: Sequence[str]
    most_listeners: int
    metrics_port: int | None
    start_high: bool = False


async def serve(settings: Settings, *, stop: asyncio.Event) -> None:
    """Carry listeners until `stop` is set; then have them move to other edges, and return.

    Raises SenderEnded when the sender has died: its keys are gone, and so must be those who had them.
    """
    async with (
        Redis.from_url(settings.redis_url, decode_responses=True, socket_timeout=10) as redis,
        Redis.from_url(settings.redis_url, socket_timeout=None) as raw,
    ):
        await _EdgeProcess(settings, redis, raw).run(stop)


class SenderEnded(Exception):
    """The sender has ended before its edge."""


class _EdgeProcess:
    def __init__(self, settings: Settings, redis: "Redis", raw: "Redis") -> None:
        self._settings = settings
        self._redis = redis
        self._draining = False
        self._edge = Edge(
            bind=settings.bind,
            port=settings.port,
            public_ips=settings.public_ips,
            tell=self._tell,
            most_listeners=settings.most_listeners,
            start_high=settings.start_high,
            nice=BEHIND_SENDER,
        )
        self._line = line.Line(
            redis,
            name=settings.name,
            of=register.EDGES,
            read=edge_calls.read,
            carry_out=self._carry_out,
            state=self._state,
        )
        self._raw = raw

    async def run(self, stop: asyncio.Event) -> None:
        await self._edge.start()
        feeding = Feeding(
            self._raw,
            edge=self._settings.name,
            address=self._edge.feed_name,
            rooms=lambda: self._edge.audience.rooms,
        )
        self._feeding = feeding
        if self._settings.metrics_port is not None:
            metrics.serve(lambda: edge_metrics.read(self._edge.counters), port=self._settings.metrics_port)
        memory.set_aside()
        log.info("edge_ready", name=self._settings.name, port=self._edge.port)
        parts = [*self._line.parts(), feeding.run(), self._presence(), self._hear_takeovers(), self._watch()]
        await run_until(stop, parts, finish=self._drain)

    @property
    def _audience(self) -> Audience:
        return self._edge.audience

    async def _carry_out(self, call: Call[Audience], at: float) -> Answer:
        before = len(self._audience.rooms)
        answer = await call.carry_out(self._audience, at=at)
        if len(self._audience.rooms) > before:
            self._feeding.look_now()
        return answer

    def _state(self) -> Mapping[str, object]:
        return {
            "listeners": self._audience.listeners,
            "most": self._settings.most_listeners,
            "draining": self._draining,
        }

    def _tell(self, event: Mapping[str, object]) -> None:
        if event["event"] == "took_over":
            self._line.tell({**event, "edge": self._settings.name}, channel=TAKEOVERS)
        else:
            self._line.tell(event)

    async def _presence(self) -> None:
        before = time.monotonic()
        while True:
            await asyncio.sleep(PRESENCE_SECONDS)
            now = time.monotonic()
            for room in self._audience.rooms:
                self._line.tell(
                    {
                        "event": "presence",
                        "room": room,
                        "hearing": self._audience.hearing(room, at=time.time()),
                        "upstream": [],
                        "audible": [],
                        "seconds": round(now - before, 3),
                    }
                )
            before = now

    async def _hear_takeovers(self) -> None:
        """End here what another edge carries by now. One that is missed costs packets until the census."""
        while True:
            try:
                async with self._redis.pubsub(ignore_subscribe_messages=True) as news:
                    await news.subscribe(TAKEOVERS)
                    while True:
                        message = await news.get_message(timeout=1.0)
                        if message is not None:
                            self._take_over(json.loads(message["data"]))
            except (RedisError, OSError):
                await asyncio.sleep(1.0)

    def _take_over(self, event: Mapping[str, object]) -> None:
        if event["edge"] == self._settings.name:
            return
        self._audience.taken_over(
            room=str(event["room"]),
            seat=str(event["seat"]),
            session=str(event["session"]),
            epoch=cast("int", event["epoch"]),
        )

    async def _watch(self) -> None:
        await self._edge.died.wait()
        raise SenderEnded("The sender has ended; so does its edge.")

    async def _drain(self) -> None:
        """Ask everybody to move to another edge, each at a moment of their own, then hang up on the rest."""
        self._draining = True
        self._audience.draining()
        await self._line.beat_now()
        await asyncio.sleep(TOGETHER_SECONDS)
        if await self._line.others():
            for room in self._audience.rooms:
                self._line.tell(
                    {
                        "event": "moving",
                        "room": room,
                        "seats": self._audience.seats(room),
                        "kind": "listen",
                        "within": MOVE_WITHIN_SECONDS,
                    }
                )
            await true_within(lambda: not self._audience.listeners, seconds=DRAIN_SECONDS)
        await self._edge.close()
        await self._line.say_goodbye(seconds=GOODBYE_SECONDS)
