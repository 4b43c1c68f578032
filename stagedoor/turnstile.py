"""How many requests are in the house at once. The others wait at the door, which costs a few kilobytes each.

Every request takes a thread and, at its first question, a connection of the pool: without a bound a rush
takes more of both than there are. First come, first served. Sockets do not come through here.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import structlog

log = structlog.get_logger(__name__)

MOST_WAITING: Final = 2_000  # beyond that who comes is told to come again, before anything is done for them
COME_AGAIN_SECONDS: Final = 5
PASSES: Final = {"/healthz"}  # asks nothing, and must answer while everybody waits
LOG_EVERY: Final = 500  # turned away

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]


class Turnstile:
    """Lets `most` requests in at once; up to `most_waiting` more wait for their turn, the rest get 503."""

    def __init__(self, application: Application, *, most: int, most_waiting: int = MOST_WAITING) -> None:
        self.application = application
        self.most = most
        self.most_waiting = most_waiting
        self.waiting = 0
        self.turned_away = 0
        self._turns: asyncio.Semaphore | None = None  # made inside the loop that uses it

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] in PASSES:
            await self.application(scope, receive, send)
            return
        if self._turns is None:
            self._turns = asyncio.Semaphore(self.most)
        if self._turns.locked() and self.waiting >= self.most_waiting:
            await self._turn_away(send)
            return
        self.waiting += 1
        try:
            await self._turns.acquire()
        finally:
            self.waiting -= 1
        try:
            await self.application(scope, receive, send)
        finally:
            self._turns.release()

    async def _turn_away(self, send: Send) -> None:
        if self.turned_away % LOG_EVERY == 0:
            log.error("turned_away", so_far=self.turned_away + 1, waiting=self.waiting)
        self.turned_away += 1
        headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"cache-control", b"no-store")]
        headers.append((b"retry-after", str(COME_AGAIN_SECONDS).encode()))
        await send({"type": "http.response.start", "status": 503, "headers": headers})
        await send(
            {"type": "http.response.body", "body": b"Very many people come just now. Try again soon.\n"}
        )
