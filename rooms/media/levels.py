"""How loud a speaker is: told from the sound itself, and before it is decoded from what a packet claims."""

from collections import deque
from typing import Final

from rooms.media.sound import SILENCE_DBFS, Samples, dbfs

THRESHOLD_DBFS: Final = -50.0
_LOUD_OF: Final = 5  # frames looked back on
_LOUD_ENOUGH: Final = 2  # of them above the threshold: one alone is a click
_HOLD: Final = 20  # ticks, 400 ms: people breathe
_QUIET_BELOW: Final = 20.0  # dB under a voice's own level, for rooms that are never below the threshold
_FALLS: Final = 0.1  # dB per tick, 5 a second: how fast that level is forgotten
_LOUDNESS_SECONDS: Final = 0.3  # a syllable


class Meter:
    """Hears one speaker's frames, 50 a second, and knows how loud they are and whether they are speaking."""

    def __init__(self) -> None:
        self.dbfs = SILENCE_DBFS
        self.speaking = False
        self._loud: deque[bool] = deque(maxlen=_LOUD_OF)
        self._quiet_for = 0
        self._usual = SILENCE_DBFS

    @property
    def quiet(self) -> bool:
        """Whether the last frame was a moment in which a change is not noticed."""
        return self.dbfs <= max(THRESHOLD_DBFS, self._usual - _QUIET_BELOW)

    def hear(self, frame: Samples | None) -> None:
        """Take one tick's frame, shape (960,), or None for nothing."""
        self.dbfs = SILENCE_DBFS if frame is None else dbfs(frame)
        self._usual = max(self._usual - _FALLS, self.dbfs)
        loud = self.dbfs > THRESHOLD_DBFS
        self._loud.append(loud)
        self._quiet_for = 0 if loud else self._quiet_for + 1
        if sum(self._loud) >= _LOUD_ENOUGH:
            self.speaking = True
        elif self._quiet_for >= _HOLD:
            self.speaking = False

    def hush(self) -> None:
        """Forget what was heard: muted, or gone."""
        self.dbfs = SILENCE_DBFS
        self.speaking = False
        self._loud.clear()
        self._quiet_for = 0
        self._usual = SILENCE_DBFS


class Loudness:
    """The loudest that a speaker has been told to be during the last 0.3 s."""

    def __init__(self) -> None:
        self._told: deque[tuple[float, float]] = (
            deque()
        )  # at, level; falling, so that the first is the loudest

    def tell(self, level: float, *, at: float) -> None:
        """Note a level, in dBov (RFC 6464) or dBFS, which are one, at `at` in seconds."""
        while self._told and self._told[-1][1] <= level:
            self._told.pop()
        self._told.append((at, level))

    def at(self, now: float) -> float:
        """Return the loudest of the last 0.3 s in dBFS, at least -100."""
        while self._told and self._told[0][0] < now - _LOUDNESS_SECONDS:
            self._told.popleft()
        return max(self._told[0][1], SILENCE_DBFS) if self._told else SILENCE_DBFS

    def hush(self) -> None:
        """Forget what was told."""
        self._told.clear()
