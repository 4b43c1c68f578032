"""Firefox, driven by Marionette, which it speaks itself: no driver to install."""

import asyncio
import base64
import io
import json
import shutil
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import av
import numpy as np

from rooms.media.ear import Heard
from tests import network

FIREFOX = shutil.which("firefox-esr")
START_SECONDS = 40.0

OFFER = """
window.connection = new RTCPeerConnection({iceServers: []});
connection.addTransceiver("audio", {direction: "recvonly"});
await connection.setLocalDescription();
return connection.localDescription.sdp;
"""
CONNECT = """
await connection.setRemoteDescription({type: "answer", sdp: arguments[0]});
await new Promise((done) => {
  const look = () => ["connected", "failed"].includes(connection.connectionState) && done();
  connection.onconnectionstatechange = look;
  look();
});
return connection.connectionState;
"""
COUNTS = """
const reports = [...(await connection.getStats()).values()];
const stream = reports.find((report) => report.type === "inbound-rtp");
return {
  received: stream.packetsReceived,
  lost: stream.packetsLost,
  concealed: stream.concealedSamples,
  energy: stream.totalAudioEnergy,
  seconds: stream.totalSamplesDuration,
};
"""
# The connection itself takes seconds to call itself disconnected; its DTLS says at once that it is over.
IS_TOLD = """
const {transport} = connection.getReceivers()[0];
const told = new Promise((done) => {
  const look = () => transport.state === "closed" && done(true);
  transport.onstatechange = look;
  look();
});
const late = new Promise((done) => setTimeout(done, arguments[0], false));
return await Promise.race([told, late]);
"""
# Without a sound card Firefox's AudioContext never runs, but its recorder does.
RECORD = """
const track = connection.getReceivers()[0].track;
const recorder = new MediaRecorder(new MediaStream([track]), {mimeType: "audio/ogg;codecs=opus"});
const parts = [];
recorder.ondataavailable = (event) => parts.push(event.data);
const stopped = new Promise((done) => { recorder.onstop = done; });
recorder.start();
await new Promise((done) => setTimeout(done, arguments[0]));
recorder.stop();
await stopped;
const bytes = new Uint8Array(await new Blob(parts).arrayBuffer());
return btoa(bytes.reduce((text, byte) => text + String.fromCharCode(byte), ""));
"""


class Firefox:
    """One window. Its protocol: a length, a colon, a JSON array [kind, number, command or error, value]."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._sent = 0

    async def run(self, script: str, *arguments: object) -> object:
        """Return what the body of an async function returns in the page; it sees `arguments`."""
        wrapped = (
            "const [...given] = arguments; const done = given.pop();"
            f"(async (...arguments) => {{ {script} }})(...given)"
            ".then(value => done({value}), error => done({error: String(error)}));"
        )
        answer = await self.command(
            "WebDriver:ExecuteAsyncScript", script=wrapped, args=list(arguments), newSandbox=False
        )
        assert isinstance(answer, dict)
        result = answer["value"]
        assert "error" not in result, result["error"]
        return result.get("value")

    async def listen(self, answer: Callable[[str], Awaitable[str]]) -> None:
        """Listen in the page, given what `answer` returns for its offer; return when it is connected."""
        offer = cast("str", await self.run(OFFER))
        state = await self.run(CONNECT, await answer(offer))
        assert state == "connected"

    async def counts(self) -> dict[str, float]:
        """Return what the page says that it has received, by its own statistics."""
        return cast("dict[str, float]", await self.run(COUNTS))

    async def is_told(self, *, within: float) -> bool:
        """Return whether the page learns within so many seconds that its listening is over."""
        return cast("bool", await self.run(IS_TOLD, round(within * 1_000)))

    async def hear(self, seconds: float) -> Heard:
        """Return what the page hears during the coming `seconds`."""
        recorded = base64.b64decode(cast("str", await self.run(RECORD, round(seconds * 1_000))))
        with av.open(io.BytesIO(recorded), "r") as file:
            pieces = [frame.to_ndarray()[0] for frame in file.decode(audio=0)]
        samples = np.concatenate(pieces).astype(np.float32)
        return Heard(samples, 0.0, None, None, None, cut=False)

    async def command(self, name: str, **parameters: object) -> object:
        self._sent += 1
        text = json.dumps([0, self._sent, name, parameters])
        self._writer.write(f"{len(text)}:{text}".encode())
        await self._writer.drain()
        _, _, error, value = await self.read()
        assert error is None, error
        return value

    async def read(self) -> list[object]:
        async with asyncio.timeout(30):
            length = int((await self._reader.readuntil(b":"))[:-1])
            message = json.loads(await self._reader.readexactly(length))
        return message if isinstance(message, list) else [1, 0, None, message]

    async def close(self) -> None:
        self._writer.close()
        await self._writer.wait_closed()


@asynccontextmanager
async def firefox(binary: str, profile: Path) -> AsyncIterator[Firefox]:
    """Run a headless Firefox with an empty page while the block lasts."""
    port = _free_port()
    preferences = {
        "marionette.port": port,
        "media.autoplay.default": 0,
        "app.update.disabledForTesting": True,
        "browser.shell.checkDefaultBrowser": False,
        **network.FIREFOX_PREFERENCES,
    }
    lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});" for name, value in preferences.items()]
    (profile / "user.js").write_text("\n".join(lines))
    process = await asyncio.create_subprocess_exec(
        binary, "--headless", "--no-remote", "--marionette", "--profile", str(profile), "about:blank",
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        browser = await _connect(port)
        await browser.command("WebDriver:NewSession")
        await browser.command("WebDriver:SetTimeouts", script=20_000)
        yield browser
        await browser.close()
    finally:
        process.terminate()
        try:
            await asyncio.wait_for(process.wait(), 10)
        except TimeoutError:
            process.kill()
            await process.wait()


async def _connect(port: int) -> Firefox:
    async with asyncio.timeout(START_SECONDS):
        while True:
            try:
                browser = Firefox(*await asyncio.open_connection("127.0.0.1", port))
            except ConnectionRefusedError:
                await asyncio.sleep(0.2)
                continue
            await browser.read()  # it introduces itself
            return browser


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
