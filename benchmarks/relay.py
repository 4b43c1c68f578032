"""A bad network, made on this machine: a UDP relay that loses, delays and reorders what a speaker sends.

Three harms, each with its own dial, from one seed:

* `loss`: this share of the packets does not arrive, each by its own luck.
* `jitter_ms`: each packet waits in a queue for anything up to twice this, as `tc netem delay 80ms 80ms` has
  it; a queue keeps the order, so packets bunch up behind a slow one. With `tail` the wait is exponential
  instead, this being its mean and three times this the most: a network with rare and long hiccups.
* `reorder`: this share takes a longer way round (20 to 60 ms more) and is overtaken by one to three packets.

Only RTP from the client suffers; STUN, DTLS and RTCP pass (RFC 7983, RFC 5761), and so does all that comes
back. It needs no root: the client is told the relay's address instead of the server's.
"""

import asyncio
import math
import random
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

LOOPBACK: Final = "127.0.0.1"
_CUT: Final = 3.0  # times the mean; no packet waits longer, even in the tail
_WAY_ROUND: Final = (0.020, 0.060)  # seconds
_JITTER_WEIGHT: Final = 1 / 16  # RFC 3550 §6.4.1
_CANDIDATE: Final = re.compile(r"^a=candidate:.*\r?\n", re.MULTILINE)
_HOST: Final = re.compile(
    r"^a=candidate:\S+ 1 udp \d+ (?P<ip>[0-9.]+) (?P<port>\d+) typ host", re.MULTILINE | re.IGNORECASE
)

Address = tuple[str, int]


class NoWay(Exception):
    """The answer names no IPv4 address to which a relay could pass things on."""


@dataclass(frozen=True)
class Harm:
    """What the network does. The same seed does the same to the same packets, counted from the first."""

    loss: float = 0.0  # share, 0 … 1
    jitter_ms: float = 0.0
    reorder: float = 0.0  # share, 0 … 1
    seed: int = 1
    tail: bool = False


@dataclass
class Told:
    """What the network did to the RTP that came in."""

    came: int = 0
    lost: int = 0
    overtaken: int = 0
    jitter_ms: float = 0.0  # RFC 3550's, of what goes out, of packets sent evenly
    held_ms: list[float] = field(default_factory=list)  # each packet that went on


class Luck:
    """Decides about one packet after another."""

    def __init__(self, harm: Harm) -> None:
        self.told = Told()
        self._harm = harm
        self._dice = random.Random(harm.seed)  # noqa: S311 -- a repeatable network, no secret
        self._queue_free = float("-inf")
        self._transit: float | None = None

    def delay(self, at: float) -> float | None:
        """Return for how many seconds the packet that comes at `at` is held, or None if it is lost."""
        # Every packet throws all its dice, so that turning one dial leaves the other two harms as they were.
        lost, aside = self._dice.random() < self._harm.loss, self._dice.random() < self._harm.reorder
        wait, way_round = self._wait(self._dice.random()), self._dice.uniform(*_WAY_ROUND)
        self.told.came += 1
        if lost:
            self.told.lost += 1
            return None
        leaves = max(at + wait * self._harm.jitter_ms / 1000, self._queue_free)
        if aside:
            self.told.overtaken += 1
            return self._note(leaves + way_round - at)
        self._queue_free = leaves
        return self._note(leaves - at)

    def _wait(self, luck: float) -> float:
        """Return how long a packet of this luck (0 … 1) waits, in units of the jitter; 1 on average."""
        return min(-math.log(1.0 - luck), _CUT) if self._harm.tail else 2.0 * luck

    def _note(self, transit: float) -> float:
        self.told.held_ms.append(transit * 1000)
        before, self._transit = self._transit, transit
        if before is not None:
            moved = abs(transit - before) * 1000
            self.told.jitter_ms += (moved - self.told.jitter_ms) * _JITTER_WEIGHT
        return transit


class Relay:
    """Stands between one client and one server. Make it with `open_relay`."""

    def __init__(self, server: Address, luck: Luck) -> None:
        self.luck = luck
        self._server = server
        self._client: Address | None = None
        self._loop = asyncio.get_running_loop()
        self._near: asyncio.DatagramTransport | None = None
        self._far: asyncio.DatagramTransport | None = None

    async def open(self) -> Address:
        """Return the address at which the client is served."""
        self._near, _ = await self._loop.create_datagram_endpoint(
            lambda: _Ear(self._from_client), local_addr=(LOOPBACK, 0)
        )
        self._far, _ = await self._loop.create_datagram_endpoint(
            lambda: _Ear(self._from_server), local_addr=(LOOPBACK, 0)
        )
        ip, port = self._near.get_extra_info("sockname")
        return ip, port

    def close(self) -> None:
        """Let go of both sockets; what is still held back is lost."""
        for transport in (self._near, self._far):
            if transport is not None:
                transport.close()
        self._near = self._far = None

    def _from_client(self, data: bytes, address: Address) -> None:
        self._client = address
        if not is_rtp(data):
            self._on(data)
            return
        delay = self.luck.delay(self._loop.time())
        if delay is None:
            return
        if delay <= 0.0:
            self._on(data)
        else:
            self._loop.call_later(delay, self._on, data)

    def _on(self, data: bytes) -> None:
        if self._far is not None:
            self._far.sendto(data, self._server)

    def _from_server(self, data: bytes, _: Address) -> None:
        if self._near is not None and self._client is not None:
            self._near.sendto(data, self._client)


class Through(NamedTuple):
    """What to give the client instead of the server's answer, and the relay that it then goes through."""

    answer: str
    relay: Relay


async def open_relay(answer: str, harm: Harm) -> Through:
    """Return the answer by which a client connects through a new relay. Raises NoWay."""
    found = _HOST.search(answer)
    if found is None:
        raise NoWay("The answer has no IPv4 host candidate.")
    relay = Relay((found["ip"], int(found["port"])), Luck(harm))
    return Through(_redirected(answer, await relay.open()), relay)


def without_candidates(offer: str) -> str:
    """Return the offer without the client's addresses, so that a server finds no way past the relay.

    The house's own gate drops them anyway; a stock server would send its checks straight to them.
    """
    return _CANDIDATE.sub("", offer).replace("a=end-of-candidates\r\n", "")


def is_rtp(data: bytes) -> bool:
    """Return whether this is RTP, and neither STUN, DTLS nor RTCP (RFC 7983, RFC 5761 §4)."""
    return len(data) > 1 and 128 <= data[0] <= 191 and not 64 <= data[1] & 0x7F < 96


def _redirected(answer: str, address: Address) -> str:
    ip, port = address
    line = f"a=candidate:relay 1 udp 2130706431 {ip} {port} typ host\r\n"
    given = iter([line])
    return _CANDIDATE.sub(lambda _: next(given, ""), answer)


class _Ear(asyncio.DatagramProtocol):
    def __init__(self, hear: Callable[[bytes, Address], None]) -> None:
        self._hear = hear

    def datagram_received(self, data: bytes, addr: Address) -> None:
        self._hear(data, addr)
