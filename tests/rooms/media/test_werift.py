"""A WebRTC stack that is neither a browser nor aiortc hears the house."""

import asyncio

import pytest

from tests.rooms.media.edge_ground import ROOM, ground, until
from tests.rooms.media.werift import GCM_128, werift

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(60)]


async def test_werift_hears_exactly_the_tone_in_packets_without_a_gap() -> None:
    async with ground() as here, werift() as ben:
        here.mix()
        await ben.listen(here.door("ben"))
        await asyncio.sleep(2.5)
        heard = ben.heard()

    assert heard.last(1.0).clearest().level_db(440.0) > -1
    assert {step for step, _ in ben.steps()} == {1}
    assert len({packet.ssrc for packet in ben.packets}) == 1
    assert ben.profile == GCM_128


async def test_werift_is_told_when_it_is_dropped_and_hears_nothing_more() -> None:
    async with ground() as here, werift() as ben:
        here.mix()
        await ben.listen(here.door("ben"))
        await until(lambda: len(ben.packets) > 10)
        here.edge.audience.drop(room=ROOM, seat="ben", epoch=1)
        await until(lambda: ben.alerts == 1)
        heard_at_the_end = len(ben.packets)
        await asyncio.sleep(0.3)

    assert len(ben.packets) == heard_at_the_end
