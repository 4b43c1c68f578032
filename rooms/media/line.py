"""A media process's line to everybody else, which is Redis: calls in, answers and events out, a heartbeat.

Redis may go away and come back. The sound goes on; calls and events wait or are lost, and the census repairs.
"""

import asyncio
import json
import secrets
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, Final, Generic, cast

import structlog
from pydantic import ValidationError
from redis.asyncio import Redis
from redis.exceptions import RedisError

from rooms.media import register
from rooms.media.calls import Answer, Call, Process
from rooms.media.gate import BadOffer
from rooms.media.refusals import Refused

EVENTS: Final = "media:events"
ANSWER_SECONDS: Final = 30
MOST_EVENTS: Final = 2_000  # waiting for Redis; the oldest go, for a later presence says it again
MOST_CALLS_AT_ONCE: Final = 64
_RETRY_SECONDS: Final = 0.5

Event = Mapping[str, object]

log = structlog.get_logger("rooms.media")


class NoAnswer(Exception):
    """The process that was asked did not answer in time, or Redis is away."""


class Line(Generic[Process]):
    """One process's line. `read` makes a call of its text; `carry_out` does it; `state` is the heartbeat."""

    def __init__(
        self,
        redis: "Redis",
        *,
        name: str,
        of: str,
        read: Callable[[str], Call[Process]],
        carry_out: Callable[[Call[Process], float], Awaitable[Answer]],
        state: Callable[[], Mapping[str, object]],
    ) -> None:
        self.name = name
        self._redis = redis
        self._register = of
        self._read = read
        self._do = carry_out
        self._state = state
        self._events: deque[tuple[str, Event]] = deque(maxlen=MOST_EVENTS)
        self._news = asyncio.Event()
        self._calls: set[asyncio.Task[None]] = set()

    def tell(self, event: Event, *, channel: str = EVENTS) -> None:
        """Publish `event` soon, in order."""
        self._events.append((channel, event))
        self._news.set()

    def parts(self) -> list[Awaitable[None]]:
        """Return what has to run for the line to be open; each goes on until it is cancelled."""
        return [self._take_calls(), self._publish(), self._beat()]

    async def say_goodbye(self, *, seconds: float) -> None:
        """Answer what was asked, publish what is left, and leave the register."""
        try:
            async with asyncio.timeout(seconds):
                await asyncio.gather(*self._calls, return_exceptions=True)
                await self._redis.hdel(self._register, self.name)
                while self._events:
                    channel, event = self._events.popleft()
                    await self._redis.publish(channel, json.dumps(event))
        except (RedisError, TimeoutError):
            log.warning("media_left_without_goodbye", name=self.name)
        log.info("media_ended", name=self.name)

    async def beat_now(self) -> None:
        """Say how this process is."""
        state = json.dumps({**self._state(), "at": round(time.time(), 3)})
        await self.or_later(partial(self._redis.hset, self._register, self.name, state))

    async def others(self) -> bool:
        """Return whether another process of this kind takes somebody new."""
        told = await self.or_later(partial(self._redis.hgetall, self._register))
        welcoming = register.welcoming(cast("dict[str, str]", told or {}), at=time.time())
        return any(name != self.name for name in welcoming)

    async def or_later(self, ask: Callable[[], Awaitable[object]]) -> object:
        """Return what Redis says, or None after a moment's rest when it does not answer."""
        try:
            return await ask()
        except (RedisError, OSError) as problem:
            log.warning("media_redis_away", problem=type(problem).__name__)
            await asyncio.sleep(_RETRY_SECONDS)
            return None

    async def _take_calls(self) -> None:
        places = asyncio.Semaphore(MOST_CALLS_AT_ONCE)
        while True:
            await places.acquire()
            taken = await self.or_later(partial(self._redis.blpop, [f"media:calls:{self.name}"], timeout=1))
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
            call = self._read(text)
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
        await self.or_later(reply.execute)

    async def _carry_out(self, call: Call[Process], *, at: float) -> Answer:
        try:
            return {"ok": True, **await self._do(call, at)}
        except BadOffer as wrong:
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
                channel, event = self._events.popleft()
                await self.or_later(partial(self._redis.publish, channel, json.dumps(event)))

    async def _beat(self) -> None:
        while True:
            await self.beat_now()
            await asyncio.sleep(register.HEARTBEAT_SECONDS)


async def ask(redis: "Redis", to: str, call: Mapping[str, object], *, seconds: int = 2) -> dict[str, Any]:
    """Return what the process `to` answers, `ok` or not. Raises NoAnswer."""
    number = secrets.token_hex(16)
    letter = json.dumps({"id": number, "expires": time.time() + seconds, **call})
    try:
        await redis.rpush(f"media:calls:{to}", letter)
        answered = await redis.blpop([f"media:answer:{number}"], timeout=seconds)
    except (RedisError, OSError) as problem:
        raise NoAnswer("Redis is away.") from problem
    if answered is None:
        raise NoAnswer("The process did not answer in time.")
    told: dict[str, Any] = json.loads(answered[1])
    return told
