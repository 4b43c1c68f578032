"""Where a room's packets go: to the senders on this machine directly, to other machines over Redis.

An edge asks to be fed and asks again every few seconds; one that has stopped asking is forgotten.
"""

import errno
import os
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from rooms.media.feed import MOST_BYTES, Tick, pack

LEASE_SECONDS: Final = 6.0
MOST_EDGES: Final = 1_000  # of one room
SEND_BUFFER: Final = 1 << 20  # bytes; some seconds of a dozen rooms, after which packets are left out
UNIX: Final = "unix"
REDIS: Final = "redis"
_CREDENTIALS: Final = struct.Struct("3i")  # pid, uid, gid of the far side (unix(7), SO_PEERCRED)


@dataclass
class Feed:
    """One edge that is fed. `line` is None for one on another machine."""

    until: float  # unix seconds
    address: str
    line: socket.socket | None


class Feeds:
    """The edges of one room. `lines` is shared by all rooms of the process."""

    def __init__(self, lines: "Lines", *, publish: Callable[[str, bytes], None]) -> None:
        self.left_out = 0  # packets that a full line did not take
        self._lines = lines
        self._publish = publish
        self._feeds: dict[str, Feed] = {}
        self._has_far = False

    def __len__(self) -> int:
        """Return how many edges are fed."""
        return len(self._feeds)

    def renew(self, edge: str, address: str, *, at: float) -> str:
        """Feed `edge` for the coming seconds, and return how: "unix" or "redis"."""
        known = self._feeds.get(edge)
        line = known.line if known is not None and known.address == address else self._lines.get(address)
        if known is None and len(self._feeds) >= MOST_EDGES:
            self.forget_late(at=at)
        self._feeds[edge] = Feed(until=at + LEASE_SECONDS, address=address, line=line)
        self._look()
        return UNIX if line is not None else REDIS

    def forget_late(self, *, at: float) -> None:
        """Stop feeding those who have not asked again."""
        self._feeds = {edge: feed for edge, feed in self._feeds.items() if feed.until >= at}
        self._look()

    def send(self, tick: Tick) -> None:
        """Send `tick` to every edge. A line that is full loses this packet, one that is broken its edge."""
        datagram = pack(tick)
        for edge, feed in list(self._feeds.items()):
            if feed.line is None:
                continue
            try:
                feed.line.send(datagram)
            except BlockingIOError:
                self.left_out += 1
            except OSError:
                self._lines.hang_up(feed.address)
                del self._feeds[edge]
        if self._has_far:
            self._publish(tick.room, datagram)

    def _look(self) -> None:
        self._has_far = any(feed.line is None for feed in self._feeds.values())


class Lines:
    """The Unix lines of one mixer to the senders on this machine, one for each sender."""

    def __init__(self) -> None:
        self._lines: dict[str, socket.socket] = {}

    def get(self, address: str) -> socket.socket | None:
        """Return the line to the sender at the abstract address; None where nobody of ours is there."""
        if address not in self._lines:
            line = connect(address)
            if line is None:
                return None
            self._lines[address] = line
        return self._lines[address]

    def hang_up(self, address: str) -> None:
        line = self._lines.pop(address, None)
        if line is not None:
            line.close()

    def close(self) -> None:
        for address in list(self._lines):
            self.hang_up(address)


def connect(address: str) -> socket.socket | None:
    """Return a line to the sender at this abstract address, or None if it is not on this machine.

    Anybody on a machine may take an abstract name, so whoever is there must run as the same user as we do.
    """
    line = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        line.setblocking(False)
        line.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, max(SEND_BUFFER, MOST_BYTES))
        line.connect(f"\0{address}")
        credentials = line.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        if _CREDENTIALS.unpack(credentials)[1] == os.geteuid():
            return line
    except OSError as problem:
        if problem.errno not in {errno.ECONNREFUSED, errno.ENOENT, errno.EAGAIN, errno.EPROTOTYPE}:
            line.close()
            raise
    line.close()
    return None
