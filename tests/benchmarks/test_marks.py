"""A benchmark that cannot see a fault would praise anything, so each mark is shown the fault it is for."""

import numpy as np
import pytest

from benchmarks.marks import LATEST, Listening, Marks, Recording
from benchmarks.speech import Script
from rooms.media.sound import FRAME_SAMPLES, SAMPLE_RATE, Samples
from tests.benchmarks.noise import rest

DELAY = 0.1


def marks(script: Script, sound: Samples, *, made_up: slice = slice(0)) -> Marks:
    real = np.ones(sound.size // FRAME_SAMPLES, dtype=np.bool_)
    real[made_up] = False
    return Listening(script, Recording(sound, real)).marks()


def heard(script: Script, delay: float = DELAY) -> Samples:
    return np.concatenate([rest(delay), script.samples, rest(LATEST - delay)])


def test_what_comes_through_unharmed_has_its_delay_and_no_fault(script: Script) -> None:
    found = marks(script, heard(script))

    assert (found.longest_gap_ms, found.concealed_share) == (0, 0.0)
    assert found.delay_start_ms == found.delay_settled_ms == found.delay_end_ms == pytest.approx(100, abs=1)
    assert found.last_word.whole
    assert found.last_word.later_ms == pytest.approx(0, abs=1)


def test_a_hole_in_the_sound_is_seen_though_the_player_denies_it(script: Script) -> None:
    sound = heard(script)
    sound[5 * SAMPLE_RATE : 5 * SAMPLE_RATE + 3 * FRAME_SAMPLES] = 0.0

    assert marks(script, sound).longest_gap_ms == pytest.approx(60, abs=10)


def test_what_the_player_made_up_counts_though_it_sounds_well(script: Script) -> None:
    found = marks(script, heard(script), made_up=slice(200, 204))

    assert found.longest_made_up_ms == found.longest_gap_ms == 80
    assert found.concealed_share == pytest.approx(4 / 450, rel=0.05)


def test_a_delay_that_grows_is_seen(script: Script) -> None:
    later = rest(0.2)
    sound = np.concatenate([heard(script)[: 4 * SAMPLE_RATE], later, heard(script)[4 * SAMPLE_RATE :]])
    found = marks(script, sound[: heard(script).size])

    assert found.delay_start_ms == pytest.approx(100, abs=1)
    assert found.delay_end_ms == pytest.approx(300, abs=1)


@pytest.mark.parametrize("late", [0.15, 0.9])
def test_a_last_word_that_comes_late_is_not_whole(script: Script, late: float) -> None:
    begins = script.last_word.start + round(DELAY * SAMPLE_RATE)
    sound = np.concatenate([heard(script)[:begins], rest(late), heard(script)[begins:]])
    found = marks(script, sound[: heard(script).size]).last_word

    assert found.later_ms == pytest.approx(late * 1000, abs=1)
    assert not found.whole


def test_a_last_word_that_breaks_off_is_not_whole(script: Script) -> None:
    sound = heard(script)
    sound[script.last_word.start + round((DELAY + 0.4) * SAMPLE_RATE) :] = 0.0
    found = marks(script, sound).last_word

    assert found.heard_share == pytest.approx(2 / 3, abs=0.05)
    assert not found.whole


def test_silence_is_the_worst_there_is(script: Script) -> None:
    found = marks(script, rest(script.seconds + LATEST))

    assert found.longest_gap_ms == 9_000
    assert found.concealed_share == 1.0
    assert found.delay_end_ms is None
    assert not found.last_word.whole
