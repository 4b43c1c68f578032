"""A WebRTC stack that is neither a browser nor aiortc hears the house."""

import asyncio
import time

import pytest

from tests.rooms.media.ground import Tone, ground, until
from tests.rooms.media.werift import werift

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(60)]


async def test_werift_hears_exactly_the_tone_in_packets_without_a_gap() -> None:
    async with ground() as here, werift() as ben:
        await (await here.speak("ada", Tone(440.0))).up()
        opened = await here.room.listen(seat="ben", epoch=1, offer=ben.offer, at=time.time())
        await ben.take(opened.answer)
        await asyncio.sleep(2.5)
        hearing = await here.room.hearing(at=time.time())
        heard = ben.heard()

    assert heard.last(1.0).clearest().level_db(440.0) > -1
    assert ben.steps() == {(1, 960)}
    assert len({packet.ssrc for packet in ben.packets}) == 1
    assert hearing == ["ben"]


async def test_werift_is_told_when_it_is_dropped_and_hears_nothing_more() -> None:
    async with ground() as here, werift() as ben:
        await (await here.speak("ada", Tone(440.0))).up()
        opened = await here.room.listen(seat="ben", epoch=1, offer=ben.offer, at=time.time())
        await ben.take(opened.answer)
        await until(lambda: len(ben.packets) > 10)
        here.room.drop("ben", epoch=1)
        await until(lambda: ben.dtls == "closed")
        heard_at_the_end = len(ben.packets)
        await asyncio.sleep(0.3)

    assert len(ben.packets) == heard_at_the_end
