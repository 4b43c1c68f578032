"""All we ask of the media processes, over Redis. What needs an answer is awaited, the rest only sent.

Speakers are at the room's home, a mixer; listeners at any edge. So what takes somebody away is told to the
home and to every edge. A lost message heals: the census repeats the truth every ten seconds.
"""

import asyncio
import json
import secrets
import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, cast

import structlog
from asgiref.sync import sync_to_async
from django.conf import settings
from redis.asyncio import Redis as AsyncRedis
from redis.exceptions import RedisError

from rooms import placement, remembered

ANSWER_SECONDS: Final = 8
PATIENCE_SECONDS: Final = 1.0  # after which another edge is asked as well: the first may have just died
MOST_EDGES_ASKED: Final = 3
TELL_SECONDS: Final = 30
QUEUE_SECONDS: Final = 60  # calls to a process that has died are forgotten
MOST_AT_ONCE: Final = 200  # letters in one pipeline
ELSEWHERE: Final = frozenset({"full", "closing"})  # refusals that another edge need not share

log = structlog.get_logger(__name__)

Letter = tuple[str, str]  # the process, and the call as it is told


class MediaSilent(Exception):
    """The media process did not answer in time, or Redis is away."""


class MediaRefused(Exception):
    """The media process said no. `code` is one of bad_offer, denied, full, not_on_stage, closing, failed."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True)
class Opened:
    """A media session that has been answered. Its id is 128 random bits; `process` holds it."""

    answer: str
    session: str
    process: str


@dataclass(frozen=True)
class Standing:
    """What is true of one seat, as the census tells it."""

    epoch: int
    stage: bool
    muted: bool


@dataclass(frozen=True)
class Sound:
    """How a room is to sound: 20 ms frames per packet (1, 2 or 3), and whether it is tuned for music."""

    frames: int = 1
    music: bool = False


@dataclass(frozen=True)
class Roll:
    """Who is in one room, and how it is to sound."""

    seats: Mapping[str, Standing]
    sound: Sound = Sound()


async def listen(*, room: str, seat: str, epoch: int, offer: str) -> Opened:
    """Open the seat's one listening session. Raise MediaSilent, MediaRefused or placement.NoMediaProcess.

    The edge with most room left is asked. If it says nothing for a second, or has no place, another is asked
    as well, and the first answer counts: one that has just died looks alive, and nobody should wait for it.
    """
    call = {"op": "listen", "room": room, "seat": seat, "epoch": epoch, "offer": offer}
    try:
        async with _line() as redis:
            return await _first_answer(redis, call)
    except RedisError as problem:
        raise MediaSilent("The line to the edges is down.") from problem


async def speak(
    *, home: str, room: str, seat: str, epoch: int, muted: bool, sound: Sound, offer: str
) -> Opened:
    """Open the seat's one upstream at the room's home. Raise MediaSilent or MediaRefused."""
    call = {"op": "speak", "room": room, "seat": seat, "epoch": epoch, "muted": muted, "offer": offer}
    told = await _ask(home, {**call, "frames": sound.frames, "music": sound.music})
    return Opened(answer=told["answer"], session=told["session"], process=home)


async def end(*, process: str, room: str, session: str) -> None:
    """End one session, as its owner asked. Raise MediaSilent or MediaRefused."""
    await _ask(process, {"op": "end", "room": room, "session": session})


def stage(*, room: str, seat: str, on: bool) -> None:
    """Let the seat have an upstream, or close the one it has."""
    _tell(room, {"op": "stage", "seat": seat, "on": on}, edges=False)


def mute(*, room: str, seat: str, muted: bool) -> None:
    """Have the seat's packets dropped before the mixer, or let through."""
    _tell(room, {"op": "mute", "seat": seat, "muted": muted}, edges=False)


def tune(*, room: str, sound: Sound) -> None:
    """Have the room sound like this from now on."""
    _tell(room, {"op": "settings", "frames": sound.frames, "music": sound.music}, edges=False)


def drop(*, room: str, seat: str, epoch: int) -> None:
    """End everything the seat opened at this epoch or before, wherever, and refuse it from now on."""
    _tell(room, {"op": "drop", "seat": seat, "epoch": epoch}, edges=True)


def close(*, rooms: Collection[str]) -> None:
    """Put everybody out of these rooms' sound, and have them forgotten.

    Every mixer is told, for a room that was closed before has no home that anybody knows of.
    """
    if not rooms:
        return
    try:
        places = placement.places([])
        letters: list[Letter] = []
        for room in rooms:
            letter = _letter({"room": room, "op": "close"}, seconds=TELL_SECONDS)[1]
            letters += [(name, letter) for name in (*places.mixers, *places.edges)]
        _post(letters)
    except RedisError as problem:
        log.warning("media_not_told", call="close", problem=type(problem).__name__)
    _forget(rooms)


def _forget(rooms: Collection[str]) -> None:
    try:
        for room in rooms:
            remembered.forget(room)
    except RedisError as problem:
        log.warning("room_not_forgotten", problem=type(problem).__name__)


