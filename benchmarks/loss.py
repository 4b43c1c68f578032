"""What a listener hears of a speaker whose network loses, delays and reorders: ours beside aiortc's own.

    python -m benchmarks.loss            # all cells, about five minutes on two cores
    python -m benchmarks.loss --quick    # a few cells with less speech, 30 seconds
    python -m benchmarks.loss --virtual  # ours alone on a virtual clock (`rehearsal`): the same every time

In each cell two real WebRTC clients say the same words (espeak-ng) as Opus with in-band FEC, through two
relays that do the same harm to the same packets: one into a room of the house, one
into aiortc's stock receiver. Behind both stands the same house mix, and what is recorded is its decoded
packets: what a listener gets. In one cell a real client of a real edge listens too (`ours_by_edge`). `relay`
says what the harms are, `marks` what the marks mean.

Two cells more have jitter with a long tail, of up to 240 ms, which is more than the house waits for. No
promise is made for them; they are there to show how it bends.

Prints one JSON object: per cell the network as measured and the marks of `ours` and `stock`; `clean_pesq` is
what the two encodings alone leave, without any network; `bars` says which promise is kept, and how the worst
cell of each stands. A cell in which this machine left out ticks of the clock says so in `ticks_left_out`; it
was measured under load and is worth little, and `disturbed_cells` should be 0.
"""

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any, Final

from benchmarks.ears import Mix, Tape
from benchmarks.marks import LATEST, Listening
from benchmarks.rehearsal import rehearse
from benchmarks.speech import SENTENCES, NoVoice, Script, script
from benchmarks.talker import talk
from benchmarks.trial import Cell, hear_all
from rooms.media.opus import Decoder
from rooms.media.sound import silence

LOSSES: Final = (0.0, 0.01, 0.03, 0.05, 0.10)
JITTERS_MS: Final = (0.0, 30.0, 80.0)
REORDERS: Final = (0.0, 0.05)
TAILED: Final = ((0.01, 80.0), (0.03, 80.0))  # loss and jitter of two cells more, with the long tail
QUICK: Final = ((0.0, 0.0, 0.0), (0.01, 0.0, 0.0), (0.03, 0.0, 0.0), (0.03, 30.0, 0.05))
QUICK_SENTENCES: Final = 2
BY_EDGE: Final = (0.03, 30.0, 0.05)  # the cell whose room has a real listener at a real edge, too
WORKERS: Final = 2
AT_ONCE: Final = 3  # cells in one process: about half a core with both ears
MOST_LEFT_OUT: Final = 2  # ticks
LONGEST_GAP_MS: Final = 60
GROWTH_MS: Final = 40.0  # two frames
ADDED_MS: Final = 120.0  # at the end, beyond what the network held 19 of 20 packets
PESQ: Final = 3.5
_LINE_BYTES: Final = 1 << 24

Found = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description="What a listener hears under loss, ours and aiortc's own.")
    parser.add_argument("--quick", action="store_true", help="a few cells with less speech")
    parser.add_argument("--losses", type=float, nargs="+", default=LOSSES, help="shares, such as 0.03")
    parser.add_argument("--jitters", type=float, nargs="+", default=JITTERS_MS, help="milliseconds")
    parser.add_argument("--reorders", type=float, nargs="+", default=REORDERS, help="shares")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1], help="a cell for each")
    parser.add_argument("--sentences", type=int, help=f"how many are said, up to {len(SENTENCES)}")
    parser.add_argument("--at-once", type=int, default=AT_ONCE, help="cells at the same time in a process")
    parser.add_argument("--workers", type=int, default=WORKERS, help="processes")
    parser.add_argument("--virtual", action="store_true", help="ours alone, on a virtual clock")
    parser.add_argument("--work", help=argparse.SUPPRESS)
    given = parser.parse_args()
    given.sentences = given.sentences or (QUICK_SENTENCES if given.quick else len(SENTENCES))
    try:
        spoken = script(given.sentences)
    except NoVoice as missing:
        sys.exit(str(missing))
    if given.work:
        print(json.dumps(_work(spoken, [Cell(**one) for one in json.loads(given.work)], given)))
        return
    print(json.dumps(asyncio.run(_measure(spoken, _cells(given), given)), indent=2))


def _work(spoken: Script, cells: Sequence[Cell], given: argparse.Namespace) -> list[dict[str, object]]:
    if given.virtual:
        return [rehearse(spoken, cell, talk(spoken, loss=cell.loss)) for cell in cells]
    by_edge = Cell(*BY_EDGE, given.seeds[0])
    return asyncio.run(hear_all(spoken, cells, at_once=given.at_once, by_edge=by_edge))


