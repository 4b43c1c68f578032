"""The house's one clock: 50 ticks a second for every room of the process."""

import asyncio
from collections.abc import Callable
from typing import Final

TICK: Final = 0.020  # seconds


async def run(tick: Callable[[int], None]) -> None:
    """Call `tick(number)` every 20 ms until cancelled.

    Deadlines are absolute, so lateness does not add up. A tick that is over when we wake is left out and its
    number with it: two at once would fill every listener's buffer, and the gap tells how long the hole was.
    """
    loop = asyncio.get_running_loop()
    start = loop.time()
    number = 0
    while True:
        await asyncio.sleep(start + number * TICK - loop.time())
        number = max(number, int((loop.time() - start) / TICK))
        tick(number)
        number += 1
