"""Real browsers against the house: Chromium speaks and listens, Firefox listens without a microphone.

No web server: each page is made of thin air by the driver, and its requests come straight to the room.
"""

import asyncio
import shutil
import time
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest
from playwright.async_api import BrowserContext, Page, Route, async_playwright

from rooms.media import wire
from rooms.media.sound import SAMPLE_RATE
from tests.rooms.media.firefox import Firefox, firefox
from tests.rooms.media.ground import Ground, Tone, ground, sine, until

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(120)]

CHROMIUM = "/usr/bin/chromium"
FIREFOX = shutil.which("firefox-esr")

# What a page does at the door: offer, post, take the answer. The gate reads no addresses out of an offer, so
# there is nothing to wait for in between.
ENTER = """
async (connection, path, exchange) => {
  await connection.setLocalDescription();
  const sdp = await exchange(path, connection.localDescription.sdp);
  await connection.setRemoteDescription({type: "answer", sdp});
  const begun = performance.now();
  await new Promise((done, failed) => {
    const look = () => {
      if (connection.connectionState === "connected") done();
      if (connection.connectionState === "failed") failed(new Error("never connected"));
    };
    connection.onconnectionstatechange = look;
    look();
  });
  return performance.now() - begun;
}
"""
POST = """
async (path, sdp) => (await fetch(path, {method: "POST", body: sdp})).text()
"""
LISTEN = f"""
async () => {{
  window.connection = new RTCPeerConnection({{iceServers: []}});
  connection.addTransceiver("audio", {{direction: "recvonly"}});
  connection.ontrack = (event) => {{
    const stream = new MediaStream([event.track]);
    const element = new Audio();
    element.srcObject = stream;  // Chromium decodes only what an element plays
    element.play();
    const context = new AudioContext();
    window.analyser = new AnalyserNode(context, {{fftSize: 32768, smoothingTimeConstant: 0}});
    context.createMediaStreamSource(stream).connect(analyser);
  }};
  return await ({ENTER})(connection, "/whep", {POST});
}}
"""
SPEAK = f"""
async () => {{
  const constraints = {{echoCancellation: false, noiseSuppression: false, autoGainControl: false}};
  const stream = await navigator.mediaDevices.getUserMedia({{audio: constraints}});
  window.connection = new RTCPeerConnection({{iceServers: []}});
  connection.addTransceiver(stream.getAudioTracks()[0], {{direction: "sendonly"}});
  return await ({ENTER})(connection, "/whip", {POST});
}}
"""
HEAR = """
() => {
  const bins = new Float32Array(analyser.frequencyBinCount);
  analyser.getFloatFrequencyData(bins);
  const hertz = analyser.context.sampleRate / analyser.fftSize;
  const loudest = bins.reduce((best, level, at) => (level > bins[best] ? at : best), 0);
  const near = (hz) => Math.max(...bins.slice(Math.floor(hz / hertz) - 4, Math.ceil(hz / hertz) + 5));
  return {hz: loudest * hertz, level: bins[loudest], at440: near(440), at1000: near(1000)};
}
"""


@pytest.fixture
def microphone(tmp_path: Path) -> Path:
    """Return a WAV file of 440 Hz for the fake microphone: whole waves only, so it loops cleanly."""
    path = tmp_path / "microphone.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes((sine(440.0, seconds=5.0) * 32_767).astype(np.int16).tobytes())
    return path


@asynccontextmanager
async def chromium(microphone: Path) -> AsyncIterator[BrowserContext]:
    async with async_playwright() as driver:
        browser = await driver.chromium.launch(
            executable_path=CHROMIUM,
            args=[
                "--no-sandbox",
                "--autoplay-policy=no-user-gesture-required",
                "--allow-loopback-in-peer-connection",  # so that a machine without a network card will do
                "--use-fake-device-for-media-stream",
                "--use-fake-ui-for-media-stream",
                f"--use-file-for-fake-audio-capture={microphone}",
            ],
        )
        yield await browser.new_context()
        await browser.close()


