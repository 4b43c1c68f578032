from hypothesis import given
from hypothesis import strategies as st

from rooms.media.levels import Loudness, Meter
from rooms.media.sound import Samples
from tests.rooms.media.ground import sine

LOUD = sine(440, seconds=0.02, loudness=0.1)
QUIET = sine(440, seconds=0.02, loudness=0.001)


def hear(meter: Meter, *frames: Samples | None) -> list[bool]:
    told = []
    for frame in frames:
        meter.hear(frame)
        told.append(meter.speaking)
    return told


def test_two_loud_frames_of_five_are_speech_and_one_is_a_click() -> None:
    assert hear(Meter(), LOUD, QUIET, QUIET, QUIET, QUIET, LOUD, QUIET, QUIET, QUIET, LOUD) == [False] * 9 + [
        True
    ]


def test_speech_lasts_over_a_breath_and_ends_after_four_tenths_of_a_second() -> None:
    meter = Meter()
    hear(meter, LOUD, LOUD)
    assert hear(meter, *[None] * 20) == [True] * 19 + [False]


def test_a_whisper_below_the_threshold_is_not_speaking() -> None:
    assert hear(Meter(), *[QUIET] * 50) == [False] * 50


def test_muting_ends_it_at_once() -> None:
    meter = Meter()
    hear(meter, LOUD, LOUD)
    meter.hush()
    assert (meter.speaking, meter.dbfs) == (False, -100.0)


def test_a_moment_is_quiet_below_the_threshold_or_far_below_the_voice_itself() -> None:
    meter = Meter()
    told = []
    for frame in (None, LOUD, QUIET, sine(440, seconds=0.02, loudness=0.008), LOUD):
        meter.hear(frame)
        told.append(meter.quiet)
    assert told == [True, False, True, True, False]


def test_where_it_is_never_quiet_an_even_noise_is_not_a_pause() -> None:
    meter = Meter()
    for _ in range(500):
        meter.hear(LOUD)
    assert not meter.quiet


def test_the_loudest_of_the_last_syllable_counts() -> None:
    loudness = Loudness()
    for number, level in enumerate((-60.0, -20.0, -40.0, -127.0)):
        loudness.tell(level, at=number * 0.1)
    assert [loudness.at(at) for at in (0.3, 0.39, 0.45, 0.55, 0.7)] == [-20.0, -20.0, -40.0, -100.0, -100.0]


def test_muting_forgets_how_loud_it_was() -> None:
    loudness = Loudness()
    loudness.tell(-10.0, at=0.0)
    loudness.hush()
    assert loudness.at(0.0) == -100.0


@given(told=st.lists(st.tuples(st.floats(0.0, 0.1), st.floats(-127.0, 0.0)), max_size=100))
def test_it_is_the_loudest_of_those_not_older_than_three_tenths(told: list[tuple[float, float]]) -> None:
    loudness, at, kept = Loudness(), 0.0, []
    for later, level in told:
        at += later
        kept.append((at, level))
        loudness.tell(level, at=at)
        assert loudness.at(at) == max([-100.0, *(one for then, one in kept if then >= at - 0.3)])
