"""The one shape in which sound travels through the house, and how loud it is."""

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE: Final = 48_000  # Hz; the only rate Opus has inside WebRTC (RFC 7587)
FRAME_MS: Final = 20
FRAME_SAMPLES: Final = 960  # 20 ms at 48 kHz
FRAME_SECONDS: Final = 0.020
SILENCE_DBFS: Final = -100.0  # the floor of every level we tell; digital silence has no logarithm

Samples = NDArray[np.float32]  # mono, -1.0 … 1.0, any length; a "frame" is exactly FRAME_SAMPLES of them


def silence() -> Samples:
    """Return one frame, shape (960,), of nothing."""
    return np.zeros(FRAME_SAMPLES, dtype=np.float32)


def dbfs(samples: Samples) -> float:
    """Return the RMS level of `samples`, 0 being a full-scale square wave (RFC 6464), at least -100."""
    if not samples.size:
        return SILENCE_DBFS
    power = float(np.dot(samples, samples)) / samples.size
    return max(10.0 * math.log10(power), SILENCE_DBFS) if power > 0.0 else SILENCE_DBFS
