"""One trial of the loss benchmark: a few cells at the same time, each with two speakers and two ears."""

import asyncio
import contextlib
import gc
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from typing import Final

import numpy as np

from benchmarks.ears import Ear, HouseEar, StockEar
from benchmarks.edge_ear import EdgeEar
from benchmarks.marks import LATEST, Listening
from benchmarks.relay import LOOPBACK, Harm, Told
from benchmarks.sink import open_sink
from benchmarks.speech import Script
from benchmarks.talker import Talk, Talker, Talking, talk
from rooms.media import clock
from rooms.media.house import House
from rooms.media.machine import Reach
from rooms.media.session import all_hung_up
from rooms.media.sound import FRAME_SECONDS

CONNECT_SECONDS: Final = 20.0
NICE: Final = -10  # what is judged here is what the code does with a bad network, not with a busy machine
_LEAD: Final = 0.3  # seconds from the first tick to the first packet
_STAGGER: Final = 0.0037  # seconds between one cell's packets and the next one's, so that they do not bunch
_FEED_AGAIN_SECONDS: Final = 2.0


@dataclass(frozen=True)
class Cell:
    """One kind of network."""

    loss: float
    jitter_ms: float
    reorder: float
    seed: int
    tail: bool = False


@dataclass
class Side:
    """One speaker, and the ear that they speak to."""

    talker: Talker[Talking]
    ear: Ear

    async def connect(self, harm: Harm) -> None:
        await self.talker.call(self.ear.answer, harm)
        async with asyncio.timeout(CONNECT_SECONDS):
            await self.talker.up()

    async def close(self) -> None:
        await self.ear.close()
        await self.talker.hang_up()


@dataclass
class Pair:
    """A cell's two speakers, who say the same over networks that do the same, and who else listens."""

    cell: Cell
    room: str
    house: HouseEar
    ours: Side
    stock: Side
    edge: EdgeEar | None = None


class Ticks:
    """Has every ear hear on the house's clock, and knows which ticks it left out."""

    def __init__(self, house: House, ears: Sequence[Ear]) -> None:
        self.left_out = 0
        self.began = asyncio.get_running_loop().time()
        self._house = house
        self._ears = ears
        self._next = 0

    def tick(self, number: int) -> None:
        self.left_out += number - self._next
        self._next = number + 1
        for ear in self._ears:
            ear.before()
        self._house.tick(number)
        for ear in self._ears:
            ear.after(number)


async def hear_all(
    spoken: Script, cells: Sequence[Cell], *, at_once: int, by_edge: Cell | None
) -> list[dict[str, object]]:
    """Return what was found in each cell, having heard `at_once` of them at a time, one by an edge too."""
    with contextlib.suppress(PermissionError):
        os.nice(NICE)
    talks = {loss: talk(spoken, loss=loss) for loss in {cell.loss for cell in cells}}
    found = []
    for first in range(0, len(cells), at_once):
        found += await _hear(spoken, cells[first : first + at_once], talks, by_edge=by_edge)
    return found


async def _hear(
    spoken: Script, cells: Sequence[Cell], talks: dict[float, Talk], *, by_edge: Cell | None
) -> list[dict[str, object]]:
    house = House(reach=Reach([LOOPBACK]), tell=lambda _: None, publish=lambda _room, _datagram: None)
    pairs = [_pair(house, number, cell, talks[cell.loss]) for number, cell in enumerate(cells)]
    async with contextlib.AsyncExitStack() as ends:
        ends.push_async_callback(_close, house, pairs)
        for pair in pairs:
            for side in (pair.ours, pair.stock):
                await side.connect(harm_of(pair.cell))
            if pair.cell == by_edge:
                pair.edge = await ends.enter_async_context(_listening_by_edge(pair.room))
            await ends.enter_async_context(_fed(pair))
        ticks = await _speak(spoken, house, pairs)
    return [_found(spoken, pair, ticks) for pair in pairs]


