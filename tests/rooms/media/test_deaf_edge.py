"""An edge hears who has the password of its answer; whatever else comes to its port, the sound goes on."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rooms.media.stun import Address
from tests.rooms.media.edge_ground import Client, ground
from tests.rooms.media.junk import Spoken, datagrams

STRANGER = ("127.0.0.66", 6_666)


@dataclass
class Siege:
    """A listener who hears a mixer's tone while this stands, on a loop for one example after the other."""

    def __enter__(self) -> Self:
        self.runner = asyncio.Runner()
        self._ground = ground(bind="127.0.0.1", addresses=["127.0.0.1"])
        self.here = self.runner.run(self._ground.__aenter__())
        self.client = self.runner.run(self._come())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, wrong: BaseException | None, at: TracebackType | None
    ) -> None:
        self.runner.run(self._ground.__aexit__(kind, wrong, at))
        self.runner.close()

    @property
    def peer(self) -> Address:
        (path,) = self.here.edge._paths._by_id.values()
        assert path.address is not None
        return path.address

    async def suffer(self, said: list[Spoken]) -> None:
        """Hand the datagrams in where the socket would, from any address, and let two packets pass."""
        peer = self.peer
        for one in said:
            self.here.edge._hear(one.datagram, peer if one.spoofed else STRANGER)
        await self.client.hears(2)

    async def _come(self) -> Client:
        self.here.mix()
        return await (await self.here.listen("anna")).hears(1)


@pytest.fixture(scope="module")
def siege() -> Iterator[Siege]:
    with Siege() as siege:
        yield siege


@given(said=st.lists(datagrams(), min_size=1, max_size=12))
@settings(max_examples=80, suppress_health_check=list(HealthCheck))
def test_whatever_anybody_says_the_sound_goes_on(siege: Siege, said: list[Spoken]) -> None:
    siege.runner.run(siege.suffer(said))
    assert siege.here.told("session_ended") == []
    assert STRANGER not in siege.here.edge._paths._by_address


def test_and_after_all_that_no_packet_was_missed_for_long(siege: Siege) -> None:
    async def listen_on() -> list[int]:
        before = len(siege.client.packets)
        await siege.client.hears(50)
        return siege.client.sequence[before:]

    sequence = siege.runner.run(listen_on())
    assert sequence == list(range(sequence[0], sequence[0] + len(sequence)))
    assert siege.client.connection.connectionState == "connected"
