import asyncio
import time
from itertools import pairwise

import pytest

from rooms.media import clock

pytestmark = pytest.mark.asyncio


async def ticks(seconds: float, *, hold_up: float = 0.0) -> tuple[list[int], list[float]]:
    """Return the numbers and the times of the ticks; the tenth holds everything up for `hold_up` seconds."""
    numbers: list[int] = []
    times: list[float] = []

    def tick(number: int) -> None:
        numbers.append(number)
        times.append(time.monotonic())
        if len(numbers) == 10:
            time.sleep(hold_up)

    running = asyncio.create_task(clock.run(tick))
    await asyncio.sleep(seconds)
    running.cancel()
    return numbers, times


async def test_a_hold_up_is_told_in_seconds_and_ticks_in_time_as_none() -> None:
    told: list[float] = []

    def tick(_: int) -> None:
        if len(told) == 5:
            time.sleep(0.150)

    running = asyncio.create_task(clock.run(tick, late=told.append))
    await asyncio.sleep(0.4)
    running.cancel()
    assert 0.125 < max(told) < 0.2
    assert told.index(max(told)) == 5
    assert min(told) < 0.001


async def test_it_keeps_fifty_ticks_a_second_by_its_number() -> None:
    _, _ = await ticks(0.1)
    numbers, times = await ticks(1.0)
    assert (numbers[-1] - numbers[0]) * clock.TICK == pytest.approx(times[-1] - times[0], abs=0.015)


async def test_after_a_hold_up_the_numbers_jump_and_no_two_ticks_come_at_once() -> None:
    numbers, times = await ticks(0.8, hold_up=0.150)
    gaps = [later - earlier for earlier, later in pairwise(numbers)]
    assert max(gaps) in {7, 8, 9}
    held_at = gaps.index(max(gaps))
    after = times[held_at + 1 :]
    # One tick may follow the late one early, to be on the beat again; never a burst.
    assert sum(later - earlier < 0.010 for earlier, later in pairwise(after)) <= 1
    assert (numbers[-1] - numbers[0]) * clock.TICK == pytest.approx(times[-1] - times[0], abs=0.02)
