"""Running the parts of a process until it is asked to end, or one of them fails."""

import asyncio
import sys
import time
import traceback
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

import structlog

CANCEL_AGAIN_SECONDS: Final = 1.0
MOST_LINES: Final = 10  # of the log in each minute about what broke
LINES_SECONDS: Final = 60.0

log = structlog.get_logger("rooms.media")


async def run_until(
    stop: asyncio.Event, parts: Sequence[Awaitable[None]], *, finish: Callable[[], Awaitable[None]]
) -> None:
    """Run `parts` until `stop` is set or one of them ends; then `finish` while they still run, and end them.

    A part ends only by a bug or because its process must not go on; what it raised is raised here, for then
    the process must not look well.
    """
    tasks = [asyncio.ensure_future(part) for part in parts]
    asked = asyncio.create_task(stop.wait())
    done, _ = await asyncio.wait([asked, *tasks], return_when=asyncio.FIRST_COMPLETED)
    try:
        if asked in done:
            await finish()
    finally:
        await end(asked, *tasks)
    for task in done - {asked}:
        task.result()


async def end(*tasks: asyncio.Future[Any]) -> None:
    """Cancel `tasks` until all have ended; what they raise is theirs.

    One cancellation may be lost. `asyncio.wait_for` of Python 3.11 returns as if nothing had been said when
    it comes in the turn in which the wait ends (cpython issue 86296, gone in 3.12), and Redis' client writes
    inside one where it has a timeout.
    """
    ended = asyncio.gather(*tasks, return_exceptions=True)
    while not ended.done():
        for task in tasks:
            task.cancel()
        await asyncio.wait([ended], timeout=CANCEL_AGAIN_SECONDS)


class Breakages:
    """Logs what broke where nobody waits for it: one short line each, ten in a minute.

    asyncio itself would write a whole traceback each time, and whoever can make something break from outside
    could fill the disk with them. Give it to `loop.set_exception_handler`.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._since = float("-inf")
        self._lines = 0
        self._unsaid = 0

    def __call__(self, loop: asyncio.AbstractEventLoop, context: Mapping[str, Any]) -> None:  # noqa: ARG002 -- as asyncio calls it
        at = self._clock()
        if at - self._since >= LINES_SECONDS:
            self._since, self._lines = at, 0
        if self._lines >= MOST_LINES:
            self._unsaid += 1
            return
        self._lines += 1
        unsaid, self._unsaid = self._unsaid, 0
        problem = context.get("exception")
        log.error(
            "media_broke",
            problem=type(problem).__name__ if problem is not None else context["message"],
            where=_where(problem),
            unsaid_before=unsaid,
        )


def _where(problem: BaseException | None) -> str:
    """Return the place in the code, and no value that was at hand there."""
    frames = traceback.extract_tb(problem.__traceback__) if problem is not None else []
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else ""


async def true_within(check: Callable[[], bool], *, seconds: float) -> bool:
    """Return whether `check()` came true within so many seconds."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while not check():
        if loop.time() >= deadline:
            return False
        await asyncio.sleep(0.05)
    return True


async def set_at_end_of_input(stop: asyncio.Event) -> None:
    """Set `stop` when standard input ends: whoever holds its other side has died, or wants us to end."""
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    try:
        await reader.read()
    finally:
        transport.close()
    stop.set()
