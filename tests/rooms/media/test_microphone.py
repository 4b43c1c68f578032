"""A real page with a microphone: what Chromium says on stage, another Chromium hears, and so does Firefox."""

import asyncio
import time
from pathlib import Path

import pytest

from rooms.media import machine
from tests.rooms.media.chromium import HEAR, LISTEN, SPEAK, Answer, chromium, open_page
from tests.rooms.media.firefox import FIREFOX, firefox
from tests.rooms.media.ground import Ground, ground

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(120)]


@pytest.mark.parametrize("addresses", [None, [machine.LOOPBACK]], ids=["on the cards", "on loopback alone"])
async def test_chromium_speaks_and_another_chromium_hears_that_tone_and_no_other(
    microphone: Path, addresses: list[str] | None
) -> None:
    async with ground(addresses) as here, chromium(microphone) as browser:
        ada = await open_page(browser, {"/whip": stage_door(here, "ada")})
        ben = await open_page(browser, {"/whep": door(here, "ben")})
        await ada.evaluate(SPEAK)
        connected_in = await ben.evaluate(LISTEN)
        await asyncio.sleep(2.5)
        heard = await ben.evaluate(HEAR)
        speaking, hearing = here.room.speaking(), here.hearing()

    assert heard["hz"] == pytest.approx(440, abs=5)
    assert heard["at440"] - heard["at1000"] > 40
    assert connected_in < 3_000
    assert (speaking, hearing) == (["ada"], ["ben"])


async def test_chromium_speaks_and_firefox_hears_that_tone_and_no_other(
    microphone: Path, tmp_path: Path
) -> None:
    assert FIREFOX is not None, "Install Firefox: apt-get install firefox-esr"
    assert machine.addresses() != [machine.LOOPBACK], "Firefox connects to nobody without a network card"
    async with ground() as here, chromium(microphone) as browser, firefox(FIREFOX, tmp_path) as fox:
        ada = await open_page(browser, {"/whip": stage_door(here, "ada")})
        await ada.evaluate(SPEAK)
        await fox.listen(door(here, "ben"))
        heard = await fox.hear(2.5)

    assert heard.dominant_hz == pytest.approx(440, abs=1)
    assert heard.clearest().level_db(1_000.0) < -40


def stage_door(here: Ground, seat: str) -> Answer:
    async def answer(offer: str) -> str:
        opened = await here.room.speak(seat=seat, epoch=1, muted=False, offer=offer, at=time.time())
        return opened.answer

    return answer


def door(here: Ground, seat: str) -> Answer:
    async def answer(offer: str) -> str:
        return here.answer(seat, offer).answer

    return answer
