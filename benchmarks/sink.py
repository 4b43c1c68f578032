"""Where a benchmark takes a room's packets as they leave the mixer: a line such as a sender has."""

import asyncio
import contextlib
import secrets
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from rooms.media import feed

Take = Callable[[feed.Tick, float], None]  # the packet, and the loop time at which it came


@asynccontextmanager
async def open_sink(take: Take) -> AsyncIterator[str]:
    """Yield the abstract Unix name at which a mixer can feed us, and call `take` for each packet it sends."""
    name = secrets.token_hex(16)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK) as door:
        door.bind(f"\0{name}")
        door.listen(1)
        hearing = asyncio.create_task(_hear(door, take))
        try:
            yield name
        finally:
            hearing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await hearing


async def _hear(door: socket.socket, take: Take) -> None:
    loop = asyncio.get_running_loop()
    while True:
        mixer, _ = await loop.sock_accept(door)
        with mixer:
            while datagram := await loop.sock_recv(mixer, feed.MOST_BYTES):
                take(feed.unpack(datagram), loop.time())
