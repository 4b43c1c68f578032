"""Real browsers at a real edge: Chromium listens, and Firefox does without a microphone."""

import asyncio
from pathlib import Path

import pytest

from rooms.media import machine
from tests.rooms.media.chromium import COUNTS, HEAR, IS_TOLD, LISTEN, chromium, open_page
from tests.rooms.media.edge_ground import ROOM, ground, until
from tests.rooms.media.firefox import FIREFOX, firefox

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(120)]

LOUDNESS = 0.3  # of the house's tone, 440 Hz
NO_FIREFOX = "Install Firefox: apt-get install firefox-esr"
NO_CARD = "Firefox connects to nobody without a network card"


async def test_chromium_that_is_dropped_is_told_and_hears_nothing_more(microphone: Path) -> None:
    async with ground() as here, chromium(microphone) as browser:
        here.mix()
        page = await open_page(browser, {"/whep": here.door("ben")})
        await page.evaluate(LISTEN)
        await asyncio.sleep(2.5)
        before = await page.evaluate(HEAR)
        here.edge.audience.drop(room=ROOM, seat="ben", epoch=1)
        await page.wait_for_function(IS_TOLD, timeout=2_000)
        received = (await page.evaluate(COUNTS))["received"]
        await asyncio.sleep(1.5)
        after = await page.evaluate(HEAR)
        received_since = (await page.evaluate(COUNTS))["received"] - received

    assert before["hz"] == pytest.approx(440, abs=5)
    assert before["at440"] - before["at1000"] > 40
    assert after["level"] is None or after["level"] < before["level"] - 60
    assert received_since == 0


async def test_chromium_that_closes_its_tab_is_gone_at_once(microphone: Path) -> None:
    async with ground() as here, chromium(microphone) as browser:
        here.mix()
        page = await open_page(browser, {"/whep": here.door("ben")})
        await page.evaluate(LISTEN)
        await page.evaluate("connection.close()")
        await until(lambda: here.told("session_ended") == [("ben", "left")])


async def test_firefox_hears_exactly_the_tone_without_being_asked_for_its_microphone(tmp_path: Path) -> None:
    assert FIREFOX is not None, NO_FIREFOX
    assert machine.addresses() != [machine.LOOPBACK], NO_CARD
    async with ground() as here, firefox(FIREFOX, tmp_path) as browser:
        here.mix()
        await browser.listen(here.door("ben"))
        heard = await browser.hear(2.5)
        counts = await browser.counts()
        await browser.run("connection.close()")
        await until(lambda: here.told("session_ended") == [("ben", "left")])

    assert heard.dominant_hz == pytest.approx(440, abs=1)
    assert heard.clearest().level_db(1_000.0) < -40
    assert counts["received"] > 40
    assert counts["energy"] / counts["seconds"] == pytest.approx(LOUDNESS**2, rel=0.5)
    assert counts["concealed"] < 0.5 * 48_000 * counts["seconds"]


async def test_firefox_that_is_dropped_is_told_and_hears_nothing_more(tmp_path: Path) -> None:
    assert FIREFOX is not None, NO_FIREFOX
    assert machine.addresses() != [machine.LOOPBACK], NO_CARD
    async with ground() as here, firefox(FIREFOX, tmp_path) as browser:
        here.mix()
        await browser.listen(here.door("ben"))
        await asyncio.sleep(1.0)
        here.edge.audience.drop(room=ROOM, seat="ben", epoch=1)
        is_told = await browser.is_told(within=2.0)
        dropped = await browser.counts()
        await asyncio.sleep(1.0)
        later = await browser.counts()

    assert is_told
    assert dropped["received"] > 0
    assert later["received"] == dropped["received"]
