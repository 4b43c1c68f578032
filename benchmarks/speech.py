"""Speech to measure with: Debian's espeak-ng reads a few sentences, the same ones every time.

`say` is one text as sound; `script` is what a speaker in the benchmarks says: sentences without a break in
their packets, then, as with Opus DTX, a sentence, a pause in which hardly anything is sent, and a last word.
"""

import io
import shutil
import subprocess
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Final

import av
import numpy as np
from av import AudioResampler
from numpy.typing import NDArray

from rooms.media.sound import FRAME_SAMPLES, SAMPLE_RATE, Samples, silence

PACKAGE: Final = "espeak-ng"
LOUDNESS: Final = 0.5  # of the loudest sample of each text, -6 dBFS
WORDS_PER_MINUTE: Final = 150
SENTENCES: Final = (
    ("en-us", "The doors open at eight, and the first guest speaks before the music ends."),
    ("en-us+f3", "Please raise your hand if you would like to ask a question about the new play."),
    ("en-gb", "A good sound engine loses nothing that matters, even when the network loses a lot."),
    ("en-us+f2", "We shall hear three voices tonight, and each of them has travelled a long way."),
    ("en-us", "Nobody should have to ask a second time for what was said a moment ago."),
    ("en-gb+f3", "Thank you for listening; the next hour belongs to those who have not spoken yet."),
)
BEFORE_PAUSE: Final = ("en-us", "Before I go, there is one thing left to say.")
LAST_WORD: Final = ("en-us", "Goodbye!")
PAUSE: Final = 0.6  # seconds between sentences
LONG_PAUSE: Final = 1.6  # seconds before the last word: four comfort packets of DTX
LEAD: Final = 0.5  # seconds of silence first, in which a connection settles
REFRESH_FRAMES: Final = 20  # during DTX libopus sends one packet every 400 ms
HANG_FRAMES: Final = 10  # and begins only after 200 ms of silence
_VOICED_DB: Final = -30.0  # relative to the loudest 20 ms: what is certainly speech and not its edges


class NoVoice(Exception):
    """espeak-ng is not installed."""


@dataclass(frozen=True)
class Script:
    """What is said, mono at 48 kHz, and which of its frames of 20 ms go on the wire."""

    samples: Samples  # shape (960 * n,)
    sent: NDArray[np.bool_]  # shape (n,), False where DTX sends nothing
    plain: slice  # in samples: the part without DTX
    farewell: slice  # in samples: the part with it, up to the end
    last_word: slice  # in samples
    stretches: tuple[slice, ...]  # in samples: the plain part in pieces of two sentences

    @property
    def seconds(self) -> float:
        return self.samples.size / SAMPLE_RATE


def script(sentences: int = len(SENTENCES)) -> Script:
    """Return what a speaker says: so many of our sentences, then the farewell with DTX. Raises NoVoice."""
    parts = [_quiet(LEAD)]
    ends = [parts[0].size // 2]
    for voice, text in SENTENCES[:sentences]:
        parts += [say(text, voice=voice), _quiet(PAUSE)]
        ends.append(sum(part.size for part in parts) - parts[-1].size // 2)
    plain = slice(0, sum(part.size for part in parts))
    before = [say(BEFORE_PAUSE[1], voice=BEFORE_PAUSE[0]), _quiet(LONG_PAUSE)]
    word = say(LAST_WORD[1], voice=LAST_WORD[0])
    begins = plain.stop + sum(part.size for part in before)
    samples = np.concatenate([*parts, *before, word])
    sent = np.ones(samples.size // FRAME_SAMPLES, dtype=np.bool_)
    _thin(sent, first=(begins - before[1].size) // FRAME_SAMPLES, last=begins // FRAME_SAMPLES)
    return Script(
        samples=samples,
        sent=sent,
        plain=plain,
        farewell=slice(plain.stop, samples.size),
        last_word=slice(begins, samples.size),
        stretches=tuple(slice(*two) for two in pairwise([*ends[:-1:2], ends[-1]])),
    )


@cache
def say(text: str, *, voice: str) -> Samples:
    """Return `text` as sound without silence around it, shape (a multiple of 960,). Raises NoVoice."""
    program = shutil.which(PACKAGE)
    if program is None:
        raise NoVoice(f"This needs {PACKAGE}. On Debian: sudo apt install {PACKAGE}")
    command = [program, "-v", voice, "-s", str(WORDS_PER_MINUTE), "--stdout", text]
    wav = subprocess.run(command, capture_output=True, check=True).stdout  # noqa: S603 -- our own texts
    loud = _trimmed(_read(wav))
    loud *= LOUDNESS / float(np.max(np.abs(loud)))
    return np.pad(loud, (0, -loud.size % FRAME_SAMPLES))


def voiced(samples: Samples, *, step: int = FRAME_SAMPLES) -> NDArray[np.bool_]:
    """Return for each `step` of samples whether it is well within speech, shape (samples.size // step,)."""
    power = levels(samples, step=step)
    return power > float(power.max()) + _VOICED_DB


def levels(samples: Samples, *, step: int = FRAME_SAMPLES) -> NDArray[np.float64]:
    """Return the level of each `step` of samples in dBFS, shape (samples.size // step,), at least -120."""
    whole = samples[: samples.size // step * step].reshape(-1, step).astype(np.float64)
    found: NDArray[np.float64] = 10.0 * np.log10(np.mean(whole**2, axis=1) + 1e-12)
    return found


def resampled(samples: Samples, rate: int) -> NDArray[np.float32]:
    """Return sound at 48 kHz as sound at `rate`, float32, mono."""
    resampler = AudioResampler(format="flt", layout="mono", rate=rate)
    frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="flt", layout="mono")
    frame.sample_rate = SAMPLE_RATE
    pieces = [*resampler.resample(frame), *resampler.resample(None)]
    return np.concatenate([piece.to_ndarray().reshape(-1) for piece in pieces]).astype(np.float32)


def _read(wav: bytes) -> Samples:
    with av.open(io.BytesIO(wav), mode="r") as file:
        resampler = AudioResampler(format="flt", layout="mono", rate=SAMPLE_RATE)
        pieces = [one for frame in file.decode(audio=0) for one in resampler.resample(frame)]
        pieces += resampler.resample(None)
    return np.concatenate([piece.to_ndarray().reshape(-1) for piece in pieces]).astype(np.float32)


def _trimmed(samples: Samples) -> Samples:
    loud = np.flatnonzero(np.abs(samples) > 0.005 * float(np.max(np.abs(samples))))
    return samples[loud[0] : loud[-1] + 1].copy()


def _thin(sent: NDArray[np.bool_], *, first: int, last: int) -> None:
    """Send, of the quiet frames `first` to `last`, what libopus with DTX would."""
    for frame in range(first + HANG_FRAMES, last):
        sent[frame] = (frame - first - HANG_FRAMES) % REFRESH_FRAMES == 0


def _quiet(seconds: float) -> Samples:
    return np.tile(silence(), round(seconds / 0.020))
