"""All we ask of the media processes, over Redis. What needs an answer is awaited, the rest only sent.

A lost message heals: the census repeats the truth every ten seconds.
"""

import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, cast

import structlog
from django.conf import settings
from redis.asyncio import Redis as AsyncRedis
from redis.exceptions import RedisError

from rooms import placement

ANSWER_SECONDS: Final = 8
TELL_SECONDS: Final = 30

log = structlog.get_logger(__name__)


class MediaSilent(Exception):
    """The media process did not answer in time, or Redis is away."""


class MediaRefused(Exception):
    """The media process said no. `code` is one of bad_offer, denied, full, not_on_stage, closing, failed."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True)
class Opened:
    """A media session that has been answered. Its id is 128 random bits."""

    answer: str
    session: str


@dataclass(frozen=True)
class Standing:
    """What is true of one seat, as the census tells it."""

    epoch: int
    stage: bool
    muted: bool


async def listen(*, home: str, room: str, seat: str, epoch: int, offer: str) -> Opened:
    """Open the seat's one listening session. Raise MediaSilent or MediaRefused."""
    told = await _ask(home, {"op": "listen", "room": room, "seat": seat, "epoch": epoch, "offer": offer})
    return Opened(answer=told["answer"], session=told["session"])


async def speak(*, home: str, room: str, seat: str, epoch: int, muted: bool, offer: str) -> Opened:
    """Open the seat's one upstream. Raise MediaSilent or MediaRefused."""
    call = {"op": "speak", "room": room, "seat": seat, "epoch": epoch, "muted": muted, "offer": offer}
    told = await _ask(home, call)
    return Opened(answer=told["answer"], session=told["session"])


async def end(*, home: str, room: str, session: str) -> None:
    """End one session, as its owner asked."""
    await _ask(home, {"op": "end", "room": room, "session": session})


def stage(*, room: str, seat: str, on: bool) -> None:
    """Let the seat have an upstream, or close the one it has."""
    _tell(room, {"op": "stage", "seat": seat, "on": on})


def mute(*, room: str, seat: str, muted: bool) -> None:
    """Have the seat's packets dropped before the mixer, or let through."""
    _tell(room, {"op": "mute", "seat": seat, "muted": muted})


def drop(*, room: str, seat: str, epoch: int) -> None:
    """End everything the seat opened at this epoch or before, and refuse it from now on."""
    _tell(room, {"op": "drop", "seat": seat, "epoch": epoch})


def close(*, room: str) -> None:
    """Put everybody out of the room's sound, and have it forgotten."""
    _tell(room, {"op": "close"})
    placement.forget(room)


def census(*, room: str, seats: Mapping[str, Standing], at: datetime) -> None:
    """Tell who is in the room, as read at `at`: whoever else is connected is put out."""
    told = {seat: {"epoch": one.epoch, "stage": one.stage, "muted": one.muted} for seat, one in seats.items()}
    _tell(room, {"op": "census", "seats": told, "at": at.timestamp()})


def _tell(room: str, call: Mapping[str, Any]) -> None:
    """Send a call and do not wait. Redis away is logged, and the census makes up for it."""
    try:
        home = placement.home_of(room)
        if home is None:
            return  # nobody carries the room, so there is nothing to end
        with placement.connection() as redis:
            redis.rpush(f"media:calls:{home}", _letter({"room": room, **call}, seconds=TELL_SECONDS)[1])
    except RedisError as problem:
        log.warning("media_not_told", call=call["op"], problem=type(problem).__name__)


async def _ask(home: str, call: Mapping[str, Any]) -> Mapping[str, Any]:
    number, letter = _letter(call, seconds=ANSWER_SECONDS)
    try:
        async with AsyncRedis.from_url(
            settings.REDIS_URL, decode_responses=True, socket_timeout=ANSWER_SECONDS + 2
        ) as redis:
            await redis.rpush(f"media:calls:{home}", letter)
            answered = await redis.blpop([f"media:answer:{number}"], timeout=ANSWER_SECONDS)
    except RedisError as problem:
        raise MediaSilent("The line to the media process is down.") from problem
    if answered is None:
        raise MediaSilent("The media process did not answer in time.")
    told = cast("dict[str, Any]", json.loads(answered[1]))
    if not told["ok"]:
        raise MediaRefused(told["error"], told["text"])
    return told


def _letter(call: Mapping[str, Any], *, seconds: int) -> tuple[str, str]:
    number = secrets.token_hex(16)
    return number, json.dumps({"id": number, "expires": time.time() + seconds, **call})
