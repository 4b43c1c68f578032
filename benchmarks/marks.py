"""Marks for what was heard, given what was said: delay, gaps, made-up sound, PESQ and the last word.

Sound is mono at 48 kHz. Sample 0 of what is said is sent, and sample 0 of what is heard is played, at the
same moment, so what is heard `n` samples further on has been `n` samples on its way. The look-ahead of two
Opus encoders, 6.5 ms each, is in that.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.speech import Script, levels, resampled, voiced
from rooms.media.sound import FRAME_MS, FRAME_SAMPLES, SAMPLE_RATE, Samples

SETTLING: Final = 3.0  # seconds of speech, in which a buffer may find its depth
FIRST: Final = 3  # stretches of half a second from which the delay at the start is told
LATEST: Final = 2.5  # seconds; what comes later than this has not come
LATE_WORD_MS: Final = 100.0  # later than the sentence before it by more, and the last word came late
WHOLE_SHARE: Final = 0.9  # of the last word's loud frames
PESQ_RATE: Final = 16_000  # Hz: wideband, ITU-T P.862.2
_SLOW: Final = 8_000  # Hz, for finding delays: to an eighth of a millisecond
_WINDOW: Final = 0.5  # seconds of speech from which one delay is found
_SURE: Final = 0.4  # the correlation from which a delay is believed
_STEP: Final = 240  # samples, 5 ms: the grain of holes in the sound itself
_NEAR: Final = 5  # steps on either side, 25 ms, in which a hole might be the speaker's own pause
_HOLE_DB: Final = 15.0  # below what was said
_HEARD_DB: Final = 12.0  # a frame of the last word counts as heard down to here


@dataclass(frozen=True)
class Delay:
    """How long a stretch of speech took, in seconds; `at` is where it was said, in seconds."""

    at: float
    seconds: float


@dataclass(frozen=True)
class Word:
    """What came of the last word."""

    delay_ms: float | None  # None: it was not found
    later_ms: float | None  # than the sentence before the pause
    heard_share: float  # of its loud frames, those that came within 12 dB of how they were said
    whole: bool


@dataclass(frozen=True)
class Marks:
    """One listener's marks for one speaker."""

    longest_gap_ms: int  # the worse of the next two
    longest_made_up_ms: int  # run of ticks in mid-speech for which the player had nothing of the speaker's
    longest_hole_ms: int  # run in which the speaker's sound is missing from what was heard, whoever says what
    concealed_share: float  # of the ticks in mid-speech, those for which the player had nothing
    delay_start_ms: float | None  # of the first second and a half of speech
    delay_settled_ms: float | None  # of the first third of what was said after three seconds
    delay_end_ms: float | None  # of the last third
    pesq: float | None  # the mean over stretches of two sentences
    pesq_lowest: float | None
    last_word: Word


@dataclass(frozen=True)
class Recording:
    """What was heard, and for each tick of the player whether it had that sound from the speaker."""

    samples: Samples
    real: NDArray[np.bool_]  # shape (ticks,)
    phase: int = 0  # samples by which the first tick began before the first sample


