"""Chromium as a speaker and as a listener, driven by Playwright.

No web server: each page is made of thin air by the driver, and its offers come straight to who answers them.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

from playwright.async_api import BrowserContext, Page, Route, async_playwright

from tests import network

CHROMIUM = "/usr/bin/chromium"

Answer = Callable[[str], Awaitable[str]]  # an SDP offer in, its answer out

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
COUNTS = """
async () => {
  const reports = [...(await connection.getStats()).values()];
  const stream = reports.find((report) => report.type === "inbound-rtp");
  return {received: stream.packetsReceived, lost: stream.packetsLost, concealed: stream.concealedSamples};
}
"""
# The connection itself takes seconds to call itself disconnected; its DTLS says at once that it is over.
IS_TOLD = """
() => connection.getReceivers()[0].transport.state === "closed"
"""


@asynccontextmanager
async def chromium(microphone: Path) -> AsyncIterator[BrowserContext]:
    """Run a Chromium that takes the WAV file `microphone` for its microphone, while the block lasts."""
    async with async_playwright() as driver:
        browser = await driver.chromium.launch(
            executable_path=CHROMIUM,
            args=[
                "--no-sandbox",
                *network.CHROMIUM_FLAGS,
                "--autoplay-policy=no-user-gesture-required",
                "--allow-loopback-in-peer-connection",  # so that a machine without a network card will do
                "--use-fake-device-for-media-stream",
                "--use-fake-ui-for-media-stream",
                f"--use-file-for-fake-audio-capture={microphone}",
            ],
        )
        yield await browser.new_context()
        await browser.close()


async def open_page(browser: BrowserContext, doors: Mapping[str, Answer]) -> Page:
    """Return a page whose offers to "/whep", "/whip" or both are answered by these functions."""
    page = await browser.new_page()

    async def answer(route: Route) -> None:
        door = doors.get(urlsplit(route.request.url).path)
        if door is None:
            await route.fulfill(
                status=200, content_type="text/html", body="<!doctype html><title>Room</title>"
            )
            return
        answered = await door(route.request.post_data or "")
        await route.fulfill(status=201, content_type="application/sdp", body=answered)

    await page.route("**/*", answer)
    await page.goto("https://room.test/")
    return page
