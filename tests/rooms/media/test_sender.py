"""The sender as the process it is."""

import asyncio
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from rooms.media import sender
from rooms.media.feed import Tick, pack
from tests.rooms.media.edge_ground import ROOM, ground, until

HOME = Path(sender.__file__).parents[2]
SAYS = """import socket, sys
line = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
line.connect(chr(0) + sys.argv[1])
try:
    line.send(bytes.fromhex(sys.argv[2]))
    line.recv(1)
except ConnectionError:
    pass
"""


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


@pytest.mark.parametrize("ours", [True, False])
def test_a_mixer_of_another_user_is_turned_away(
    ours: bool,  # noqa: FBT001
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Anybody on the machine may connect to an abstract name, so the kernel is asked who did."""
    edge, other_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with edge, other_end, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        edge.setblocking(False)
        serving = sender.Sender(edge=edge, out=out, high=False)
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as mixer:
            mixer.settimeout(2)
            mixer.connect(serving._door.getsockname())
            if not ours:
                monkeypatch.setattr(os, "geteuid", lambda: 12_345)
            serving._let_in()
            assert len(serving._mixers) == ours
            if not ours:
                assert mixer.recv(1) == b""
        for taken in (serving._door, *serving._mixers.values()):
            taken.close()


@pytest.mark.asyncio
async def test_what_a_mixer_of_another_user_sends_is_heard_by_nobody() -> None:
    if os.geteuid() != 0:
        return  # only root can be another user; the test above asks the same of the code
    async with ground() as here:
        client = await (await here.listen("anna")).hears(1)
        tick = pack(Tick(ROOM, 9, 1, 1, b"of another user"))
        stranger = await asyncio.create_subprocess_exec(
            "/usr/bin/env", "python3", "-c", SAYS, here.edge.feed_name, tick.hex(), user=65_534, cwd="/"
        )
        assert await asyncio.wait_for(stranger.wait(), 10) == 0
        mixer = here.still_mixer()
        mixer.tick()
        await until(lambda: len(client.mixes) == 1)
        assert client.mixes == list(mixer.sent)
