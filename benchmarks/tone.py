"""python -m benchmarks.tone: a tone, encoded once per packet on the 20 ms clock, for a server to send on.

To our edges it is what a mixer is (`--feed NAME`: the Unix socket of a sender), to Janus a plain RTP source
(`--rtp HOST:PORT`). It takes orders on its standard input, one JSON object a line, and answers each:
{"op": "hush", "packets": 5} leaves out that many packets, so that all that was sent has arrived when the
swarm counts; {"op": "count"} only says how many were sent.
"""

import argparse
import json
import os
import secrets
import select
import socket
import struct
import sys
import time
from collections.abc import Callable
from typing import Final

import numpy as np

from rooms.media import feed
from rooms.media.opus import Encoder
from rooms.media.sound import FRAME_SAMPLES, SAMPLE_RATE, Samples

HERTZ: Final = 440.0
ROOM: Final = "bench"
PAYLOAD_TYPE: Final = 111
_RTP: Final = struct.Struct("!BBHII")
_NOTED: Final = (5, 20, 40)  # ms

Send = Callable[[int, bytes], None]  # number of the first 20 ms, Opus


def main() -> None:
    parser = argparse.ArgumentParser(description="A tone for a server under test.")
    parser.add_argument("--ptime", type=int, default=20, choices=(20, 40, 60))
    parser.add_argument("--feed", action="append", default=[], help="a sender's abstract Unix name")
    parser.add_argument("--rtp", action="append", default=[], help="HOST:PORT for plain RTP")
    given = parser.parse_args()
    frames = given.ptime // 20
    ways = [_to_sender(name, frames) for name in given.feed] + [_to_rtp(place) for place in given.rtp]
    Tone(ways, frames=frames).sound()


class Tone:
    def __init__(self, ways: list[Send], *, frames: int) -> None:
        self._ways = ways
        self._frames = frames
        self._encoder = Encoder(frames=frames)
        self._sent = self._bytes = 0
        self._hush = 0
        self._late = dict.fromkeys(_NOTED, 0)
        self._half = b""
        self._over = False

    def sound(self) -> None:
        """Send until standard input ends. A packet that is over when we wake is left out, with its time."""
        period = self._frames * 0.02
        start, number = time.monotonic(), 0
        while not self._over:
            self._wait_until(start + number * period)
            late = time.monotonic() - start - number * period
            self._note(late)
            number += int(late / period)
            if self._hush:
                self._hush -= 1
            else:
                self._send(number * self._frames)
            number += 1

    def _send(self, number: int) -> None:
        packet = self._encoder.encode(_tone(number, self._frames))
        for send in self._ways:
            send(number, packet)
        self._sent += 1
        self._bytes += len(packet)

    def _wait_until(self, when: float) -> None:
        while (left := when - time.monotonic()) > 0 and not self._over:
            if select.select([sys.stdin], [], [], left)[0]:
                self._read()

    def _note(self, late: float) -> None:
        for limit in _NOTED:
            self._late[limit] += late * 1000 > limit

    def _read(self) -> None:
        piece = os.read(sys.stdin.fileno(), 4_096)
        self._over = not piece
        *lines, self._half = (self._half + piece).split(b"\n")
        for line in lines:
            order = json.loads(line)
            if order["op"] == "hush":
                self._hush = int(order["packets"])
            print(json.dumps(self._told()), flush=True)

    def _told(self) -> dict[str, object]:
        return {
            "sent": self._sent,
            "payload_bytes": round(self._bytes / max(self._sent, 1)),
            "late_over_ms": {str(limit): times for limit, times in self._late.items()},
        }


def _to_sender(name: str, frames: int) -> Send:
    line = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    line.connect("\0" + name)
    line.setblocking(False)
    source = secrets.randbits(63)

    def send(number: int, packet: bytes) -> None:
        tick = feed.Tick(room=ROOM, source=source, number=number, frames=frames, house=packet)
        try:
            line.send(feed.pack(tick))
        except BlockingIOError:
            return  # the sender is behind; it will count what it missed as a jump in time

    return send


def _to_rtp(place: str) -> Send:
    host, _, port = place.rpartition(":")
    line = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    line.connect((host, int(port)))
    source = secrets.randbits(32)
    sequence = 0

    def send(number: int, packet: bytes) -> None:
        nonlocal sequence
        sequence = (sequence + 1) & 0xFFFF
        stamp = number * FRAME_SAMPLES & 0xFFFF_FFFF
        try:
            line.send(_RTP.pack(0x80, PAYLOAD_TYPE, sequence, stamp, source) + packet)
        except ConnectionRefusedError:
            return  # nobody listens there yet

    return send


def _tone(number: int, frames: int) -> Samples:
    at = np.arange(number * FRAME_SAMPLES, (number + frames) * FRAME_SAMPLES)
    return (0.3 * np.sin(2 * np.pi * HERTZ * at / SAMPLE_RATE)).astype(np.float32)


if __name__ == "__main__":
    main()
