"""Stands between the media processes and the rest: passes on who speaks, counts who heard, makes the rounds.

Twice a second it looks for rooms whose mixer has died or is leaving, and has them move.

Any number may run: rounds put right what differs from the rows, and seconds count once whoever tells them.
"""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any, Final

import structlog
from asgiref.sync import sync_to_async
from channels.db import database_sync_to_async
from channels.layers import get_channel_layer
from django.conf import settings
from django.db import Error as DatabaseProblem
from django.db import connections
from django.utils.timezone import now
from redis.asyncio import Redis
from redis.exceptions import RedisError

from rooms import callboard, delivery, homes, remembered, rounds

EVENTS: Final = "media:events"
ROUND_SECONDS: Final = 10.0
HOMES_SECONDS: Final = 0.5
AUDIENCE_SECONDS: Final = 2.0
RETRY_SECONDS: Final = 1.0
LISTEN_SECONDS: Final = 0.5
HEALTH_KEY: Final = "stagehand:at"
HEALTH_SECONDS: Final = 30

log = structlog.get_logger(__name__)


async def work(*, stop: asyncio.Event) -> None:
    """Work until `stop` is set. Redis or the database may go away meanwhile and come back.

    What has begun is finished, not cancelled: synchronous code may swallow a cancellation.
    """
    audience = _AudienceTeller()
    log.info("stagehand_ready")
    await asyncio.gather(
        _until(stop, partial(hear_events, stop=stop), seconds=0),
        _until(stop, _make_round, seconds=ROUND_SECONDS),
        _until(stop, _watch_homes, seconds=HOMES_SECONDS),
        _until(stop, audience.tell, seconds=AUDIENCE_SECONDS),
    )
    log.info("stagehand_ended")


async def hear_events(*, stop: asyncio.Event) -> None:
    """Pass on what the media processes tell, one event after the other, until `stop` or the line breaks."""
    async with (
        Redis.from_url(settings.REDIS_URL, decode_responses=True) as redis,
        redis.pubsub(ignore_subscribe_messages=True) as line,
    ):
        await line.subscribe(EVENTS)
        while not stop.is_set():
            message = await line.get_message(timeout=LISTEN_SECONDS)
            if message is not None:
                await pass_on(json.loads(message["data"]))


async def pass_on(event: Mapping[str, Any]) -> None:
    """Tell the room who speaks; write down who heard; have those move whose process is leaving.

    Other events are for whoever wants them.
    """
    match event["event"]:
        case "speaking":
            await sync_to_async(remembered.note_speaking)(event["room"], event["seats"])
            message = {"type": "room.speaking", "seats": event["seats"]}
            await get_channel_layer().group_send(callboard.room_group(event["room"]), message)
        case "presence":
            if await database_sync_to_async(rounds.close_if_over)(room_id=event["room"]):
                return  # the message that closed it was lost
            await database_sync_to_async(delivery.heard)(
                room_id=event["room"],
                hearing=event["hearing"],
                audible=event["audible"],
                seconds=event["seconds"],
                at=now(),
            )
        case "moving" if event["kind"] == "listen":
            await callboard.ask_sound_again(event["seats"], again="listen", within=event["within"])
        case "moving":
            # Speakers can only go where their room goes; whoever moves it asks them all.
            await database_sync_to_async(homes.move)(room_id=event["room"], at=now())


class _AudienceTeller:
    """Tells each room how many listen when that has changed, at most every two seconds.

    Each change of the room tells it as well, and perhaps another number: so after one it is told again.
    """

    def __init__(self) -> None:
        self._told: dict[str, tuple[int, int]] = {}

    async def tell(self) -> None:
        audiences = await database_sync_to_async(rounds.audiences)()
        layer = get_channel_layer()
        for room_id, (count, seq) in audiences.items():
            if self._told.get(room_id) != (count, seq):
                await layer.group_send(
                    callboard.room_group(room_id), {"type": "room.audience", "count": count}
                )
        self._told = audiences


async def _make_round() -> None:
    started = time.monotonic()
    await database_sync_to_async(rounds.make)(at=now())
    async with Redis.from_url(settings.REDIS_URL) as redis:
        await redis.set(HEALTH_KEY, int(time.time()), ex=HEALTH_SECONDS)
    took = time.monotonic() - started
    if took > ROUND_SECONDS / 2:
        log.warning("slow_round", seconds=round(took, 1))


async def _watch_homes() -> None:
    # In a thread beside the others': a long round must not keep a room silent.
    await sync_to_async(_look_at_homes, thread_sensitive=False)()


def _look_at_homes() -> None:
    try:
        homes.watch(at=now())
    finally:
        connections.close_all()  # of this thread, which another look may not get


async def _until(stop: asyncio.Event, do: Callable[[], Awaitable[None]], *, seconds: float) -> None:
    """Do it again and again. What is away comes back; anything else is a bug, and must not stop the rest."""
    while not stop.is_set():
        rest = seconds
        try:
            await do()
        except (RedisError, OSError, DatabaseProblem) as problem:
            log.warning("stagehand_waits", problem=type(problem).__name__)
            rest = RETRY_SECONDS
        except Exception:
            log.exception("stagehand_stumbled")
            rest = RETRY_SECONDS
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), rest)