class Listening:
    """Compares what was heard, until 2.5 s after the end of the script, with what was said."""

    def __init__(self, script: Script, recording: Recording) -> None:
        self._script = script
        self._heard = recording.samples
        self._real = recording.real
        self._phase = recording.phase
        self._slow_said = resampled(script.samples, _SLOW)
        self._slow_heard = resampled(recording.samples, _SLOW)

    def marks(self) -> Marks:
        """Return all marks together."""
        made_up = self._made_up()
        holes = self._longest_hole()
        settled = [one for one in self._plain if one.at > SETTLING]
        third = -(-len(settled) // 3)
        scores = self._pesq()
        longest = _longest_run(made_up) * FRAME_MS
        return Marks(
            longest_gap_ms=max(longest, holes),
            longest_made_up_ms=longest,
            longest_hole_ms=holes,
            concealed_share=round(float(np.mean(made_up)), 4),
            delay_start_ms=_ms(_middle(self._plain[:FIRST])),
            delay_settled_ms=_ms(_middle(settled[:third])),
            delay_end_ms=_ms(_middle(settled[-third:])),
            pesq=round(float(np.mean(scores)), 2) if scores else None,
            pesq_lowest=round(min(scores), 2) if scores else None,
            last_word=self._last_word(),
        )

    @cached_property
    def _plain(self) -> list[Delay]:
        return self._delays(self._script.plain)

    def _delays(self, where: slice) -> list[Delay]:
        """Return the delay of each half second of speech in `where`; doubtful ones are left out."""
        length = round(_WINDOW * _SLOW)
        found = []
        for at in range(_slow(where.start), _slow(where.stop) - length, length):
            piece = self._slow_said[at : at + length]
            if np.mean(_loud(piece)) < 0.8:
                continue
            seconds = self._find(piece, at)
            if seconds is not None:
                found.append(Delay(at=at / _SLOW, seconds=seconds))
        return found

    def _find(self, piece: NDArray[np.float32], at: int) -> float | None:
        """Return by how many seconds `piece`, said at slow sample `at`, was heard later."""
        there = self._slow_heard[at : at + piece.size + round(LATEST * _SLOW)].astype(np.float64)
        size = 1 << (there.size + piece.size).bit_length()
        product = np.fft.rfft(there, size) * np.conj(np.fft.rfft(piece.astype(np.float64), size))
        match = np.fft.irfft(product, size)[: there.size - piece.size + 1]
        sums = np.concatenate(([0.0], np.cumsum(there**2)))
        power = (sums[piece.size :] - sums[: -piece.size]) * float(np.dot(piece, piece))
        likeness = match / np.sqrt(power + 1e-6)
        best = int(np.argmax(likeness))
        return best / _SLOW if likeness[best] >= _SURE else None

    def _made_up(self) -> NDArray[np.bool_]:
        """Return, for each tick that fell in mid-speech, whether the player had nothing for it."""
        if not self._plain:
            return np.ones(1, dtype=np.bool_)
        ticks = (np.arange(self._real.size) * FRAME_SAMPLES - self._phase) / SAMPLE_RATE
        heard_at = [one.at + one.seconds for one in self._plain]
        said_at = ticks - np.interp(ticks, heard_at, [one.seconds for one in self._plain])
        frame = np.floor(said_at / (FRAME_SAMPLES / SAMPLE_RATE)).astype(int)
        loud = np.zeros(self._script.sent.size + 1, dtype=np.bool_)
        plain = self._script.plain.stop // FRAME_SAMPLES
        loud[:plain] = voiced(self._script.samples)[:plain]
        inside = (frame >= 0) & (frame < plain)
        frame = np.where(inside, frame, plain)
        # A tick holds parts of two frames of the speaker's; both must be speech.
        made_up: NDArray[np.bool_] = ~self._real[inside & loud[frame] & loud[frame + 1]]
        return made_up

    def _longest_hole(self) -> int:
        """Return for how many ms at most nothing was heard while something was said all around."""
        said = levels(self._script.samples[self._script.plain], step=_STEP)
        if not self._plain:
            return round(said.size * _STEP * 1000 / SAMPLE_RATE)
        places = np.arange(said.size) * _STEP
        late = np.interp(
            places / SAMPLE_RATE, [one.at for one in self._plain], [one.seconds for one in self._plain]
        )
        heard = levels_at(self._heard, places + np.round(late * SAMPLE_RATE).astype(int))
        around = np.lib.stride_tricks.sliding_window_view(
            np.pad(said, _NEAR, constant_values=-120.0), 2 * _NEAR + 1
        )
        floor = around.min(axis=1)
        speech = floor > float(said.max()) - 30.0
        return _longest_run(speech & (heard < floor - _HOLE_DB)) * _STEP * 1000 // SAMPLE_RATE

    def _pesq(self) -> list[float]:
        """Return PESQ (MOS-LQO, 1.0 … 4.64) of each two sentences; nothing without the extra `bench`."""
        try:
            from pesq import NoUtterancesError, pesq  # noqa: PLC0415 -- optional: the extra `bench`
        except ImportError:
            return []
        scores = []
        for where in self._script.stretches:
            near = [one for one in self._plain if where.start <= one.at * SAMPLE_RATE < where.stop]
            late = round((_middle(near) or 0.0) * SAMPLE_RATE)
            said = resampled(self._script.samples[where], PESQ_RATE)
            heard = resampled(self._heard[where.start + late : where.stop + late], PESQ_RATE)
            if not np.any(heard):
                scores.append(1.0)  # of digital silence `pesq` makes no number
                continue
            try:
                scores.append(float(pesq(PESQ_RATE, said, heard, "wb")))
            except NoUtterancesError:
                scores.append(1.0)
        return scores

    def _last_word(self) -> Word:
        where = self._script.last_word
        said = self._script.samples[where]
        seconds = self._find(self._slow_said[_slow(where.start) :], _slow(where.start))
        if seconds is None:
            return Word(delay_ms=None, later_ms=None, heard_share=0.0, whole=False)
        begins = where.start + round(seconds * SAMPLE_RATE)
        near = levels(self._heard[begins : begins + said.size]) > levels(said) - _HEARD_DB
        share = float(np.mean(near[voiced(said)]))
        before = _middle(self._delays(slice(self._script.farewell.start, where.start)))
        later = None if before is None else seconds - before
        return Word(
            delay_ms=_ms(seconds),
            later_ms=_ms(later),
            heard_share=round(share, 3),
            whole=share >= WHOLE_SHARE and later is not None and later * 1000 <= LATE_WORD_MS,
        )


def levels_at(sound: Samples, places: NDArray[np.int_]) -> NDArray[np.float64]:
    """Return the level in dBFS of the 5 ms from each sample number in `places`; nothing beyond the end."""
    sums = np.concatenate(([0.0], np.cumsum(sound.astype(np.float64) ** 2)))
    first, last = np.clip(places, 0, sound.size), np.clip(places + _STEP, 0, sound.size)
    found: NDArray[np.float64] = 10.0 * np.log10((sums[last] - sums[first]) / _STEP + 1e-12)
    return found


def _loud(piece: NDArray[np.float32]) -> NDArray[np.bool_]:
    return levels(piece, step=_SLOW // 50) > -40.0  # dBFS; our speech peaks at -6


def _slow(sample: int) -> int:
    return sample * _SLOW // SAMPLE_RATE


def _middle(found: Sequence[Delay]) -> float | None:
    return float(np.median([one.seconds for one in found])) if found else None


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 1)


def _longest_run(flags: NDArray[np.bool_]) -> int:
    edges = np.flatnonzero(np.diff(np.concatenate(([0], flags.astype(np.int8), [0]))))
    return int(np.max(edges[1::2] - edges[::2])) if edges.size else 0
