"""Real media processes, reached as the web side reaches them: through a real Redis."""

import asyncio
import itertools
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from aiortc import MediaStreamTrack, RTCPeerConnection, RTCSessionDescription
from redis.asyncio import Redis
from redis.asyncio.client import PubSub

from rooms.media import machine, register, wire
from rooms.media.ear import Heard, Notes
from tests.rooms.media.ground import offer_of

ROOM = "r"
READY_SECONDS = 20.0


@dataclass
class Web:
    """The web side's half of the calls."""

    redis: "Redis"
    clients: list[RTCPeerConnection] = field(default_factory=list)
    _numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    async def call(self, to: str, op: str, *, lives: float = 5.0, **fields: object) -> dict[str, object]:
        key = await self.ask(to, op, lives=lives, **fields)
        answered = await self.redis.blpop([key], timeout=5)
        assert answered is not None, f"no answer to {op}"
        answer: dict[str, object] = json.loads(answered[1])
        return answer

    async def ask(self, to: str, op: str, *, lives: float = 5.0, **fields: object) -> str:
        """Push the call and return the key under which its answer will come."""
        number = f"call-{time.monotonic_ns()}-{next(self._numbers)}"
        call = {"id": number, "op": op, "room": ROOM, "expires": time.time() + lives, **fields}
        await self.redis.rpush(f"media:calls:{to}", json.dumps(call))
        return f"media:answer:{number}"

    async def living(self, kind: str) -> list[str]:
        """Return the names in one of the two registers, of those who have been heard of lately."""
        told = cast("dict[str, str]", await self.redis.hgetall(kind))
        return sorted(register.alive(told, at=time.time()))

    async def until_living(self, kind: str, count: int) -> list[str]:
        async with asyncio.timeout(READY_SECONDS):
            while len(names := await self.living(kind)) != count:  # noqa: ASYNC110 -- other processes
                await asyncio.sleep(0.05)
        return names

    async def settle(self, mixer: str) -> None:
        """Make `mixer` the room's home."""
        await self.redis.set(register.home_key(ROOM), mixer)

    async def speak(self, mixer: str, seat: str, track: MediaStreamTrack, *, epoch: int = 1) -> None:
        voice = wire.new_connection()
        self.clients.append(voice)
        wire.bind(voice.addTransceiver(track, direction="sendonly"), machine.near())
        offer = await offer_of(voice)
        answer = await self.call(mixer, "speak", seat=seat, epoch=epoch, muted=False, offer=offer)
        await voice.setRemoteDescription(RTCSessionDescription(str(answer["answer"]), "answer"))

    async def listen(self, edge: str, seat: str, *, epoch: int = 1) -> "Ear":
        connection = wire.new_connection()
        self.clients.append(connection)
        wire.bind(connection.addTransceiver("audio", direction="recvonly"), machine.near())
        notes = Notes(asked_at=time.time())
        connection.on("track", notes.take_from)
        offer = await offer_of(connection)
        answer = await self.call(edge, "listen", seat=seat, epoch=epoch, offer=offer)
        assert answer["ok"], answer
        await connection.setRemoteDescription(RTCSessionDescription(str(answer["answer"]), "answer"))
        return Ear(connection, notes, str(answer["session"]))


@dataclass
class Ear:
    """A listener, and what has reached them."""

    connection: RTCPeerConnection
    notes: Notes
    session: str

    async def begun(self) -> "Ear":
        await asyncio.wait_for(self.notes.begun.wait(), 10)
        return self

    async def hears(self, hz: float, *, seconds: float = 10.0) -> Heard:
        """Return what was heard of late as soon as it is this tone. Fails if it never is."""
        async with asyncio.timeout(seconds):
            while True:
                await asyncio.sleep(0.2)
                heard = self.notes.heard(cut=self.notes.over).last(0.6)
                if heard.dominant_hz is not None and abs(heard.dominant_hz - hz) < 3:
                    return heard


@asynccontextmanager
async def web(redis_url: str) -> AsyncIterator[Web]:
    async with Redis.from_url(redis_url, decode_responses=True) as redis:
        made = Web(redis)
        try:
            yield made
        finally:
            for connection in made.clients:
                await wire.hang_up(connection)


@asynccontextmanager
async def process(
    redis_url: str, role: str, *arguments: str, environment: Mapping[str, str] | None = None
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run one media process, or a crew of them, while the block lasts."""
    started = await asyncio.create_subprocess_exec(
        sys.executable, "-W", "error", "-m", "rooms.media", role, "--redis-url", redis_url, *arguments,
        env={**os.environ, "PYTHONPATH": str(Path.cwd()), **(environment or {})},
    )  # fmt: skip
    try:
        yield started
    finally:
        if started.returncode is None:
            started.terminate()
            with suppress(TimeoutError):
                await asyncio.wait_for(started.wait(), 20)
        if started.returncode is None:
            started.kill()
            await started.wait()


@asynccontextmanager
async def pair(redis_url: str) -> AsyncIterator[tuple[Web, str, str]]:
    """Run one mixer and one edge, and make the mixer the room's home."""
    async with (
        web(redis_url) as here,
        process(redis_url, "mixer", "--name", "mixer-t"),
        process(redis_url, "edge", "--name", "edge-t"),
    ):
        await here.until_living(register.MIXERS, 1)
        await here.until_living(register.EDGES, 1)
        await here.settle("mixer-t")
        yield here, "mixer-t", "edge-t"


def children(pid: int) -> dict[int, str]:
    """Return the processes that `pid` has started and whose command lines they bear."""
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return {
        int(one): Path(f"/proc/{one}/cmdline").read_bytes().replace(b"\0", b" ").decode() for one in listed
    }


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


async def next_event(news: PubSub, name: str, *, seconds: float = 10.0) -> dict[str, object]:
    """Return the next event of this name."""
    async with asyncio.timeout(seconds):
        while True:
            message = await news.get_message(ignore_subscribe_messages=True, timeout=1.0)
            event: dict[str, object] = json.loads(message["data"]) if message else {}
            if event.get("event") == name:
                return event
