"""Kill -9 of each kind of media process, under a crew: whoever was there hears again.

The test plays the pages (they knock again when the line is dead) and the stagehand (it gives a room another
home). tests/trips/test_broken_trip.py does the same with the real ones, in a browser.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from rooms.media import register
from tests.rooms.media.ground import Tone
from tests.rooms.media.processes import Web, children, kill, process, web

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(120)]


@asynccontextmanager
async def crew(own_redis: str, *, mixers: int, edges: int) -> AsyncIterator[tuple[Web, int]]:
    """Run a crew; yield the web side and the crew's pid."""
    arguments = ("--mixers", str(mixers), "--edges", str(edges))
    async with web(own_redis) as here, process(own_redis, "crew", *arguments) as ours:
        await here.until_living(register.MIXERS, mixers)
        await here.until_living(register.EDGES, edges)
        yield here, ours.pid


def pid_of(crew_pid: int, name: str) -> int:
    return next(pid for pid, command in children(crew_pid).items() if f"--name {name} " in command)


async def test_an_edge_is_killed_and_its_people_hear_by_the_other(own_redis: str) -> None:
    async with crew(own_redis, mixers=1, edges=2) as (here, pid):
        (mixer,) = await here.living(register.MIXERS)
        first, second = await here.living(register.EDGES)
        await here.settle(mixer)
        await here.speak(mixer, "ada", Tone(440.0))
        await (await (await here.listen(first, "ben")).begun()).hears(440.0)

        kill(pid_of(pid, first))
        killed_at = time.monotonic()
        async with asyncio.timeout(5):
            while first in await here.redis.hgetall(register.EDGES):  # noqa: ASYNC110 -- another process
                await asyncio.sleep(0.02)
        again = await (await here.listen(second, "ben", epoch=2)).begun()
        heard_after = time.monotonic() - killed_at
        await again.hears(440.0)
        names = await here.until_living(register.EDGES, 2)

    assert heard_after < 5
    assert first not in names
    assert second in names


async def test_a_sender_is_killed_and_its_edge_with_its_keys_goes_too(own_redis: str) -> None:
    async with crew(own_redis, mixers=1, edges=1) as (here, pid):
        (mixer,) = await here.living(register.MIXERS)
        (first,) = await here.living(register.EDGES)
        await here.settle(mixer)
        await here.speak(mixer, "ada", Tone(440.0))
        await (await (await here.listen(first, "ben")).begun()).hears(440.0)

        edge = pid_of(pid, first)
        (sender,) = [one for one, command in children(edge).items() if "rooms.media.sender" in command]
        kill(sender)
        killed_at = time.monotonic()
        async with asyncio.timeout(10):
            while (names := await here.living(register.EDGES)) == [first] or not names:  # noqa: ASYNC110 -- others
                await asyncio.sleep(0.02)
        again = await (await here.listen(names[0], "ben", epoch=2)).begun()
        heard_after = time.monotonic() - killed_at
        await again.hears(440.0)

    assert names != [first]
    assert heard_after < 5


async def test_a_mixer_is_killed_and_its_listeners_hear_the_new_home_on_the_line_they_have(
    own_redis: str,
) -> None:
    async with crew(own_redis, mixers=2, edges=1) as (here, pid):
        home, other = await here.living(register.MIXERS)
        (edge,) = await here.living(register.EDGES)
        await here.settle(home)
        await here.speak(home, "ada", Tone(440.0))
        ben = await (await here.listen(edge, "ben")).begun()
        await ben.hears(440.0)

        kill(pid_of(pid, home))
        await here.settle(other)
        await here.speak(other, "ada", Tone(660.0), epoch=2)
        await ben.hears(660.0, seconds=5)
        facts = await here.call(edge, "facts")

    assert facts["hearing"] == ["ben"]


async def test_a_crew_that_is_killed_leaves_nobody_behind(own_redis: str) -> None:
    async with crew(own_redis, mixers=1, edges=1) as (here, pid):
        kill(pid)
        await here.until_living(register.MIXERS, 0)
        await here.until_living(register.EDGES, 0)
