"""What one listener costs: our plain path against aiortc's own MediaRelay, in the same run.

    python -m benchmarks.listeners --listeners 20 50 --seconds 10

Prints one JSON object. `us_per_listener_s` is the server process's CPU (user and system) in microseconds
for each listener and second; `marginal_…` is the same between the smallest and the largest size, without
what is fixed. The listeners are real aiortc clients in this process, made light by a kernel filter that
drops their RTP; the first of each size has no filter and says which tone it heard. On loopback the kernel's
receiving half is charged to the sender too.
"""

import argparse
import asyncio
import ctypes
import json
import socket
import struct
import sys
import time
from fractions import Fraction
from typing import Any, Final, Protocol

import numpy as np
from aiortc import MediaStreamTrack, RTCPeerConnection, RTCSessionDescription
from aiortc.contrib.media import MediaRelay
from av import AudioFrame

from rooms.media import clock, wire
from rooms.media.ear import Heard, Notes
from rooms.media.house import House
from rooms.media.opus import Encoder, OpusPacket, packet
from rooms.media.sound import FRAME_SAMPLES, SAMPLE_RATE, Samples

HERTZ: Final = 440.0
_LINE_BYTES: Final = 1 << 20
_SO_ATTACH_FILTER: Final = 26  # Linux; Python gives it no name


def main() -> None:
    parser = argparse.ArgumentParser(description="CPU per listener, ours against aiortc's MediaRelay.")
    parser.add_argument("--listeners", type=int, nargs="+", default=[20, 50])
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--serve", choices=sorted(_SERVERS), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        asyncio.run(_serve(_SERVERS[given.serve]))
        return
    print(json.dumps(asyncio.run(_measure_all(sorted(given.listeners), given.seconds)), indent=2))


# The measuring side.


async def _measure_all(sizes: list[int], seconds: float) -> dict[str, object]:
    results: dict[str, object] = {"listeners": sizes, "seconds": seconds}
    for kind in _SERVERS:
        results[kind] = _summary([await _measure(kind, size, seconds) for size in sizes])
    return results


def _summary(runs: list[dict[str, float]]) -> dict[str, object]:
    first, last = runs[0], runs[-1]
    summary: dict[str, object] = {"runs": runs}
    if last["listeners"] > first["listeners"]:
        more = (last["cpu_us_per_s"] - first["cpu_us_per_s"]) / (last["listeners"] - first["listeners"])
        summary["marginal_us_per_listener_s"] = round(more, 1)
    return summary


async def _measure(kind: str, listeners: int, seconds: float) -> dict[str, float]:
    server = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.listeners", "--serve", kind,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=_LINE_BYTES,
    )  # fmt: skip
    try:
        voice = await _speaker(server) if kind == "ours" else None
        notes = Notes(asked_at=time.time())
        clients = [await _listener(server, notes if number == 0 else None) for number in range(listeners)]
        await asyncio.wait_for(notes.begun.wait(), 20)
        await asyncio.sleep(2.0)
        before = await _ask(server, {"op": "cpu"})
        await asyncio.sleep(seconds)
        after = await _ask(server, {"op": "cpu"})
        heard = notes.heard(cut=notes.over)
        for connection in [*clients, *([voice] if voice else [])]:
            await wire.hang_up(connection)
    finally:
        server.terminate()
        await server.wait()
    return _figures(listeners, before=before, after=after, heard=heard)


def _figures(
    listeners: int, *, before: dict[str, float], after: dict[str, float], heard: Heard
) -> dict[str, float]:
    wall = after["wall"] - before["wall"]
    per_second = (after["cpu"] - before["cpu"]) / wall * 1e6
    return {
        "listeners": listeners,
        "cpu_us_per_s": round(per_second),
        "us_per_listener_s": round(per_second / listeners, 1),
        "share_of_a_core": round(per_second / 1e6, 3),
        "ticks_left_out": after["left_out"] - before["left_out"],
        "heard_hz": round(heard.dominant_hz or 0.0, 1),
    }


async def _speaker(server: asyncio.subprocess.Process) -> RTCPeerConnection:
    connection = wire.new_connection()
    wire.bind(connection.addTransceiver(_ToneOfPackets(), direction="sendonly"), wire.near_addresses())
    await _offer(server, connection, op="speak")
    return connection


async def _listener(server: asyncio.subprocess.Process, notes: Notes | None) -> RTCPeerConnection:
    connection = wire.new_connection()
    transceiver = connection.addTransceiver("audio", direction="recvonly")
    wire.bind(transceiver, wire.near_addresses())
    if notes is not None:
        connection.on("track", notes.take_from)
    await _offer(server, connection, op="listen")
    if notes is None:
        ice = transceiver.sender.transport.transport.iceGatherer._connection  # noqa: SLF001 -- its sockets
        for protocol in ice._protocols:  # noqa: SLF001 -- the same
            _drop_rtp(protocol.transport.get_extra_info("socket"))
    return connection


async def _offer(server: asyncio.subprocess.Process, connection: RTCPeerConnection, *, op: str) -> None:
    await connection.setLocalDescription(await connection.createOffer())
    answered = await _ask(server, {"op": op, "offer": connection.localDescription.sdp})
    await connection.setRemoteDescription(RTCSessionDescription(sdp=str(answered["answer"]), type="answer"))


