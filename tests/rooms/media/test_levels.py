from rooms.media.levels import Meter
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
