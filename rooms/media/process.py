"""A media process: a house of rooms, its clock, and its line to the web side, which is Redis.

Redis may go away and come back. The sound goes on; calls and events wait or are lost, and the census repairs.
"""

import asyncio
import json
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, cast

import structlog
from pydantic import ValidationError
from redis.asyncio import Redis
from redis.exceptions import RedisError

from rooms.media import calls, clock, gate, session
from rooms.media.house import MOST_LISTENERS, House
from rooms.media.room import Refused

PROCESSES: Final = "media:processes"
EVENTS: Final = "media:events"
ANSWER_SECONDS: Final = 30
HEARTBEAT_SECONDS: Final = 2.0
SPEAKING_SECONDS: Final = 0.2
PRESENCE_SECONDS: Final = 5.0
GOODBYE_SECONDS: Final = 8.0
MOST_EVENTS: Final = 2_000  # waiting for Redis; the oldest go, for a later presence says it again
MOST_CALLS_AT_ONCE: Final = 64
_RETRY_SECONDS: Final = 0.5

log = structlog.get_logger("rooms.media")


@dataclass(frozen=True)
class Settings:
    """What one process is told on its command line."""

    redis_url: str
    name: str
    addresses: Sequence[str]
    most_listeners: int = MOST_LISTENERS


async def serve(settings: Settings, *, stop: asyncio.Event) -> None:
    """Carry rooms until `stop` is set; then say goodbye to everybody, within eight seconds, and return."""
    async with Redis.from_url(settings.redis_url, decode_responses=True, socket_timeout=10) as redis:
        await _Process(settings, redis).run(stop)


class _Process:
    def __init__(self, settings: Settings, redis: "Redis") -> None:
        self._name = settings.name
        self._redis = redis
        self._events: deque[Mapping[str, object]] = deque(maxlen=MOST_EVENTS)
        self._news = asyncio.Event()
        self._calls: set[asyncio.Task[None]] = set()
        self._house = House(
            addresses=settings.addresses, tell=self._tell, most_listeners=settings.most_listeners
        )

    async def run(self, stop: asyncio.Event) -> None:
        parts = [
            asyncio.create_task(part)
            for part in (
                clock.run(self._house.tick),
                self._take_calls(),
                self._publish(),
                self._beat(),
                self._every(SPEAKING_SECONDS, self._tell_who_speaks),
                self._presence(),
            )
        ]
        log.info("media_ready", name=self._name)
        asked = asyncio.create_task(stop.wait())
        done, _ = await asyncio.wait([asked, *parts], return_when=asyncio.FIRST_COMPLETED)
        for task in (asked, *parts[1:]):
            task.cancel()
        await self._say_goodbye()
        parts[0].cancel()
        await asyncio.gather(asked, *parts, return_exceptions=True)
        for task in done - {asked}:
            task.result()  # a part ends only by a bug, and then the process must not look well

    def _tell(self, event: Mapping[str, object]) -> None:
        self._events.append(event)
        self._news.set()

    async def _say_goodbye(self) -> None:
        """Close every room, tell the web side, and leave the register."""
        self._house.close()
        try:
            async with asyncio.timeout(GOODBYE_SECONDS):
                await session.all_hung_up()
                await asyncio.gather(*self._calls, return_exceptions=True)
                await self._redis.hdel(PROCESSES, self._name)
                while self._events:
                    await self._redis.publish(EVENTS, json.dumps(self._events.popleft()))
        except (RedisError, TimeoutError):
            log.warning("media_left_without_goodbye", name=self._name)
        log.info("media_ended", name=self._name)

    async def _take_calls(self) -> None:
        places = asyncio.Semaphore(MOST_CALLS_AT_ONCE)
        while True:
            await places.acquire()
            taken = await self._or_later(partial(self._redis.blpop, [f"media:calls:{self._name}"], timeout=1))
            if taken is None:
                places.release()
                continue
            # Tasks begin in the order of their making, and a call takes things away before it first waits.
            task = asyncio.create_task(self._answer(cast("tuple[str, str]", taken)[1]))
            self._calls.add(task)
            task.add_done_callback(self._calls.discard)
            task.add_done_callback(lambda _: places.release())

    async def _answer(self, text: str) -> None:
        at = time.time()
        try:
            call = calls.read(text)
        except ValidationError as wrong:
            log.warning("media_call_unreadable", problems=wrong.error_count())
            return
        if call.expires < at:
            log.info("media_call_too_late")
            return
        answer = json.dumps(await self._carry_out(call, at=at))
        key = f"media:answer:{call.id}"
        reply = self._redis.pipeline()
        reply.rpush(key, answer)
        reply.expire(key, ANSWER_SECONDS)
        await self._or_later(reply.execute)

    async def _carry_out(self, call: calls.Call, *, at: float) -> calls.Answer:
        try:
            return {"ok": True, **await call.carry_out(self._house, at=at)}
        except gate.BadOffer as wrong:
            return {"ok": False, "error": "bad_offer", "text": str(wrong)}
        except Refused as no:
            return {"ok": False, "error": no.code, "text": str(no)}
        except Exception:  # one call's bug must not end the sound of every room in this process
            log.exception("media_call_failed", call=type(call).__name__)
            return {"ok": False, "error": "failed", "text": "The sound server could not do this."}

    async def _publish(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            while self._events:
                event = json.dumps(self._events.popleft())
                await self._or_later(partial(self._redis.publish, EVENTS, event))

    async def _beat(self) -> None:
        while True:
            now = time.time()
            self._house.forget_idle(at=now)
            state = json.dumps(
                {"rooms": self._house.rooms, "listeners": self._house.listeners, "at": int(now)}
            )
            await self._or_later(partial(self._redis.hset, PROCESSES, self._name, state))
            await asyncio.sleep(HEARTBEAT_SECONDS)

    async def _presence(self) -> None:
        before = time.monotonic()
        while True:
            await asyncio.sleep(PRESENCE_SECONDS)
            now = time.monotonic()
            await self._house.tell_presence(at=time.time(), seconds=now - before)
            before = now

    async def _tell_who_speaks(self) -> None:
        self._house.tell_who_speaks()

    async def _every(self, seconds: float, do: Callable[[], Awaitable[None]]) -> None:
        while True:
            await asyncio.sleep(seconds)
            await do()

    async def _or_later(self, ask: Callable[[], Awaitable[object]]) -> object:
        """Return what Redis says, or None after a moment's rest when it does not answer."""
        try:
            return await ask()
        except (RedisError, OSError) as problem:
            log.warning("media_redis_away", problem=type(problem).__name__)
            await asyncio.sleep(_RETRY_SECONDS)
            return None
