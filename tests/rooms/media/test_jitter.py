import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rooms.media.jitter import MOST, START, Cushion
from rooms.media.sound import FRAME_SAMPLES, Samples


def frame(number: float) -> Samples:
    return np.full(FRAME_SAMPLES, number, dtype=np.float32)


def numbers(cushion: Cushion, ticks: int) -> list[float | None]:
    """Return what each of the coming ticks hears, by its first sample."""
    heard = [cushion.take() for _ in range(ticks)]
    return [None if one is None else float(one[0]) for one in heard]


def test_it_waits_for_two_frames_and_then_plays_in_order() -> None:
    cushion = Cushion()
    cushion.put(frame(1))
    before = cushion.take()
    cushion.put(np.concatenate([frame(2), frame(3)]))
    assert before is None
    assert numbers(cushion, 3) == [1, 2, 3]


def test_when_it_runs_out_the_last_frame_fades_once_and_then_there_is_nothing() -> None:
    cushion = Cushion()
    cushion.put(np.concatenate([frame(1), frame(1)]))
    assert numbers(cushion, 2) == [1, 1]
    faded = cushion.take()
    assert faded is not None
    assert (faded[0], faded[-1]) == (1.0, 0.0)
    assert numbers(cushion, 2) == [None, None]


def test_a_burst_drops_the_oldest() -> None:
    cushion = Cushion()
    cushion.put(np.concatenate([frame(number) for number in range(1, MOST + 4)]))
    assert numbers(cushion, 1) == [4]


def test_what_was_said_before_a_mute_is_not_heard_after_it() -> None:
    cushion = Cushion()
    cushion.put(np.concatenate([frame(1), frame(1), frame(1)[:100]]))
    cushion.clear()
    cushion.put(np.concatenate([frame(2), frame(2)]))
    assert numbers(cushion, 2) == [2, 2]


def test_delay_left_by_a_burst_is_gone_after_a_few_seconds() -> None:
    cushion = Cushion()
    cushion.put(np.concatenate([frame(0)] * MOST))
    for number in range(50 * 10):
        cushion.put(frame(number))
        cushion.take()
    assert len(cushion) <= START


@pytest.mark.parametrize("drift", [1.0005, 0.9995])
def test_a_speakers_clock_that_runs_wrong_neither_adds_delay_nor_makes_holes_often(drift: float) -> None:
    cushion = Cushion()
    put, holes, deepest = 0.0, 0, 0
    for _ in range(50 * 60):
        put += drift
        while put >= 1:
            cushion.put(frame(1))
            put -= 1
        holes += cushion.take() is None
        deepest = max(deepest, len(cushion))
    assert deepest <= START + 2
    assert holes <= 6


@given(sizes=st.lists(st.integers(0, 4000), max_size=60))
def test_sound_of_any_cut_comes_out_in_order_and_never_more_than_is_allowed_waits(sizes: list[int]) -> None:
    cushion = Cushion()
    at = 0
    heard: list[Samples] = []
    for size in sizes:
        cushion.put(np.arange(at, at + size, dtype=np.float32))
        at += size
        assert len(cushion) <= MOST
        taken = cushion.take()
        if taken is not None and taken[-1] != 0.0:
            heard.append(taken)
    assert all(np.array_equal(one, np.arange(one[0], one[0] + FRAME_SAMPLES)) for one in heard)
    assert [float(one[0]) for one in heard] == sorted(float(one[0]) for one in heard)