async def open_page(browser: BrowserContext, here: Ground, seat: str) -> Page:
    """Return a page whose requests for sound are answered by the room, as `seat`."""
    page = await browser.new_page()

    async def answer(route: Route) -> None:
        offer = route.request.post_data or ""
        if route.request.url.endswith("/whep"):
            opened = await here.room.listen(seat=seat, epoch=1, offer=offer, at=time.time())
        elif route.request.url.endswith("/whip"):
            opened = await here.room.speak(seat=seat, epoch=1, muted=False, offer=offer, at=time.time())
        else:
            await route.fulfill(
                status=200, content_type="text/html", body="<!doctype html><title>Room</title>"
            )
            return
        await route.fulfill(status=201, content_type="application/sdp", body=opened.answer)

    await page.route("**/*", answer)
    await page.goto("https://room.test/")
    return page


@pytest.mark.parametrize("addresses", [None, [wire.LOOPBACK]], ids=["on the cards", "on loopback alone"])
async def test_chromium_speaks_and_another_chromium_hears_that_tone_and_no_other(
    microphone: Path, addresses: list[str] | None
) -> None:
    async with ground(addresses) as here, chromium(microphone) as browser:
        ada = await open_page(browser, here, "ada")
        ben = await open_page(browser, here, "ben")
        await ada.evaluate(SPEAK)
        connected_in = await ben.evaluate(LISTEN)
        await asyncio.sleep(2.5)
        heard = await ben.evaluate(HEAR)
        speaking = here.room.speaking()
        hearing = await here.room.hearing(at=time.time())
        here.room.drop("ben", epoch=1)
        await asyncio.sleep(1.5)
        after = await ben.evaluate(HEAR)

    assert heard["hz"] == pytest.approx(440, abs=5)
    assert heard["at440"] - heard["at1000"] > 40
    assert after["level"] is None or after["level"] < heard["level"] - 60
    assert connected_in < 3_000
    assert (speaking, hearing) == (["ada"], ["ben"])


async def test_chromium_that_closes_its_tab_is_gone_at_once(microphone: Path) -> None:
    async with ground() as here, chromium(microphone) as browser:
        await here.speak("tone", Tone(440.0))
        ben = await open_page(browser, here, "ben")
        await ben.evaluate(LISTEN)
        await ben.evaluate("connection.close()")
        await until(lambda: here.ended() == [("ben", "listen", "left")])


FIREFOX_OFFERS = """
window.connection = new RTCPeerConnection({iceServers: []});
connection.addTransceiver("audio", {direction: "recvonly"});
await connection.setLocalDescription();
return connection.localDescription.sdp;
"""
FIREFOX_CONNECTS = """
await connection.setRemoteDescription({type: "answer", sdp: arguments[0]});
await new Promise((done) => {
  const look = () => ["connected", "failed"].includes(connection.connectionState) && done();
  connection.onconnectionstatechange = look;
  look();
});
return connection.connectionState;
"""
# Without a sound card Firefox's AudioContext never runs, so its own statistics have to say what it heard.
FIREFOX_COUNTS = """
const reports = [...(await connection.getStats()).values()];
const stream = reports.find((report) => report.type === "inbound-rtp");
return {received: stream.packetsReceived, lost: stream.packetsLost, energy: stream.totalAudioEnergy};
"""


async def test_firefox_hears_without_being_asked_for_its_microphone(tmp_path: Path) -> None:
    assert FIREFOX is not None, "Install Firefox: apt-get install firefox-esr"
    assert wire.host_addresses() != [wire.LOOPBACK], "Firefox connects to nobody without a network card"
    async with ground() as here, firefox(FIREFOX, tmp_path) as browser:
        await here.speak("tone", Tone(440.0))
        offer = str(await browser.run(FIREFOX_OFFERS))
        opened = await here.room.listen(seat="ben", epoch=1, offer=offer, at=time.time())
        state = await browser.run(FIREFOX_CONNECTS, opened.answer)
        await asyncio.sleep(2.0)
        heard = await _counts(browser)
        hearing = await here.room.hearing(at=time.time())
        here.room.drop("ben", epoch=1)
        await asyncio.sleep(0.5)
        dropped = await _counts(browser)
        await asyncio.sleep(1.0)
        later = await _counts(browser)

    assert state == "connected"
    assert heard["received"] > 60
    assert heard["energy"] > 0.01  # silence would have none, 2 s of this tone have about 0.1
    assert hearing == ["ben"]
    assert later["received"] == dropped["received"]


async def _counts(browser: Firefox) -> dict[str, float]:
    counts = await browser.run(FIREFOX_COUNTS)
    assert isinstance(counts, dict)
    return counts
