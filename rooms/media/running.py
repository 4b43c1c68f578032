"""Running the parts of a process until it is asked to end, or one of them fails."""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

CANCEL_AGAIN_SECONDS: Final = 1.0


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
