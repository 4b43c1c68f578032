"""python -m benchmarks.besieger: a process that throws random and crafted datagrams at UDP ports of loopback.

One order on its standard input: {"op": "besiege", "ports": [40000], "peers": [50000], "seconds": 10,
"per_second": 2000, "seed": 1}. Every other datagram pretends to come from one of `peers`, where raw sockets
are allowed; the rest comes from a socket of our own, which counts what is answered.
"""

import contextlib
import json
import random
import socket
import struct
import sys
import time
import zlib
from collections.abc import Sequence
from typing import Final

from rooms.media import stun

LOOPBACK: Final = "127.0.0.1"
MOST_BYTES: Final = 4_500
_BURST_SECONDS: Final = 0.01
_COOKIE: Final = 0x2112A442
_KINDS: Final = (
    0x0001,
    0x0101,
    0x0111,
    0x0011,
    0x0003,
    0x3FFF,
)  # of STUN messages: requests, answers, others
_NAMES: Final = (
    0x0001,
    0x0006,
    0x0008,
    0x0009,
    0x000C,
    0x0014,
    0x0020,
    0x0024,
    0x0025,
    0x8022,
    0x8028,
    0x8029,
)
_RECORD_TYPES: Final = (20, 21, 22, 22, 22, 23, 24, 25, 63)


class Besieger:
    """Makes datagrams of every kind that shares a port in WebRTC (RFC 7983), from length zero up."""

    def __init__(self, seed: int) -> None:
        self._dice = random.Random(seed)  # noqa: S311 -- to be thrown again, not to be guessed

    def datagram(self) -> bytes:
        make = self._dice.choice(
            (self._nothing, self._noise, self._stun, self._stun, self._dtls, self._rtp, self._large)
        )
        return make()

    def _nothing(self) -> bytes:
        return b""

    def _noise(self) -> bytes:
        return self._bytes(64)

    def _bytes(self, most: int) -> bytes:
        return self._dice.randbytes(self._dice.randint(0, most))

    def _stun(self) -> bytes:
        """Return a message with a right head, and now and then all that a request needs but the password."""
        if self._dice.random() < 0.2:
            whole = stun.ask(
                name="nobody:here",
                password=b"a wrong password",
                transaction=stun.new_transaction(),
                priority=1,
                tie_breaker=1,
                nominate=True,
            )
            return whole[: self._dice.choice((len(whole), self._dice.randint(0, len(whole))))]
        attributes = b""
        for _ in range(self._dice.randint(0, 4)):
            value = self._bytes(24)
            head = struct.pack("!HH", self._dice.choice(_NAMES), len(value))
            attributes += head + value + b"\x00" * (-len(value) % 4)
        length = len(attributes) + 8
        said = struct.pack("!HHI12s", self._dice.choice(_KINDS), length, _COOKIE, self._dice.randbytes(12))
        said += attributes
        mark = zlib.crc32(said) ^ 0x5354554E
        return said + struct.pack("!HHI", 0x8028, 4, mark)

    def _dtls(self) -> bytes:
        """Return a record, a ClientHello by its head more often than not, of a right or a wrong length."""
        body = self._bytes(120)
        kind = self._dice.choice(_RECORD_TYPES)
        if kind == 22:
            body = b"\x01" + len(body).to_bytes(3, "big") + bytes(5) + len(body).to_bytes(3, "big") + body
        length = self._dice.choice((len(body), self._dice.randint(0, 65_535)))
        return (
            struct.pack(
                "!BHHHIH", kind, 0xFEFD, self._dice.randint(0, 2), 0, self._dice.randint(0, 9), length
            )
            + body
        )

    def _rtp(self) -> bytes:
        """Return what looks like RTP or RTCP."""
        return bytes([self._dice.randint(128, 191), self._dice.randint(0, 255)]) + self._bytes(160)

    def _large(self) -> bytes:
        first = self._dice.choice((0, 1, 22, 128, 200, 255))
        return bytes([first]) * self._dice.randint(1_200, MOST_BYTES)


def udp(datagram: bytes, *, source: int, target: int) -> bytes:
    """Return the IPv4 packet that carries `datagram` between two ports of loopback; without checksums."""
    size = 8 + len(datagram)
    address = socket.inet_aton(LOOPBACK)
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + size, 0, 0, 64, socket.IPPROTO_UDP, 0, address, address)
    return head + struct.pack("!HHHH", source, target, size, 0) + datagram


def besiege(
    *, ports: Sequence[int], peers: Sequence[int], seconds: float, per_second: float, seed: int
) -> dict[str, object]:
    """Throw datagrams at `ports` in turn; return how many went, and what came back."""
    besieger = Besieger(seed)
    sent = spoofed = answers = answered = 0
    with contextlib.ExitStack() as open_sockets:
        own = open_sockets.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        own.bind((LOOPBACK, 0))
        own.setblocking(False)
        raw = _raw(open_sockets) if peers else None
        began = time.monotonic()
        while (passed := time.monotonic() - began) < seconds:
            while sent < passed * per_second:
                datagram, port = besieger.datagram(), ports[sent % len(ports)]
                if raw is not None and sent // len(ports) % 2:
                    peer = peers[spoofed % len(peers)]
                    raw.sendto(udp(datagram, source=peer, target=port), (LOOPBACK, 0))
                    spoofed += 1
                else:
                    own.sendto(datagram, (LOOPBACK, port))
                sent += 1
            with contextlib.suppress(BlockingIOError):
                while True:
                    answered += len(own.recv(MOST_BYTES))
                    answers += 1
            time.sleep(_BURST_SECONDS)
    return {"sent": sent, "spoofed": spoofed, "answers": answers, "answered_bytes": answered}


def _raw(open_sockets: contextlib.ExitStack) -> socket.socket | None:
    try:
        raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    except PermissionError:
        return None
    return open_sockets.enter_context(raw)


def main() -> None:
    for line in sys.stdin:
        order = json.loads(line)
        del order["op"]
        print(json.dumps(besiege(**order)), flush=True)


if __name__ == "__main__":
    main()