def _pair(house: House, number: int, cell: Cell, said: Talk) -> Pair:
    room = f"cell-{number}"
    ear = HouseEar(house.room(room, at=0.0))
    return Pair(
        cell=cell,
        room=room,
        house=ear,
        ours=Side(Talker(Talking(said)), ear),
        stock=Side(Talker(Talking(said)), StockEar()),
    )


async def _close(house: House, pairs: Sequence[Pair]) -> None:
    house.close()
    await asyncio.gather(*[side.close() for pair in pairs for side in (pair.ours, pair.stock)])
    await all_hung_up()


@asynccontextmanager
async def _listening_by_edge(room: str) -> AsyncIterator[EdgeEar]:
    ear = EdgeEar()
    await ear.open(room)
    try:
        yield ear
    finally:
        await ear.close()


@asynccontextmanager
async def _fed(pair: Pair) -> AsyncIterator[None]:
    """Keep the room's packets coming, to its tape and to the edge if there is one."""
    async with open_sink(pair.house.hear) as name:
        names = [name] if pair.edge is None else [name, pair.edge.feed_name]

        async def feed() -> None:
            while True:
                for one in names:
                    pair.house.feed(one)
                await asyncio.sleep(_FEED_AGAIN_SECONDS)

        feeding = asyncio.create_task(feed())
        try:
            yield
        finally:
            feeding.cancel()


async def _speak(spoken: Script, house: House, pairs: Sequence[Pair]) -> Ticks:
    """Let everybody speak, and return the clock by which they were heard."""
    gc.collect()
    gc.disable()  # a collection among so many connections is a hole of its own
    ticks = Ticks(house, [side.ear for pair in pairs for side in (pair.ours, pair.stock)])
    for number, pair in enumerate(pairs):
        for side in (pair.ours, pair.stock):
            side.talker.track.begin(ticks.began + _LEAD + number * _STAGGER)
    ticking = asyncio.create_task(clock.run(ticks.tick))
    try:
        await asyncio.sleep(_LEAD + spoken.seconds + LATEST)
    finally:
        gc.enable()
        ticking.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await ticking
    return ticks


def _found(spoken: Script, pair: Pair, ticks: Ticks) -> dict[str, object]:
    tracks = [side.talker.track for side in (pair.ours, pair.stock)]
    held = network(pair.ours.talker.relay.luck.told if pair.ours.talker.relay else Told())
    found: dict[str, object] = {
        "cell": asdict(pair.cell),
        "network": held,
        "ticks_left_out": ticks.left_out,
        "sent_late_ms": round(1000 * max(track.latest for track in tracks), 1),
    }
    tapes = {"ours": pair.house.tape(), "stock": pair.stock.ear.tape()}
    if pair.edge is not None:
        tapes["ours_by_edge"] = pair.edge.tape(pair.house)
    began = ((pair.ours.talker.track.began_at or 0.0) - ticks.began) / FRAME_SECONDS
    for name, tape in tapes.items():
        recording = tape.recording(begun=began, seconds=spoken.seconds + LATEST)
        marks = Listening(spoken, recording).marks()
        added = None if marks.delay_end_ms is None else round(marks.delay_end_ms - held["held_p95_ms"], 1)
        found[name] = {**asdict(marks), "added_ms": added}
    return found


def harm_of(cell: Cell) -> Harm:
    """Return what the relays of this cell do."""
    return Harm(**asdict(cell))


def network(told: Told) -> dict[str, float]:
    """Return what a network did, in figures."""
    return {
        "packets": told.came,
        "lost_share": round(told.lost / max(told.came, 1), 4),
        "overtaken_share": round(told.overtaken / max(told.came, 1), 4),
        "jitter_ms": round(told.jitter_ms, 1),
        "held_p50_ms": round(float(np.percentile(told.held_ms or [0.0], 50)), 1),
        "held_p95_ms": round(float(np.percentile(told.held_ms or [0.0], 95)), 1),
    }
