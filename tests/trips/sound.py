"""Tones for fake microphones, and what a page hears of them."""

import wave
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

import numpy as np
from playwright.sync_api import Page

from rooms.media.sound import SAMPLE_RATE

EAR = Path(__file__).with_name("ear.js")
PATIENCE_MS = 20_000
ADA_HZ, FAN_HZ = 440.0, 620.0  # what their microphones hear
NEAR_HZ = 5.0
ABSENT_DB = 40.0  # a tone this far below the loudest is not there
PRESENT_DB = 25.0  # and one this near to it is
PULSE_HZ = 4.0


@dataclass(frozen=True)
class Heard:
    """The loudest frequency, and how far below it another one lies."""

    hz: float
    other_below_db: float


def write_microphone(path: Path, *, hz: float) -> Path:
    """Write what a fake microphone hears: a tone that swells four times a second, as speech does.

    A steady one would be taken for noise, and suppressed by the browser. Whole waves only, so that it loops
    cleanly.
    """
    at = np.arange(SAMPLE_RATE) / SAMPLE_RATE
    swell = 0.55 - 0.45 * np.cos(2 * np.pi * PULSE_HZ * at)
    samples = 0.5 * swell * np.sin(2 * np.pi * hz * at)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes((np.tile(samples, 5) * 32_767).astype("<i2").tobytes())
    return path


def wait_for_tone(page: Page, hz: float, *, without: float) -> Heard:
    """Wait until the page hears this tone above all others, and the other not at all; return what it hears.

    A busy machine loses packets, and a page hears their concealment. So this waits for half a second of clean
    sound, which a second tone that is really there never gives.
    """
    deadline = monotonic() + PATIENCE_MS / 1000
    heard = None
    while monotonic() < deadline:
        heard = _measure(page, other=without)
        if heard and abs(heard.hz - hz) <= NEAR_HZ and heard.other_below_db > ABSENT_DB:
            return heard
        page.wait_for_timeout(100)
    raise AssertionError(f"{hz:.0f} Hz alone was not heard in {PATIENCE_MS / 1000:.0f} s. At last: {heard}")


def wait_for_both(page: Page, one_hz: float, other_hz: float) -> None:
    """Wait until the page hears two tones about equally: so it would know if a second one were there."""
    deadline = monotonic() + PATIENCE_MS / 1000
    heard = None
    while monotonic() < deadline:
        heard = [_measure(page, other=hz) for hz in (one_hz, other_hz)]
        if all(each and each.other_below_db < PRESENT_DB for each in heard):
            return
        page.wait_for_timeout(100)
    raise AssertionError(f"{one_hz:.0f} Hz and {other_hz:.0f} Hz were not heard together. At last: {heard}")


def _measure(page: Page, *, other: float) -> Heard | None:
    """Return what the page hears now, None where there is no sound."""
    heard = page.evaluate("other => ear.heard([other])", other)
    return Heard(hz=heard["hz"], other_below_db=heard["level"] - heard["others"][0]) if heard else None


def wait_for_silence(page: Page) -> None:
    """Wait until nothing was heard for a second."""
    page.wait_for_function("() => Date.now() - ear.lastHeardAt > 1000", timeout=PATIENCE_MS)