def _cells(given: argparse.Namespace) -> list[Cell]:
    if given.quick:
        return [Cell(*harm, seed) for harm in QUICK for seed in given.seeds]
    promised = [
        Cell(loss, jitter, reorder, seed)
        for loss in given.losses
        for jitter in given.jitters
        for reorder in given.reorders
        for seed in given.seeds
    ]
    return promised + [
        Cell(loss, jitter, 0.0, seed, tail=True)
        for loss, jitter in TAILED
        for seed in given.seeds
        if loss in given.losses and jitter in given.jitters
    ]


async def _measure(spoken: Script, cells: Sequence[Cell], given: argparse.Namespace) -> dict[str, object]:
    began = time.monotonic()
    shares = [cells[number :: given.workers] for number in range(given.workers)]
    parts = await asyncio.gather(*[_worker(share, given) for share in shares if share])
    found = sorted([one for part in parts for one in part], key=lambda one: tuple(one["cell"].values()))
    return {
        "seconds": round(time.monotonic() - began, 1),
        "speech_seconds": round(spoken.seconds, 1),
        "disturbed_cells": sum(one["ticks_left_out"] > MOST_LEFT_OUT for one in found),
        "clean_pesq": {str(loss): _clean(spoken, loss) for loss in sorted({cell.loss for cell in cells})},
        "bars": _bars([one for one in found if not one["cell"]["tail"]]),
        "cells": found,
    }


async def _worker(cells: Sequence[Cell], given: argparse.Namespace) -> list[Found]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.loss", "--work", json.dumps([asdict(one) for one in cells]),
        "--at-once", str(given.at_once), "--sentences", str(given.sentences), "--seeds", str(given.seeds[0]),
        *(["--virtual"] if given.virtual else []),
        stdout=asyncio.subprocess.PIPE, limit=_LINE_BYTES,
    )  # fmt: skip
    out, _ = await process.communicate()
    if process.returncode:
        raise RuntimeError("a worker has failed; what it said stands above")
    found: list[Found] = json.loads(out)
    return found


def _clean(spoken: Script, loss: float) -> float | None:
    """Return the PESQ of the same sound without a network: the speaker's Opus and the house's, no more."""
    tape, decoder, mix = Tape(), Decoder(), Mix()
    for number, payload in enumerate(talk(spoken, loss=loss)):
        tape.record(number, mix.through(silence() if payload is None else decoder.decode(payload)))
        tape.is_real(number)
    heard = tape.recording(begun=0.0, seconds=spoken.seconds + LATEST)
    return Listening(spoken, heard).marks().pesq


def _bars(found: Sequence[Found]) -> dict[str, object]:
    at_one = [one for one in found if one["cell"]["loss"] <= 0.01]
    at_three = [one for one in found if one["cell"]["loss"] == 0.03]
    return {
        "longest gap ≤ 60 ms at 1 % loss": _bar(
            at_one, lambda marks: marks["longest_gap_ms"], lambda gap: gap <= LONGEST_GAP_MS
        ),
        "delay grows by ≤ 40 ms from the beginning on, without jitter": _bar(
            [one for one in found if not one["cell"]["jitter_ms"] and not one["cell"]["reorder"]],
            lambda marks: _growth(marks, "delay_start_ms"),
            lambda growth: growth <= GROWTH_MS,
        ),
        "delay grows by ≤ 40 ms once settled": _bar(
            found, lambda marks: _growth(marks, "delay_settled_ms"), lambda growth: growth <= GROWTH_MS
        ),
        "added delay ≤ 120 ms at the end": _bar(
            found, lambda marks: marks["added_ms"], lambda added: added <= ADDED_MS
        ),
        "PESQ ≥ 3.5 at 3 % loss": _bar(
            at_three, lambda marks: marks["pesq"], lambda score: score >= PESQ, worst=min
        ),
        "last word whole with DTX": _bar(
            found, lambda marks: float(marks["last_word"]["whole"]), lambda whole: whole == 1.0, worst=min
        ),
    }


def _growth(marks: Found, since: str) -> float | None:
    if marks[since] is None or marks["delay_end_ms"] is None:
        return None
    return round(float(marks["delay_end_ms"]) - float(marks[since]), 1)


def _bar(
    found: Sequence[Found],
    of: Callable[[Found], float | None],
    kept: Callable[[float], bool],
    *,
    worst: Callable[[list[float]], float] = max,
) -> dict[str, object]:
    """Return whether every cell keeps the promise, which do not, and the worst of ours and of stock."""
    ours = [of(one["ours"]) for one in found]
    known = [value for value in ours if value is not None]
    stock = [value for one in found if "stock" in one and (value := of(one["stock"])) is not None]
    broken = [one["cell"] for one, value in zip(found, ours, strict=True) if value is None or not kept(value)]
    return {
        "kept": None if not found else not broken,
        "cells": len(found),
        "worst": worst(known) if known else None,
        "worst_of_stock": worst(stock) if stock else None,
        "broken_in": broken,
    }


if __name__ == "__main__":
    main()
