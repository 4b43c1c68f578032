"""The house's one clock: 50 ticks a second for every room of the process."""

import asyncio
from collections.abc import Callable
from typing import Final

TICK: Final = 0.020  # seconds
# The loop's timers are rounded up to the next millisecond, so that half of one early is on time, near enough.
_EARLY: Final = 0.000_5


async def run(tick: Callable[[int], None], *, late: Callable[[float], None] | None = None) -> None:
    """Call `tick(number)` every 20 ms until cancelled, and `late(seconds)` before it.

    Deadlines are absolute, so lateness does not add up. A tick that is over when we wake is left out and its
    number with it: two at once would fill every listener's buffer, and the gap tells how long the hole was.
    `late` is told how long after its time the first tick that was due came, or was left out: 0 if in time.
    """
    loop = asyncio.get_running_loop()
    start = loop.time()
    number = 0
    while True:
        await asyncio.sleep(start + number * TICK - _EARLY - loop.time())
        over = loop.time() - start - number * TICK
        if late is not None:
            late(max(0.0, over))
        number += max(0, int(over / TICK))
        tick(number)
        number += 1
