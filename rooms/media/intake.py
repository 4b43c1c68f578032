"""Reading an edge's socket: at once while somebody is on the way in, else in batches.

Who listens says something every other second, and comes alone: the process wakes with cold caches, reads one
datagram and sleeps again. After a pause of 20 ms it reads ten at a time in a room of a thousand, and nobody
misses the answer meanwhile: checks of consent (RFC 7675) have seconds to come back.
"""

import asyncio
import socket
from collections.abc import Callable
from typing import Final

from rooms.media.stun import Address

PAUSE_SECONDS: Final = 0.02
MOST_AT_ONCE: Final = 64  # datagrams, before others in this process have their turn
DATAGRAM_BYTES: Final = 2_048  # nothing a listener has to say is longer


class Intake:
    """Hands each datagram of `source` to `take`. While `is_calm()`, it pauses after each reading."""

    def __init__(
        self, source: socket.socket, *, take: Callable[[bytes, Address], None], is_calm: Callable[[], bool]
    ) -> None:
        self._source = source
        self._take = take
        self._is_calm = is_calm
        self._loop = asyncio.get_running_loop()
        self._pause: asyncio.TimerHandle | None = None
        self._loop.add_reader(source, self._read)

    def hurry(self) -> None:
        """Read at once from now on, until it is calm again."""
        if self._pause is not None:
            self._pause.cancel()
            self._resume()

    def close(self) -> None:
        """Read nothing more."""
        if self._pause is not None:
            self._pause.cancel()
        self._loop.remove_reader(self._source)

    def _read(self) -> None:
        for _ in range(MOST_AT_ONCE):
            try:
                datagram, address = self._source.recvfrom(DATAGRAM_BYTES)
            except BlockingIOError:
                break
            except OSError:
                continue  # an ICMP error about somebody else's packet
            self._take(datagram, address)
        else:
            return  # there is more
        if self._is_calm():
            self._loop.remove_reader(self._source)
            self._pause = self._loop.call_later(PAUSE_SECONDS, self._resume)

    def _resume(self) -> None:
        self._pause = None
        self._loop.add_reader(self._source, self._read)
