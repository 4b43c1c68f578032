"""Chromium, Firefox and werift hear one house at the same time, each by its own idea of ICE."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from rooms.media import machine
from tests.rooms.media.chromium import COUNTS, LISTEN, chromium, open_page
from tests.rooms.media.edge_ground import ROOM, Ground, ground
from tests.rooms.media.firefox import FIREFOX, firefox
from tests.rooms.media.nat import nat
from tests.rooms.media.werift import Werift, werift

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(150)]

CONSENT_SECONDS = 30.0  # after so long without an answered check, either side gives up (RFC 7675)
CHECK_SECONDS = 6.0  # the longest that any of them waits before it checks its path again


@dataclass
class Everybody:
    """Three listeners, one of each stack."""

    werift: Werift
    received: Callable[[], Awaitable[list[float]]]  # packets so far, of each

    async def gain_in(self, seconds: float) -> list[float]:
        """Return how many packets each receives in the coming `seconds`."""
        before = await self.received()
        await asyncio.sleep(seconds)
        return [now - then for now, then in zip(await self.received(), before, strict=True)]


@asynccontextmanager
async def everybody(
    here: Ground, microphone: Path, profile: Path, *, way: Callable[[str], str] = str
) -> AsyncIterator[Everybody]:
    """Have all three connected while the block lasts. `way` may change the answers before they are seen."""
    assert FIREFOX is not None, "Install Firefox: apt-get install firefox-esr"
    assert machine.addresses() != [machine.LOOPBACK], "Firefox connects to nobody without a network card"
    async with chromium(microphone) as chrome, firefox(FIREFOX, profile) as fox, werift() as cleo:
        page = await open_page(chrome, {"/whep": here.door("ada", change=way)})
        await page.evaluate(LISTEN)
        await fox.listen(here.door("ben", change=way))
        await cleo.listen(here.door("cleo", change=way))

        async def received() -> list[float]:
            ada, ben = await page.evaluate(COUNTS), await fox.counts()
            return [ada["received"], ben["received"], len(cleo.packets)]

        yield Everybody(cleo, received)


async def test_everybody_hears_on_when_their_router_moves_them_and_when_their_first_consent_has_run_out(
    microphone: Path, tmp_path: Path
) -> None:
    """One evening of half a minute for both: three browsers' starts are dear, and so is waiting."""
    address = machine.addresses()[0]
    async with ground() as here:
        here.mix()
        with nat(address, here.edge.port) as between:
            async with everybody(here, microphone, tmp_path, way=between.in_answer) as all_three:
                connected_at = time.monotonic()
                before = await all_three.gain_in(1.0)
                between.rebind()
                await asyncio.sleep(CHECK_SECONDS + 1)
                moved = await all_three.gain_in(1.0)
                await asyncio.sleep(connected_at + CONSENT_SECONDS + 2 - time.monotonic())
                later = await all_three.gain_in(1.0)
                hearing = here.edge.audience.hearing(ROOM, at=time.time())
                ended = here.told("session_ended")

    assert min(before) > 25
    assert min(moved) > 25
    assert min(later) > 25
    assert hearing == ["ada", "ben", "cleo"]
    assert ended == []
