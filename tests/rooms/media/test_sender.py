"""The sender as the process it is."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from rooms.media import sender
from rooms.media.feed import Tick, pack
from tests.rooms.media.edge_ground import ROOM, ground, until

HOME = Path(sender.__file__).parents[2]


def test_it_carries_nothing_that_is_not_for_sending() -> None:
    asks = "import rooms.media.sender, sys; print(*sys.modules)"
    modules = subprocess.run(  # noqa: S603 -- this interpreter and our own words
        [sys.executable, "-c", asks], capture_output=True, text=True, check=True, cwd=HOME
    ).stdout.split()
    assert "rooms.media.sender" in modules
    assert {"django", "aiortc", "asyncio", "av", "redis", "OpenSSL"} & set(modules) == set()


@pytest.mark.asyncio
async def test_what_is_no_tick_is_counted_and_harms_nobody() -> None:
    async with ground() as here:
        mixer = here.still_mixer()
        client = await (await here.listen("anna")).hears(1)
        for datagram in (
            b"garbage",
            pack(Tick("elsewhere", 1, 1, 1, b"house")),
            pack(Tick(ROOM, 1, 1, 0, b"house")),
            pack(Tick(ROOM, 1, 1, 1, b"")),
            pack(Tick(ROOM, 1, 1, 1, b"h" * (sender.MOST_PAYLOAD + 1))),
            pack(Tick(ROOM, 1, 1, 1, b"house", {"anna": b""})),
        ):
            mixer._line.send(datagram)
        mixer.tick()
        await until(lambda: len(client.mixes) == 1)
        await until(lambda: here.edge.counters.sender.unread == 6)
        assert client.mixes == list(mixer.sent)


@pytest.mark.asyncio
async def test_a_mixer_may_go_and_another_come() -> None:
    async with ground() as here:
        client = await (await here.listen("anna")).hears(1)
        for source in (1, 2, 3):
            mixer = here.still_mixer(source=source)
            mixer.number = source  # another moment of the tone, so another packet
            mixer.tick()
            mixer.close()
            await client.hears(1)
            await until(lambda: len(client.mixes) == source)  # noqa: B023 -- it is over before the next round
            assert client.mixes[-1] in mixer.sent


@pytest.mark.asyncio
async def test_figures_come_every_second() -> None:
    async with ground() as here:
        here.mix()
        client = await (await here.listen("anna")).hears(1)
        await until(lambda: here.edge.counters.sender.packets > 50)
        figures = here.edge.counters.sender
        assert figures.packets <= len(client.packets) + 60
        assert (figures.full, figures.failed) == (0, 0)
        assert 10_000_000 < figures.rss_bytes < 100_000_000
        assert figures.cpu_ms > 0
        assert here.edge.counters.rss_bytes > 10_000_000


@pytest.mark.asyncio
async def test_an_edge_may_stand_behind_its_sender(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    monkeypatch.setattr(os, "nice", asked.append)
    async with ground(nice=5) as here:
        assert here.edge._sender is not None
        assert os.getpriority(os.PRIO_PROCESS, here.edge._sender.pid) == os.getpriority(os.PRIO_PROCESS, 0)
    assert asked == [5]
