"""Real WebRTC clients that come in by WHIP and WHEP through Django, and a real media process behind it."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from aiortc import RTCPeerConnection, RTCRtpTransceiver, RTCSessionDescription
from django.test import AsyncClient
from redis import Redis

from rooms.media import machine, register, whip_client, wire
from rooms.media.ear import Notes
from tests.rooms.media.ground import Tone, offer_of

START_SECONDS = 20.0


@contextmanager
def media_processes(redis_url: str) -> Iterator[None]:
    """Run a mixer and an edge while the block lasts."""
    command = [sys.executable, "-m", "rooms.media", "crew", "--redis-url", redis_url]
    command += ["--bind-ip", "127.0.0.1", "--edges", "1"]
    process = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(Path.cwd())})  # noqa: S603 -- our own
    try:
        wait_for_heartbeats(redis_url)
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)


def wait_for_heartbeats(redis_url: str) -> None:
    """Return when both are in their registers; the test before may have emptied them."""
    deadline = time.monotonic() + START_SECONDS
    with Redis.from_url(redis_url) as redis:
        while not (redis.hlen(register.MIXERS) and redis.hlen(register.EDGES)):
            assert time.monotonic() < deadline, "The media processes did not start."
            time.sleep(0.05)


async def post(url: str, *, grant: str | None, offer: str, content_type: str = "application/sdp") -> Any:
    """Knock at a WHIP or WHEP endpoint."""
    headers = {} if grant is None else {"authorization": f"Bearer {grant}"}
    return await AsyncClient().post(url, data=offer, content_type=content_type, headers=headers)


@asynccontextmanager
async def session(
    url: str, *, grant: str, transceiver: RTCRtpTransceiver, connection: RTCPeerConnection
) -> AsyncIterator[str]:
    """Hold a media session; yield where it can be ended."""
    wire.bind(transceiver, machine.near())
    try:
        answered = await post(url, grant=grant, offer=await offer_of(connection))
        assert answered.status_code == 201, answered.content
        answer = RTCSessionDescription(sdp=answered.content.decode(), type="answer")
        await connection.setRemoteDescription(answer)
        await whip_client.up(connection)
        yield answered["Location"]
    finally:
        await wire.hang_up(connection)


@asynccontextmanager
async def singing(slug: str, *, grant: str, hz: float = 440.0) -> AsyncIterator[str]:
    """Send a tone into the room."""
    connection = wire.new_connection()
    transceiver = connection.addTransceiver(Tone(hz), direction="sendonly")
    async with session(
        f"/rooms/{slug}/whip", grant=grant, transceiver=transceiver, connection=connection
    ) as place:
        yield place


@asynccontextmanager
async def hearing(slug: str, *, grant: str) -> AsyncIterator[tuple[Notes, str]]:
    """Hear the room; yield the notes taken, and where the session can be ended."""
    connection = wire.new_connection()
    notes = Notes(asked_at=time.time())
    connection.on("track", notes.take_from)
    transceiver = connection.addTransceiver("audio", direction="recvonly")
    async with session(
        f"/rooms/{slug}/whep", grant=grant, transceiver=transceiver, connection=connection
    ) as place:
        async with asyncio.timeout(10):
            await notes.begun.wait()
        yield notes, place


async def silence_after(notes: Notes, *, at_most: float) -> float:
    """Wait until the other side has hung up; return after how many seconds the last audible sound came."""
    began = time.time()
    async with asyncio.timeout(at_most):
        await notes.reading()
    heard = notes.heard(cut=True)
    assert heard.last_audible_at is not None
    return heard.last_audible_at - began
