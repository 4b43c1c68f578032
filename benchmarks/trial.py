"""One trial of the loss benchmark: a few cells at the same time, each with two speakers and two ears."""

import asyncio
import contextlib
import gc
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Final

import numpy as np

from benchmarks.ears import Ear, HouseEar, Recorder, StockEar
from benchmarks.marks import LATEST, Listening
from benchmarks.relay import Harm
from benchmarks.speech import Script
from benchmarks.talker import Talk, Talker, Talking, talk
from rooms.media import clock
from rooms.media.sound import FRAME_SECONDS

CONNECT_SECONDS: Final = 20.0
_LEAD: Final = 0.2  # seconds from the first tick to the first packet
_STAGGER: Final = 0.0037  # seconds between one cell's packets and the next one's, so that they do not bunch


@dataclass(frozen=True)
class Cell:
    """One kind of network."""

    loss: float
    jitter_ms: float
    reorder: float
    seed: int


@dataclass
class Side:
    """One of a cell's two speakers, and the ear it speaks to."""

    talker: Talker
    recorder: Recorder

    async def connect(self, harm: Harm) -> None:
        await self.talker.call(self.recorder.ear.answer, harm)
        async with asyncio.timeout(CONNECT_SECONDS):
            await self.talker.up()

    async def close(self) -> None:
        await self.recorder.ear.close()
        await self.talker.hang_up()


class _Clock:
    """Calls every recorder on the house's clock, and knows which ticks it left out."""

    def __init__(self, recorders: Sequence[Recorder]) -> None:
        self.left_out = 0
        self._recorders = recorders
        self._next = 0
        self._began = asyncio.get_running_loop().time()

    def tick(self, number: int) -> None:
        self.left_out += number - self._next
        self._next = number + 1
        for recorder in self._recorders:
            recorder.tick(self._began + number * FRAME_SECONDS)


async def hear_all(spoken: Script, cells: Sequence[Cell], *, at_once: int) -> list[dict[str, object]]:
    """Return what was found in each cell, having heard `at_once` of them at a time."""
    talks = {loss: talk(spoken, loss=loss) for loss in {cell.loss for cell in cells}}
    found = []
    for first in range(0, len(cells), at_once):
        found += await _hear(spoken, cells[first : first + at_once], talks)
    return found


async def _hear(spoken: Script, cells: Sequence[Cell], talks: dict[float, Talk]) -> list[dict[str, object]]:
    pairs = [
        (cell, _side(talks[cell.loss], HouseEar()), _side(talks[cell.loss], StockEar())) for cell in cells
    ]
    sides = [side for _, *both in pairs for side in both]
    try:
        for cell, *both in pairs:
            for side in both:
                await side.connect(_harm(cell))
        left_out = await _speak(spoken, sides)
    finally:
        await asyncio.gather(*[side.close() for side in sides])
    return [
        {
            "cell": asdict(cell),
            "network": _network(ours),
            "ticks_left_out": left_out,
            "sent_late_ms": round(1000 * max(ours.talker.track.latest, stock.talker.track.latest), 1),
            "ours": _marks(spoken, ours),
            "stock": _marks(spoken, stock),
        }
        for cell, ours, stock in pairs
    ]


def _side(said: Talk, ear: Ear) -> Side:
    return Side(talker=Talker(Talking(said)), recorder=Recorder(ear))


def _harm(cell: Cell) -> Harm:
    return Harm(loss=cell.loss, jitter_ms=cell.jitter_ms, reorder=cell.reorder, seed=cell.seed)


async def _speak(spoken: Script, sides: Sequence[Side]) -> int:
    """Let everybody speak; return how many ticks of the clock were left out meanwhile."""
    began = asyncio.get_running_loop().time()
    for number, side in enumerate(sides):
        side.talker.track.begin(began + _LEAD + number // 2 * _STAGGER)
    ticks = _Clock([side.recorder for side in sides])
    gc.collect()
    gc.disable()  # a collection among so many connections is a hole of its own
    ticking = asyncio.create_task(clock.run(ticks.tick))
    try:
        await asyncio.sleep(_LEAD + spoken.seconds + LATEST)
    finally:
        gc.enable()
        ticking.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await ticking
    return ticks.left_out


def _network(side: Side) -> dict[str, float]:
    if side.talker.relay is None:
        return {}
    told = side.talker.relay.luck.told
    return {
        "packets": told.came,
        "lost_share": round(told.lost / max(told.came, 1), 4),
        "overtaken_share": round(told.overtaken / max(told.came, 1), 4),
        "jitter_ms": round(told.jitter_ms, 1),
        "held_p50_ms": round(float(np.percentile(told.held_ms, 50)), 1),
        "held_p95_ms": round(float(np.percentile(told.held_ms, 95)), 1),
    }


def _marks(spoken: Script, side: Side) -> dict[str, object]:
    began = side.talker.track.began_at
    if began is None:
        raise RuntimeError("nobody has spoken")
    recording = side.recorder.recording(begun_at=began, seconds=spoken.seconds + LATEST)
    marks = Listening(spoken, recording).marks()
    held = _network(side)["held_p95_ms"]
    added = None if marks.delay_end_ms is None else round(marks.delay_end_ms - held, 1)
    return {**asdict(marks), "added_ms": added}
