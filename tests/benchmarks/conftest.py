import numpy as np
import pytest

from benchmarks.speech import Script
from rooms.media.sound import FRAME_SAMPLES, SAMPLE_RATE
from tests.benchmarks.noise import hum, rest

PAUSE = 1.5


@pytest.fixture(scope="package")
def script() -> Script:
    """Noise for speech, which needs no espeak-ng: 9 s, then 1 s, a pause and a last word."""
    dice = np.random.default_rng(7)
    parts = [hum(dice, 3.0), hum(dice, 3.0), hum(dice, 3.0), hum(dice, 1.0), rest(PAUSE), hum(dice, 0.6)]
    samples = np.concatenate(parts)
    plain = slice(0, 9 * SAMPLE_RATE)
    return Script(
        samples=samples,
        sent=np.ones(samples.size // FRAME_SAMPLES, dtype=np.bool_),
        plain=plain,
        farewell=slice(plain.stop, samples.size),
        last_word=slice(samples.size - parts[-1].size, samples.size),
        stretches=(plain,),
    )
