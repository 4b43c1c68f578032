"""Many voices into one, and for each voice the mix without itself."""

from collections.abc import Mapping
from typing import Final

import numpy as np

from rooms.media.sound import FRAME_SAMPLES, Samples, silence

CEILING: Final = 0.89  # -1 dBFS; Opus overshoots a little, so full scale is kept free
_ATTACK: Final = 120  # samples, 2.5 ms: how fast the limiter gets out of the way of a peak
_RELEASE_PER_FRAME: Final = 1.12  # gain grows by 1 dB per 20 ms until it is whole again
_KNEE: Final = 0.8


def total(voices: Mapping[str, Samples]) -> Samples:
    """Return the sum of all voices, shape (960,), not limited: it may be far beyond ±1.0."""
    return np.sum(np.stack(list(voices.values())), axis=0, dtype=np.float32) if voices else silence()


def without(whole: Samples, own: Samples | None) -> Samples:
    """Return `whole` as the owner of `own` should hear it: everybody but themselves."""
    return whole if own is None else whole - own


class Limiter:
    """Keeps one stream of frames within ±1.0 by turning it down for a moment, as a hand on a fader would.

    The gain falls within 2.5 ms and comes back at 1 dB per frame; what is still too loud in those first
    milliseconds is rounded off, never cut. Quiet sound passes unchanged, bit for bit.
    """

    def __init__(self) -> None:
        self._gain = 1.0

    def limit(self, frame: Samples) -> Samples:
        """Return the frame, shape (960,), with no sample beyond ±1.0."""
        peak = float(np.max(np.abs(frame)))
        allowed = 1.0 if peak <= CEILING else CEILING / peak
        wanted = min(allowed, self._gain * _RELEASE_PER_FRAME, 1.0)
        before, self._gain = self._gain, wanted
        if before == wanted == 1.0:
            return frame
        return _round_off(frame * _ramp(before, wanted))


def _ramp(start: float, end: float) -> Samples:
    """Return gains that fall fast (the peak is now) and rise over the whole frame (unnoticed)."""
    gains = np.full(FRAME_SAMPLES, end, dtype=np.float32)
    length = _ATTACK if end < start else FRAME_SAMPLES
    gains[:length] = np.linspace(start, end, length, dtype=np.float32)
    return gains


def _round_off(frame: Samples) -> Samples:
    size = np.abs(frame)
    if float(size.max()) <= CEILING:
        return frame
    bent = _KNEE + (1.0 - _KNEE) * np.tanh((size - _KNEE) / (1.0 - _KNEE))
    return np.where(size > _KNEE, np.sign(frame) * bent, frame).astype(np.float32)
