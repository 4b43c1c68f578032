"""The demo's music: a quiet piece of half a minute, computed here, so that it belongs to nobody else.

Four slow chords go round twice under plucked notes of a pentatonic scale. What still sounds at the end is
folded into the beginning, so it loops without a seam.
"""

import wave
from pathlib import Path
from typing import Final

import numpy as np

from rooms.media.sound import SAMPLE_RATE, Samples

BEATS_PER_CHORD: Final = 8
BEAT_SECONDS: Final = 0.48
LOUDEST: Final = 0.35  # -9 dBFS: music under a conversation, not over it

# MIDI note numbers: D major, B minor, G major, A, each coloured so that none wants to be the last.
_CHORDS: Final = (
    (38, 57, 61, 64),
    (35, 54, 57, 62),
    (31, 55, 59, 66),
    (33, 57, 62, 64),
)
# One row per chord of the two rounds: the melody's note on each beat, 0 for a rest.
_PLUCKED: Final = (
    (78, 0, 76, 74, 0, 69, 0, 71),
    (74, 0, 0, 71, 69, 0, 66, 0),
    (67, 71, 0, 74, 0, 76, 74, 0),
    (76, 0, 74, 0, 71, 0, 69, 0),
    (81, 0, 78, 76, 0, 74, 0, 76),
    (78, 0, 0, 74, 71, 0, 74, 0),
    (79, 78, 0, 74, 0, 71, 74, 0),
    (76, 0, 0, 71, 69, 0, 0, 0),
)


def compose() -> Samples:
    """Return the piece, mono at 48 kHz, shape (about 1.47 million,), 30.72 s, peak -9 dBFS, ready to loop."""
    beat = round(BEAT_SECONDS * SAMPLE_RATE)
    piece = np.zeros(beat * BEATS_PER_CHORD * len(_PLUCKED), dtype=np.float32)
    for bar, line in enumerate(_PLUCKED):
        at = bar * BEATS_PER_CHORD * beat
        for note in _CHORDS[bar % len(_CHORDS)]:
            _lay(piece, _pad(note, seconds=BEATS_PER_CHORD * BEAT_SECONDS + 1.5), at=at)
        for step, note in enumerate(line):
            if note:
                _lay(piece, _pluck(note, seconds=2.6), at=at + step * beat)
    return (piece * (LOUDEST / float(np.max(np.abs(piece))))).astype(np.float32)


def write(path: Path) -> None:
    """Write the piece to `path` as a 16-bit mono WAV file of about 3 MB."""
    samples = np.round(compose() * 32_767).astype("<i2")
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(SAMPLE_RATE)
        out.writeframes(samples.tobytes())


def _hertz(note: int) -> float:
    return float(440.0 * 2.0 ** ((note - 69) / 12.0))


def _time(seconds: float) -> Samples:
    time: Samples = np.arange(round(seconds * SAMPLE_RATE), dtype=np.float32) / np.float32(SAMPLE_RATE)
    return time


def _pluck(note: int, *, seconds: float) -> Samples:
    """Return one note of a soft kalimba: few overtones, the higher the shorter."""
    time = _time(seconds)
    hertz = _hertz(note)
    attack = np.minimum(time / 0.006, 1.0)
    partials = ((1.0, 1.0, 2.2), (2.0, 0.28, 4.5), (3.0, 0.10, 7.0), (5.4, 0.04, 16.0))
    voices = [
        size * np.sin(2 * np.pi * hertz * times * time) * np.exp(-decay * time)
        for times, size, decay in partials
    ]
    plucked: Samples = 0.5 * attack * np.sum(voices, axis=0, dtype=np.float32) * _fade_out(time)
    return plucked


def _pad(note: int, *, seconds: float) -> Samples:
    """Return one held note that swells and goes, a little wider than one pitch."""
    time = _time(seconds)
    hertz = _hertz(note)
    swell = np.sin(np.pi * np.minimum(time / seconds, 1.0)) ** 1.5
    voices = [np.sin(2 * np.pi * hertz * detune * time) for detune in (0.9985, 1.0, 1.0015)]
    held: Samples = np.float32(0.055) * swell * np.sum(voices, axis=0, dtype=np.float32)
    return held


def _fade_out(time: Samples) -> Samples:
    """Return gains that reach nothing exactly at the end, so that no note stops with a click."""
    gains: Samples = np.minimum((time[-1] - time) / np.float32(0.05), np.float32(1.0))
    return gains


def _lay(piece: Samples, note: Samples, *, at: int) -> None:
    """Add `note` at sample `at`; what hangs over the end sounds at the beginning."""
    where = (at + np.arange(note.size)) % piece.size
    piece[where] += note
