"""How the parts of a process are run, and ended."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from rooms.media import running

pytestmark = pytest.mark.asyncio


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "CANCEL_AGAIN_SECONDS", 0.05)


async def for_ever() -> None:
    await asyncio.Event().wait()


async def deaf_once(heard: asyncio.Event) -> None:
    """Lose one cancellation, as `asyncio.wait_for` does when it comes in the turn in which it returns."""
    try:
        await for_ever()
    except asyncio.CancelledError:
        heard.set()
    await for_ever()


async def fails() -> None:
    raise ValueError("a bug")


async def nothing() -> None:
    return


async def test_who_loses_one_cancellation_ends_nevertheless() -> None:
    """Seen waiting for ever when it was cancelled once."""
    heard = asyncio.Event()
    task = asyncio.create_task(deaf_once(heard))
    await asyncio.sleep(0)
    async with asyncio.timeout(5):
        await running.end(task)
    assert heard.is_set()
    assert task.cancelled()


async def test_nothing_to_end_is_ended() -> None:
    async with asyncio.timeout(5):
        await running.end()


async def test_what_a_part_raises_while_it_ends_stops_nobody_from_ending() -> None:
    broken, whole = asyncio.create_task(fails()), asyncio.create_task(for_ever())
    await asyncio.sleep(0)
    await running.end(broken, whole)
    assert isinstance(broken.exception(), ValueError)
    assert whole.cancelled()


async def test_asked_to_stop_the_parts_run_until_all_is_finished() -> None:
    stop, order = asyncio.Event(), list[str]()

    async def part() -> None:
        try:
            await for_ever()
        finally:
            order.append("part ended")

    async def finish() -> None:
        order.append("finished")

    stop.set()
    await running.run_until(stop, [part(), deaf_once(asyncio.Event())], finish=finish)
    assert order == ["finished", "part ended"]


@pytest.mark.parametrize("part", [fails, nothing])
async def test_a_part_that_ends_by_itself_ends_the_others(part: Callable[[], Awaitable[None]]) -> None:
    finished = asyncio.Event()
    other = asyncio.create_task(for_ever())

    async def finish() -> None:
        finished.set()

    try:
        await running.run_until(asyncio.Event(), [part(), other], finish=finish)
    except ValueError:
        assert part is fails
    else:
        assert part is nothing
    assert other.cancelled()
    assert not finished.is_set()


async def test_what_breaks_unheard_is_told_in_short_lines_and_only_so_many(
    caplog: pytest.LogCaptureFixture,
) -> None:
    at = [0.0]
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(running.Breakages(clock=lambda: at[0]))

    def breaks() -> None:
        raise IndexError("192.0.2.1")

    for _ in range(1_000):
        loop.call_soon(breaks)
    await asyncio.sleep(0.05)
    at[0] = running.LINES_SECONDS
    loop.call_soon(breaks)
    await asyncio.sleep(0.01)

    lines = [str(record.msg) for record in caplog.records]
    assert len(lines) == running.MOST_LINES + 1
    assert max(map(len, lines)) < 400
    assert "192.0.2.1" not in "".join(lines)
    assert "'unsaid_before': 990" in lines[-1]