def census(rolls: Mapping[str, Roll], *, at: datetime) -> None:
    """Tell homes and edges who is in these rooms, as read at `at`: whoever else is connected is put out."""
    try:
        places = placement.places(rolls)
        letters: list[Letter] = []
        for room, roll in rolls.items():
            call = _letter(_census(room, roll, at), seconds=TELL_SECONDS)[1]
            homes = [places.homes[room]] if room in places.homes else []
            letters += [(name, call) for name in (*homes, *places.edges)]
        _post(letters)
    except RedisError as problem:
        log.warning("media_not_told", call="census", problem=type(problem).__name__)


def settle(rolls: Mapping[str, Roll], *, at: datetime) -> None:
    """Tell the new homes of these rooms how they sound and who is in them, before anybody asks."""
    try:
        homes = placement.places(rolls).homes
        letters: list[Letter] = []
        for room in homes:
            roll = rolls[room]
            opened = {"op": "open", "room": room, "frames": roll.sound.frames, "music": roll.sound.music}
            letters += [
                (homes[room], _letter(call, seconds=TELL_SECONDS)[1])
                for call in (opened, _census(room, roll, at))
            ]
        _post(letters)
    except RedisError as problem:
        log.warning("media_not_told", call="open", problem=type(problem).__name__)


def _census(room: str, roll: Roll, at: datetime) -> Mapping[str, Any]:
    seats = {
        seat: {"epoch": one.epoch, "stage": one.stage, "muted": one.muted} for seat, one in roll.seats.items()
    }
    told = {"op": "census", "room": room, "seats": seats, "at": at.timestamp()}
    return {**told, "frames": roll.sound.frames, "music": roll.sound.music}


def _tell(room: str, call: Mapping[str, Any], *, edges: bool) -> None:
    """Send a call and do not wait. Redis away is logged, and the census makes up for it."""
    try:
        places = placement.places([room])
        names = [*places.homes.values(), *(places.edges if edges else ())]
        letter = _letter({"room": room, **call}, seconds=TELL_SECONDS)[1]
        _post([(name, letter) for name in names])
    except RedisError as problem:
        log.warning("media_not_told", call=call["op"], problem=type(problem).__name__)


def _post(letters: Iterable[Letter]) -> None:
    letters = list(letters)
    if not letters:
        return
    with placement.connection() as redis:
        for start in range(0, len(letters), MOST_AT_ONCE):
            sending = redis.pipeline(transaction=False)
            for name, letter in letters[start : start + MOST_AT_ONCE]:
                sending.rpush(_queue(name), letter)
                sending.expire(_queue(name), QUEUE_SECONDS)
            sending.execute()


async def _first_answer(redis: "AsyncRedis", call: Mapping[str, Any]) -> Opened:
    asked: dict[str, str] = {}  # where an answer may come -> who is asked
    refusal: MediaRefused | None = None
    loop = asyncio.get_running_loop()
    deadline = loop.time() + ANSWER_SECONDS
    while (rest := deadline - loop.time()) > 0:
        name = await _another_edge(asked)
        if name is not None:
            asked[await _send(redis, name, call)] = name
        elif refusal is not None:
            raise refusal
        answered = await redis.blpop(list(asked), timeout=min(PATIENCE_SECONDS, rest))
        if answered is None:
            continue
        where, text = cast("tuple[str, str]", answered)
        try:
            told = _read(text)
        except MediaRefused as refused:
            if refused.code not in ELSEWHERE:
                raise
            refusal = refused
            continue
        return Opened(answer=told["answer"], session=told["session"], process=asked[where])
    raise refusal or MediaSilent("No edge answered in time.")


async def _another_edge(asked: Mapping[str, str]) -> str | None:
    """Return the best edge not asked yet, or None. Raise NoMediaProcess when there was none at first."""
    if len(asked) >= MOST_EDGES_ASKED:
        return None
    try:
        return await sync_to_async(placement.choose_edge)(avoid=set(asked.values()))
    except placement.NoMediaProcess:
        if not asked:
            raise
        return None


async def _ask(process: str, call: Mapping[str, Any]) -> Mapping[str, Any]:
    try:
        async with _line() as redis:
            answer = await _send(redis, process, call)
            answered = await redis.blpop([answer], timeout=ANSWER_SECONDS)
    except RedisError as problem:
        raise MediaSilent("The line to the media process is down.") from problem
    if answered is None:
        raise MediaSilent("The media process did not answer in time.")
    return _read(cast("tuple[str, str]", answered)[1])


def _line() -> "AsyncRedis":
    return AsyncRedis.from_url(settings.REDIS_URL, decode_responses=True, socket_timeout=ANSWER_SECONDS + 2)


async def _send(redis: "AsyncRedis", process: str, call: Mapping[str, Any]) -> str:
    """Send a call; return where its answer will be."""
    number, letter = _letter(call, seconds=ANSWER_SECONDS)
    sending = redis.pipeline(transaction=False)
    sending.rpush(_queue(process), letter)
    sending.expire(_queue(process), QUEUE_SECONDS)
    await sending.execute()
    return f"media:answer:{number}"


def _read(text: str) -> Mapping[str, Any]:
    told = cast("dict[str, Any]", json.loads(text))
    if not told["ok"]:
        raise MediaRefused(told["error"], told["text"])
    return told


def _letter(call: Mapping[str, Any], *, seconds: int) -> tuple[str, str]:
    number = secrets.token_hex(16)
    return number, json.dumps({"id": number, "expires": time.time() + seconds, **call})


def _queue(process: str) -> str:
    return f"media:calls:{process}"
