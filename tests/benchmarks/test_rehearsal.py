"""What the loss benchmark promises, kept on a virtual clock, where nothing depends on the machine."""

from typing import Any

import numpy as np
import pytest

from benchmarks.loss import ADDED_MS, GROWTH_MS, LONGEST_GAP_MS
from benchmarks.rehearsal import rehearse
from benchmarks.speech import Script
from benchmarks.talker import talk
from benchmarks.trial import Cell


def ours(script: Script, cell: Cell) -> Any:
    return rehearse(script, cell, talk(script, loss=cell.loss))["ours"]


@pytest.mark.parametrize(("jitter_ms", "reorder"), [(0.0, 0.0), (30.0, 0.05), (80.0, 0.0), (80.0, 0.05)])
def test_a_speaker_who_loses_packets_is_heard_without_long_gaps(
    script: Script, jitter_ms: float, reorder: float
) -> None:
    heard = ours(script, Cell(loss=0.01, jitter_ms=jitter_ms, reorder=reorder, seed=1))

    assert heard["longest_gap_ms"] <= LONGEST_GAP_MS
    assert heard["delay_end_ms"] - heard["delay_settled_ms"] <= GROWTH_MS
    assert heard["added_ms"] <= ADDED_MS
    assert heard["last_word"]["whole"]


def test_a_rehearsal_is_the_same_every_time(script: Script) -> None:
    cell = Cell(loss=0.03, jitter_ms=30.0, reorder=0.05, seed=2)

    assert ours(script, cell) == ours(script, cell)


def test_the_last_word_after_dtx_is_on_time(script: Script) -> None:
    sent = np.ones_like(script.sent)
    begins, ends = (place.start // 960 for place in (script.farewell, script.last_word))
    sent[begins + 60 : ends] = False  # a second of speech, then hardly a packet until the last word
    sparse = Script(**{**vars(script), "sent": sent})
    word = ours(sparse, Cell(loss=0.0, jitter_ms=30.0, reorder=0.0, seed=1))["last_word"]

    assert word["whole"]
