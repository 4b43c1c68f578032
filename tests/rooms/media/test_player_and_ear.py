"""The player and the ear at a real door: HTTP, WHIP and WHEP, as the demo uses them."""

import asyncio
import socket
import time
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from rooms.media import ear, player, whip_client
from tests.rooms.media.ground import Ground, Tone, ground, until

pytestmark = pytest.mark.asyncio


@dataclass
class Door:
    """WHIP and WHEP for one room: the grant names the seat, and `max` has none."""

    here: Ground
    url: str = ""
    said: list[str] = field(default_factory=list)

    async def enter(self, request: Request) -> Response:
        seat = request.headers["authorization"].removeprefix("Bearer ")
        self.said.append(f"{request.method} {request.url.path} {seat}")
        if seat == "max":
            return PlainTextResponse("A ticket is needed.", status_code=403)
        offer = (await request.body()).decode()
        if request.url.path == "/whip":
            opened = await self.here.room.speak(seat=seat, epoch=1, muted=False, offer=offer, at=time.time())
        else:
            opened = self.here.answer(seat, offer)
        headers = {"Location": f"/session/{opened.session}"}
        return Response(opened.answer, status_code=201, media_type="application/sdp", headers=headers)

    async def leave(self, request: Request) -> Response:
        seat = request.headers["authorization"].removeprefix("Bearer ")
        self.said.append(f"{request.method} {seat}")
        self.here.end(request.path_params["session"])
        return Response(status_code=200)


@asynccontextmanager
async def door() -> AsyncIterator[Door]:
    async with ground() as here:
        made = Door(here)
        app = Starlette(
            routes=[
                Route("/whip", made.enter, methods=["POST"]),
                Route("/whep", made.enter, methods=["POST"]),
                Route("/session/{session}", made.leave, methods=["DELETE"]),
            ]
        )
        listening = socket.create_server(("127.0.0.1", 0))
        made.url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off", ws="none"))
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        await until(lambda: server.started)
        yield made
        server.should_exit = True
        await serving
        listening.close()


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """Return a stereo WAV at 44.1 kHz, one second of 880 Hz: not what the house itself would write."""
    path = tmp_path / "recording.wav"
    at = np.arange(44_100) / 44_100
    tone = (0.3 * np.sin(2 * np.pi * 880 * at) * 32_767).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(44_100)
        file.writeframes(np.repeat(tone, 2).tobytes())
    return path


async def test_the_ear_hears_what_the_player_plays_again_and_again(recording: Path) -> None:
    async with door() as entrance:
        stop = asyncio.Event()
        playing = asyncio.create_task(
            player.play(path=recording, whip_url=f"{entrance.url}/whip", grant="ada", loop=True, stop=stop)
        )
        await until(lambda: entrance.here.room.speaking() == ["ada"])
        heard = await ear.listen(whep_url=f"{entrance.url}/whep", grant="ben", seconds=2.0)
        stop.set()
        await asyncio.wait_for(playing, 5)
        await until(lambda: entrance.here.room.speakers == [])
        said, ended = entrance.said, entrance.here.ended()

    assert heard.dominant_hz == pytest.approx(880, abs=2)
    assert heard.clearest().level_db(440) < -40
    assert not heard.silent
    assert not heard.cut
    assert heard.joined_in is not None
    assert heard.joined_in < 1.0
    assert said == ["POST /whip ada", "POST /whep ben", "DELETE ben", "DELETE ada"]
    assert ended == [("ben", "listen", "left"), ("ada", "speak", "left")]


async def test_without_a_loop_the_player_leaves_when_the_file_ends(recording: Path) -> None:
    async with door() as entrance:
        begun = time.monotonic()
        await player.play(
            path=recording, whip_url=f"{entrance.url}/whip", grant="ada", loop=False, stop=asyncio.Event()
        )
        lasted = time.monotonic() - begun
    assert 1.2 < lasted < 3.0


async def test_a_player_that_is_put_out_says_so(recording: Path) -> None:
    async with door() as entrance:
        playing = asyncio.create_task(
            player.play(
                path=recording, whip_url=f"{entrance.url}/whip", grant="ada", loop=True, stop=asyncio.Event()
            )
        )
        await until(lambda: entrance.here.room.speaking() == ["ada"])
        entrance.here.drop("ada", epoch=1)
        with pytest.raises(player.Cut):
            await asyncio.wait_for(playing, 5)


async def test_an_ear_that_is_put_out_knows_until_when_it_heard() -> None:
    async with door() as entrance:
        await entrance.here.speak("ada", Tone(440.0))
        listening = asyncio.create_task(
            ear.listen(whep_url=f"{entrance.url}/whep", grant="ben", seconds=20.0)
        )
        await until(lambda: entrance.here.seats == ["ben"])
        await asyncio.sleep(1.0)
        dropped_at = time.time()
        entrance.here.drop("ben", epoch=1)
        heard = await asyncio.wait_for(listening, 5)
    assert heard.cut
    assert heard.last_audible_at is not None
    assert heard.last_audible_at - dropped_at < 0.2


async def test_a_door_that_stays_shut_tells_why() -> None:
    async with door() as entrance:
        with pytest.raises(whip_client.Refused, match=r"A ticket is needed\.") as refused:
            await ear.listen(whep_url=f"{entrance.url}/whep", grant="max", seconds=1.0)
    assert refused.value.status == 403


async def test_in_a_silent_room_the_ear_hears_silence() -> None:
    async with door() as entrance:
        heard = await ear.listen(whep_url=f"{entrance.url}/whep", grant="ben", seconds=1.0)
    assert heard.silent
    assert heard.dominant_hz is None
    assert heard.level_db(440) == -100
    assert heard.samples.size > 40_000


async def test_a_file_that_is_no_sound_is_told_before_anybody_is_asked(tmp_path: Path) -> None:
    path = tmp_path / "letter.txt"
    path.write_text("Dear Ada,")
    with pytest.raises(player.NotSound, match=r"letter\.txt"):
        await player.play(
            path=path, whip_url="http://127.0.0.1:9/whip", grant="ada", loop=False, stop=asyncio.Event()
        )