async def _ask(server: asyncio.subprocess.Process, question: dict[str, str]) -> dict[str, Any]:
    if server.stdin is None or server.stdout is None:
        raise RuntimeError("the server has no pipes")
    server.stdin.write(json.dumps(question).encode() + b"\n")
    await server.stdin.drain()
    answer: dict[str, Any] = json.loads(await asyncio.wait_for(server.stdout.readline(), 20))
    return answer


def _drop_rtp(sock: socket.socket) -> None:
    """Let the kernel drop what begins with the bits 10 (RTP and RTCP, RFC 7983) and pass STUN and DTLS."""
    program = (
        (0x30, 0, 0, 8),  # load the first octet after the UDP header
        (0x54, 0, 0, 0xC0),
        (0x15, 0, 1, 0x80),
        (0x06, 0, 0, 0),  # drop
        (0x06, 0, 0, 0xFFFF),  # pass
    )
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in program))
    wanted = struct.pack("HL", len(program), ctypes.addressof(code))
    # asyncio hands out a socket that may not be configured; its twin on the same descriptor may.
    with socket.socket(fileno=sock.fileno()) as twin:
        twin.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, wanted)
        twin.detach()


# The measured side, a process of its own.


class _Server(Protocol):
    left_out: int

    async def speak(self, offer: str) -> str: ...

    async def listen(self, offer: str) -> str: ...


class _Ours:
    """The plain path: one mix, encoded once, its packets shared."""

    def __init__(self) -> None:
        self.left_out = 0
        self._next = 0
        self._seats = 0
        self._house = House(addresses=wire.near_addresses(), tell=lambda _: None, most_listeners=10_000)
        self._room = self._house.room("bench", at=time.time())
        self._ticking = asyncio.get_running_loop().create_task(clock.run(self._tick))

    async def speak(self, offer: str) -> str:
        opened = await self._room.speak(seat="voice", epoch=1, muted=False, offer=offer, at=time.time())
        return opened.answer

    async def listen(self, offer: str) -> str:
        self._seats += 1
        opened = await self._room.listen(seat=f"ear-{self._seats}", epoch=1, offer=offer, at=time.time())
        return opened.answer

    def _tick(self, number: int) -> None:
        self.left_out += number - self._next
        self._next = number + 1
        self._house.tick(number)


class _Stock:
    """aiortc as its examples have it: a MediaRelay, and one encoder for each listener."""

    def __init__(self) -> None:
        self.left_out = 0
        self._relay = MediaRelay()
        self._source = _ToneOfFrames()
        self._connections: list[RTCPeerConnection] = []

    async def speak(self, offer: str) -> str:
        raise NotImplementedError("the stock server has a source of its own")

    async def listen(self, offer: str) -> str:
        connection = wire.new_connection()
        track = self._relay.subscribe(self._source)
        wire.bind(connection.addTransceiver(track, direction="sendonly"), wire.near_addresses())
        await connection.setRemoteDescription(RTCSessionDescription(sdp=offer, type="offer"))
        await connection.setLocalDescription(await connection.createAnswer())
        self._connections.append(connection)
        return connection.localDescription.sdp


_SERVERS: Final[dict[str, type[_Ours | _Stock]]] = {"ours": _Ours, "stock": _Stock}


async def _serve(make: type[_Ours | _Stock]) -> None:
    """Answer questions, one JSON object a line, until the measuring side ends us."""
    server = make()
    questions = await _questions()
    while line := await questions.readline():
        print(json.dumps(await _answer(server, json.loads(line))), flush=True)


async def _questions() -> asyncio.StreamReader:
    reader = asyncio.StreamReader(limit=_LINE_BYTES)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    return reader


async def _answer(server: _Server, question: dict[str, str]) -> dict[str, object]:
    match question["op"]:
        case "speak":
            return {"answer": await server.speak(question["offer"])}
        case "listen":
            return {"answer": await server.listen(question["offer"])}
        case _:
            return {"cpu": time.process_time(), "wall": time.monotonic(), "left_out": server.left_out}


class _ToneOfPackets(MediaStreamTrack):
    """A speaker for the house: Opus, 20 ms at a time."""

    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        self._beat = _Beat()
        self._encoder = Encoder(bitrate=64_000)

    async def recv(self) -> OpusPacket:
        pts = await self._beat.next()
        return packet(self._encoder.encode(_tone(pts)), pts=pts)


class _ToneOfFrames(MediaStreamTrack):
    """A source for the relay: decoded sound, which each listener's connection encodes for itself."""

    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        self._beat = _Beat()

    async def recv(self) -> AudioFrame:
        pts = await self._beat.next()
        samples = (_tone(pts) * 32_767).astype(np.int16).reshape(1, -1)
        frame = AudioFrame.from_ndarray(samples, format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = SAMPLE_RATE, pts, Fraction(1, SAMPLE_RATE)
        return frame


class _Beat:
    def __init__(self) -> None:
        self._start: float | None = None
        self._count = 0

    async def next(self) -> int:
        """Wait for the next 20 ms and return their place in samples."""
        loop = asyncio.get_running_loop()
        self._start = loop.time() if self._start is None else self._start
        await asyncio.sleep(self._start + self._count * clock.TICK - loop.time())
        self._count += 1
        return (self._count - 1) * FRAME_SAMPLES


def _tone(pts: int) -> Samples:
    at = np.arange(pts, pts + FRAME_SAMPLES)
    return (0.3 * np.sin(2 * np.pi * HERTZ * at / SAMPLE_RATE)).astype(np.float32)


if __name__ == "__main__":
    main()
