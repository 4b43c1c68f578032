"""Noise that stands for speech where espeak-ng may not be installed."""

import numpy as np

from rooms.media.sound import SAMPLE_RATE, Samples


def hum(dice: np.random.Generator, seconds: float) -> Samples:
    noise = dice.standard_normal(round(seconds * SAMPLE_RATE))
    smooth = np.convolve(noise, np.ones(24) / 24, mode="same")
    loud: Samples = (0.5 * smooth / np.max(np.abs(smooth))).astype(np.float32)
    return loud


def rest(seconds: float) -> Samples:
    return np.zeros(round(seconds * SAMPLE_RATE), dtype=np.float32)
