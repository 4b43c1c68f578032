"""How an edge gets the mixes of the rooms it serves: it asks each room's home to feed it, and asks again.

The home may die, move, or be on another machine; the lease asked for here is short, and what is asked again
every two seconds needs nobody to remember it.
"""

import asyncio
import contextlib
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from rooms.media import feeds, line, register

LOOK_SECONDS: Final = 0.2  # a new home is found before the first speaker has moved there
RENEW_SECONDS: Final = 2.0
MOST_ASKED_AT_ONCE: Final = 16

log = structlog.get_logger("rooms.media")


@dataclass
class Lease:
    home: str
    asked_at: float  # loop time
    via: str


class Feeding:
    """Keeps the rooms of one edge fed, at `address`, its sender's abstract Unix name.

    `redis` gives bytes, for that is what packets are.
    """

    def __init__(self, redis: "Redis", *, edge: str, address: str, rooms: Callable[[], list[str]]) -> None:
        self._redis = redis
        self._edge = edge
        self._address = address
        self._rooms = rooms
        self._leases: dict[str, Lease] = {}
        self._kick = asyncio.Event()
        self._far = redis.pubsub(ignore_subscribe_messages=True)
        self._sender: socket.socket | None = None
        self._places = asyncio.Semaphore(MOST_ASKED_AT_ONCE)

    def look_now(self) -> None:
        """Look at once: a room has come."""
        self._kick.set()

    async def run(self) -> None:
        """Keep every room fed until cancelled."""
        try:
            await asyncio.gather(self._look_again_and_again(), self._forward())
        finally:
            if self._sender is not None:
                self._sender.close()
            with contextlib.suppress(RedisError, OSError):
                await self._far.aclose()  # type: ignore[no-untyped-call]

    async def _look_again_and_again(self) -> None:
        while True:
            self._kick.clear()
            try:
                await self._look()
            except (RedisError, OSError) as problem:
                log.warning("media_redis_away", problem=type(problem).__name__)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._kick.wait()

    async def _look(self) -> None:
        rooms = self._rooms()
        for room in set(self._leases) - set(rooms):
            await self._leave(room)
        if not rooms:
            return
        homes = await self._redis.mget([register.home_key(room) for room in rooms])
        now = asyncio.get_running_loop().time()
        known = [
            (room, home.decode()) for room, home in zip(rooms, homes, strict=True) if isinstance(home, bytes)
        ]
        due = [(room, home) for room, home in known if self._is_due(room, home, now=now)]
        await asyncio.gather(*(self._ask(room, home) for room, home in due))

    def _is_due(self, room: str, home: str, *, now: float) -> bool:
        lease = self._leases.get(room)
        return lease is None or lease.home != home or now - lease.asked_at >= RENEW_SECONDS

    async def _ask(self, room: str, home: str) -> None:
        before = self._leases.get(room)
        moved = before is not None and before.home != home
        call = {"op": "feed", "room": room, "edge": self._edge, "at_name": self._address, "moved": moved}
        async with self._places:
            try:
                told = await line.ask(self._redis, home, call)
            except line.NoAnswer:
                log.info("media_home_silent", home=home)
                return  # whoever watches the homes gives the room another one, and we find it here
        if not told["ok"]:
            return
        via = str(told["via"])
        if via == feeds.REDIS:
            await self._far.subscribe(f"media:mix:{room}")
        elif before is not None and before.via == feeds.REDIS:
            if moved:
                via = feeds.REDIS  # until we ask again: the old home is heard by it while people move
            else:
                await self._far.unsubscribe(f"media:mix:{room}")
        self._leases[room] = Lease(home=home, asked_at=asyncio.get_running_loop().time(), via=via)

    async def _leave(self, room: str) -> None:
        lease = self._leases.pop(room)
        if lease.via == feeds.REDIS:
            await self._far.unsubscribe(f"media:mix:{room}")

    async def _forward(self) -> None:
        """Hand mixes from other machines to the sender, as a mixer on this one would."""
        while True:
            if not self._far.subscribed:
                await asyncio.sleep(LOOK_SECONDS)
                continue
            try:
                message = await self._far.get_message(timeout=LOOK_SECONDS)
            except (RedisError, OSError):
                await asyncio.sleep(LOOK_SECONDS)
                continue
            if message is not None:
                self._hand_over(message["data"])

    def _hand_over(self, datagram: bytes) -> None:
        if self._sender is None:
            self._sender = feeds.connect(self._address)
        if self._sender is None:
            return
        try:
            self._sender.send(datagram)
        except BlockingIOError:
            return  # the sender is behind: this packet is left out, as one lost on the way
        except OSError:
            self._sender.close()
            self._sender = None
