"""python -m benchmarks.stock --door PATH: aiortc as its examples have it, to be measured beside ours.

A MediaRelay hands decoded sound to as many listeners, and each connection encodes it for itself. It keeps a
clock of its own, and its offers must say setup:active.
"""

import argparse
import asyncio
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from aiortc import MediaStreamTrack, RTCPeerConnection, RTCSessionDescription
from aiortc.contrib.media import MediaRelay
from av import AudioFrame

from benchmarks import door
from benchmarks.tone import HERTZ
from rooms.media import machine, wire
from rooms.media.sound import FRAME_SAMPLES, SAMPLE_RATE


def main() -> None:
    parser = argparse.ArgumentParser(description="aiortc's MediaRelay, to be measured.")
    parser.add_argument("--door", type=Path, required=True)
    parser.add_argument("--host", default=machine.LOOPBACK, help="this machine's address to listen on")
    given = parser.parse_args()
    asyncio.run(door.serve(given.door, _Stock(given.host).reply))


class _Stock:
    def __init__(self, host: str) -> None:
        self._host = host
        self._relay = MediaRelay()
        self._source = _Tone()
        self._connections: dict[int, RTCPeerConnection] = {}

    async def reply(self, question: dict[str, Any]) -> dict[str, Any] | None:
        match question:
            case {"op": "listen", "number": int(number), "offer": str(offer)}:
                return {"answer": await self._listen(number, offer)}
            case {"op": "leave", "number": int(number)}:
                await wire.hang_up(self._connections.pop(number))
                return None
            case _:
                return {}

    async def _listen(self, number: int, offer: str) -> str:
        connection = self._connections[number] = wire.new_connection()
        track = self._relay.subscribe(self._source)
        wire.bind(connection.addTransceiver(track, direction="sendonly"), machine.Reach([self._host]))
        await connection.setRemoteDescription(RTCSessionDescription(sdp=offer, type="offer"))
        await connection.setLocalDescription(await connection.createAnswer())
        return connection.localDescription.sdp


class _Tone(MediaStreamTrack):
    """A source for the relay: decoded sound, 20 ms at a time."""

    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        self._start: float | None = None
        self._count = 0

    async def recv(self) -> AudioFrame:
        loop = asyncio.get_running_loop()
        self._start = loop.time() if self._start is None else self._start
        await asyncio.sleep(self._start + self._count * 0.02 - loop.time())
        at = np.arange(self._count * FRAME_SAMPLES, (self._count + 1) * FRAME_SAMPLES)
        samples = (0.3 * 32_767 * np.sin(2 * np.pi * HERTZ * at / SAMPLE_RATE)).astype(np.int16)
        frame = AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate, frame.pts = SAMPLE_RATE, self._count * FRAME_SAMPLES
        frame.time_base = Fraction(1, SAMPLE_RATE)
        self._count += 1
        return frame


if __name__ == "__main__":
    main()
