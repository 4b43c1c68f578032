"""Tones for fake microphones, and what a page hears of them."""

import wave
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from playwright.sync_api import Page

from rooms.media.sound import SAMPLE_RATE

EAR = Path(__file__).with_name("ear.js")
PATIENCE_MS = 20_000
ABSENT_DB = 40.0  # a tone this far below the loudest is not there
PULSE_HZ = 4.0


@dataclass(frozen=True)
class Heard:
    """The loudest frequency, and how far below it another one lies."""

    hz: float
    other_below_db: float


def write_microphone(path: Path, *, hz: float) -> Path:
    """Write what a fake microphone hears: a tone that swells four times a second, as speech does.

    A steady one would be taken for noise, and suppressed by the browser. Whole waves only, so that it loops cleanly.
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


def wait_for_tone(page: Page, hz: float, *, other: float) -> Heard:
    """Wait until the page hears this tone above all others; return what it hears then."""
    page.wait_for_function(
        "hz => { const heard = ear.heard([]); return heard && Math.abs(heard.hz - hz) <= 5; }",
        arg=hz,
        timeout=PATIENCE_MS,
    )
    page.wait_for_timeout(1_000)  # until the window of the measurement holds nothing from before
    return measure(page, other=other)


def measure(page: Page, *, other: float) -> Heard:
    """Return what the page hears now. Fails when it hears nothing."""
    heard = page.evaluate("other => ear.heard([other])", other)
    assert heard is not None, "The page hears nothing."
    return Heard(hz=heard["hz"], other_below_db=heard["level"] - heard["others"][0])


def wait_for_silence(page: Page) -> None:
    """Wait until nothing was heard for a second."""
    page.wait_for_function("() => Date.now() - ear.lastHeardAt > 1000", timeout=PATIENCE_MS)
