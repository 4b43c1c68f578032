"""What is sent to an edge is read at once, or after a pause where nobody is on the way in."""

import asyncio
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from rooms.media import intake
from rooms.media.intake import Intake
from tests.rooms.media.edge_ground import until

pytestmark = pytest.mark.asyncio

LONG_ENOUGH = 0.1  # seconds, for what would have been read at once


@pytest.fixture
def long_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "PAUSE_SECONDS", 60.0)


@dataclass
class House:
    """A socket that is read, and one that sends to it."""

    calm: bool = True
    read: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.ours, self.theirs = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
        self.ours.setblocking(False)
        self.ours.bind(("127.0.0.1", 0))
        self.theirs.connect(self.ours.getsockname())

    def open(self) -> Intake:
        return Intake(
            self.ours, take=lambda datagram, _: self.read.append(datagram), is_calm=lambda: self.calm
        )

    async def heard(self, *datagrams: bytes) -> None:
        for datagram in datagrams:
            self.theirs.send(datagram)
        await until(lambda: self.read[-len(datagrams) :] == list(datagrams))


@pytest.fixture
def house() -> Iterator[House]:
    house = House()
    yield house
    house.ours.close()
    house.theirs.close()


async def test_while_somebody_comes_everything_is_read_at_once(house: House, long_pause: None) -> None:
    house.calm = False
    ears = house.open()
    for word in (b"one", b"two", b"three"):
        await house.heard(word)
    ears.close()


async def test_when_it_is_calm_it_reads_pauses_and_reads_all_that_has_come(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "PAUSE_SECONDS", 3 * LONG_ENOUGH)
    ears = house.open()
    await house.heard(b"first")
    for word in (b"second", b"third"):
        house.theirs.send(word)
    await asyncio.sleep(LONG_ENOUGH)
    assert house.read == [b"first"]
    await until(lambda: house.read == [b"first", b"second", b"third"])
    ears.close()


async def test_who_is_expected_does_not_wait_for_the_pause_to_end(house: House, long_pause: None) -> None:
    ears = house.open()
    await house.heard(b"before")
    house.calm = False
    ears.hurry()
    await house.heard(b"somebody")
    await house.heard(b"and again")
    ears.hurry()
    await house.heard(b"as before")
    ears.close()


async def test_a_flood_is_read_to_its_end_without_a_pause(house: House, long_pause: None) -> None:
    ears = house.open()
    await house.heard(*[b"%d" % number for number in range(2 * intake.MOST_AT_ONCE + 1)])
    ears.close()


@pytest.mark.parametrize("pausing", [True, False])
async def test_closed_it_reads_nothing_more(
    house: House, *, pausing: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "PAUSE_SECONDS", 0.01)
    house.calm = pausing
    ears = house.open()
    await house.heard(b"heard")
    ears.close()
    house.theirs.send(b"unheard")
    await asyncio.sleep(LONG_ENOUGH)
    assert house.read == [b"heard"]
