"""One voice out of a speaker's packets: the buffer's instructions carried out, its joins made soft."""

from typing import Final

import numpy as np

from rooms.media import opus
from rooms.media.jitter import Buffer, Do, Step
from rooms.media.opus import Decoder, NotOpus
from rooms.media.rtp import Packet
from rooms.media.sound import FRAME_SAMPLES, Samples

_FADE_FROM: Final = 48 * 60  # samples concealed at full strength
_FADE_TO: Final = 48 * 160  # and after which nothing is left of them
_RISE: Final = np.linspace(0.0, 1.0, 240, dtype=np.float32)  # 5 ms: sound never begins with a click
_FALL: Final = np.linspace(1.0, 0.0, FRAME_SAMPLES, dtype=np.float32)
_LONGEST_PITCH, _SHORTEST_PITCH = 960, 480  # samples in which to look for the same again: 50 to 100 Hz
_STEP: Final = 4  # samples; near enough for a join, and a quarter of the work


class Voice:
    """Puts packets into order and makes one frame of sound per tick of them."""

    def __init__(self) -> None:
        self.buffer = Buffer()
        self._decoder = Decoder()
        self._rest: Samples = _NOTHING  # decoded and not yet played
        self._concealed = 0  # samples in a row
        self._sounding = False  # whether the last frame was sound
        self._missed: bytes | None = None  # the last payload that was not decoded
        self._before: bytes | None = None  # the decoder's state before it had to guess
        self._source: int | None = None

    def put(self, packet: Packet, *, at: float, hold: bool = True) -> None:
        """Take a packet that came at `at`, in seconds; without `hold` only count it."""
        if packet.source != self._source:
            self._begin(packet.source)
        self.buffer.put(
            sequence=packet.sequence,
            timestamp=packet.timestamp,
            samples=opus.duration(packet.payload),
            payload=packet.payload,
            at=at,
            fec=opus.has_fec(packet.payload),
            hold=hold,
        )

    def hush(self) -> None:
        """Forget what waits, and begin clean with what comes."""
        self.buffer.hush()
        self._decoder.reset()
        self._rest = _NOTHING
        self._concealed = 0
        self._sounding = False
        self._missed = self._before = None

    def take(self, *, at: float, quiet: bool, decode: bool = True) -> Samples | None:
        """Return the frame for the tick at `at`, shape (960,), or None for nothing.

        `quiet` tells whether the last frame was. Without `decode` time goes by all the same, at hardly a
        cost, and what comes then is decoded again without a click.
        """
        turn = self.buffer.take(at=at, quiet=quiet)
        if not decode:
            if turn.shorten:
                self.buffer.shortened(FRAME_SAMPLES)
            self._pass_over(turn.steps)
            return self._end()
        pieces = [self._carry_out(step) for step in turn.steps]
        if self._rest.size:
            pieces.insert(0, self._rest)
        sound = pieces[0] if len(pieces) == 1 else np.concatenate([_NOTHING, *pieces])
        if not turn.plays:
            return self._end()
        if turn.shorten:
            whole = sound.size
            sound = _shortened(sound, quiet=quiet)
            self.buffer.shortened(whole - sound.size)
        frame, self._rest = sound[:FRAME_SAMPLES], sound[FRAME_SAMPLES:]
        if not self._sounding:
            frame = _risen(frame)
        self._sounding = True
        return frame

    def _begin(self, source: int) -> None:
        self.buffer.restart()
        self.hush()
        self._source = source

    def _pass_over(self, steps: tuple[Step, ...]) -> None:
        for step in steps:
            if step.do is Do.DECODE:
                self._missed = step.payload

    def _end(self) -> Samples | None:
        """Return the frame after the last one: it fades, where mere nothing would click."""
        self._rest = _NOTHING
        if not self._sounding:
            return None
        self._sounding = False
        return None if self._concealed >= _FADE_TO else self._decoder.conceal() * _FALL

    def _carry_out(self, step: Step) -> Samples:
        if self._missed is not None:
            self._take_up(self._missed)
        before, self._before = self._before, self._before if step.do is Do.CONCEAL else None
        try:
            if step.do is Do.DECODE and before is not None and opus.is_celt(step.payload):
                return self._go_on(step.payload, before)
            if step.do is Do.DECODE:
                sound = self._decoder.decode(step.payload)
            elif step.do is Do.RECOVER:
                sound = self._decoder.recover(step.payload, step.samples)
            else:
                return self._guess(step.samples)
        except NotOpus:
            return self._guess(step.samples)
        after, self._concealed = self._concealed, 0
        return _risen(sound) if after > _FADE_FROM else sound

    def _go_on(self, payload: bytes, before: bytes) -> Samples:
        """Return the sound of a packet after guessing, as if nothing had been guessed before it.

        CELT foretells each frame's energy from the last one's, so that a frame that fades, or that never was,
        mutes the next 100 ms. SILK knows how to go on by itself, and does it better.
        """
        guessed = self._guess(_RISE.size)
        self._before, self._concealed = None, 0
        self._decoder.restore(before)
        sound = self._decoder.decode(payload)
        length = min(_RISE.size, sound.size)
        sound[:length] = sound[:length] * _RISE[:length] + guessed[:length] * (1.0 - _RISE[:length])
        return sound

    def _take_up(self, missed: bytes) -> None:
        """Bring the decoder to where it would be, near enough, had it decoded all along."""
        self._missed = self._before = None
        self._decoder.reset()
        try:
            self._decoder.decode(missed)
        except NotOpus:
            return

    def _guess(self, samples: int) -> Samples:
        """Return concealment: whole for 60 ms, and gone after 160 ms."""
        before, self._concealed = self._concealed, self._concealed + samples
        if self._before is None:
            self._before = self._decoder.save()
        if before >= _FADE_TO:
            return np.zeros(samples, dtype=np.float32)
        sound = self._decoder.conceal(samples)
        if self._concealed <= _FADE_FROM:
            return sound
        at = np.arange(before, self._concealed, dtype=np.float32)
        return sound * np.clip((_FADE_TO - at) / (_FADE_TO - _FADE_FROM), 0.0, 1.0)


_NOTHING: Final = np.empty(0, dtype=np.float32)


def _risen(frame: Samples) -> Samples:
    """Return the same sound beginning from nothing."""
    risen = frame.copy()
    length = min(_RISE.size, risen.size)
    risen[:length] *= _RISE[:length]
    return risen


def _shortened(sound: Samples, *, quiet: bool) -> Samples:
    """Return `sound`, of 1,920 samples or more, with its beginning led over into what comes later.

    In a quiet moment into its last frame, which is all that is left then. Else by as much as after which the
    sound is most like itself, 10 to 20 ms, so that a vowel or a tone goes on as it was.
    """
    by = sound.size - FRAME_SAMPLES if quiet else _pitch(sound)
    joined = sound[by:].copy()
    joined[:FRAME_SAMPLES] *= 1.0 - _FALL
    joined[:FRAME_SAMPLES] += sound[:FRAME_SAMPLES] * _FALL
    return joined


def _pitch(sound: Samples) -> int:
    """Return the shift, in samples, after which the first frame of `sound` is most like itself."""
    pattern = sound[:FRAME_SAMPLES:_STEP]
    shifts = range(_SHORTEST_PITCH, _LONGEST_PITCH + 1, _STEP)
    later = np.stack([sound[shift : shift + FRAME_SAMPLES : _STEP] for shift in shifts])
    alike = later @ pattern / np.sqrt(np.sum(later * later, axis=1) + 1e-9)
    return shifts[int(np.argmax(alike))]
