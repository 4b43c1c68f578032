import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from rooms.media import mixer
from rooms.media.sound import FRAME_SAMPLES, Samples, dbfs, silence
from tests.rooms.media.ground import sine

FRAMES = arrays.arrays(
    np.float32, FRAME_SAMPLES, elements=st.floats(-1, 1, width=32), fill=st.floats(-1, 1, width=32)
)


def test_nobody_is_silence() -> None:
    assert np.array_equal(mixer.total({}), silence())


@given(own=FRAMES, other=FRAMES)
def test_a_mix_without_oneself_is_the_others_alone(own: Samples, other: Samples) -> None:
    whole = mixer.total({"ada": own, "ben": other})
    assert np.allclose(mixer.without(whole, own), other, atol=1e-6)


def test_who_says_nothing_hears_everybody() -> None:
    whole = mixer.total({"ada": sine(440, seconds=0.02)})
    assert mixer.without(whole, None) is whole


@given(frames=st.lists(FRAMES, min_size=1, max_size=6), gain=st.floats(0, 20, width=32))
def test_no_sum_is_so_loud_that_it_clips(frames: list[Samples], gain: float) -> None:
    limiter = mixer.Limiter()
    assert max(float(np.max(np.abs(limiter.limit(frame * gain)))) for frame in frames) <= 1.0


def test_quiet_sound_passes_untouched() -> None:
    frame = sine(440, seconds=0.02, loudness=0.5)
    assert mixer.Limiter().limit(frame) is frame


def test_after_a_shout_the_room_is_as_loud_as_before_within_half_a_second() -> None:
    limiter = mixer.Limiter()
    limiter.limit(sine(440, seconds=0.02, loudness=6.0))
    quiet = sine(440, seconds=0.02, loudness=0.2)
    levels = [dbfs(limiter.limit(quiet)) for _ in range(25)]
    assert levels[0] < dbfs(quiet) - 10
    assert levels == sorted(levels)
    assert levels[-1] == pytest.approx(dbfs(quiet))


def test_three_shouting_at_once_keep_their_tones() -> None:
    """Distortion would show as a fourth tone: the third harmonic stays 30 dB below."""
    limiter = mixer.Limiter()
    seconds = 1.0
    voices = [sine(hz, seconds=seconds, loudness=0.9) for hz in (400, 700, 1100)]
    whole = np.sum(voices, axis=0, dtype=np.float32)
    out = np.concatenate([limiter.limit(frame) for frame in whole.reshape(-1, FRAME_SAMPLES)])
    power = np.abs(np.fft.rfft(out * np.hanning(out.size))) ** 2
    tones = min(power[hz] for hz in (400, 700, 1100))
    assert 10 * np.log10(tones / power[1200]) > 30
