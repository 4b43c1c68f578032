"""Who is speaking, told from the sound itself and not from what a browser claims."""

from collections import deque
from typing import Final

from rooms.media.sound import SILENCE_DBFS, Samples, dbfs

THRESHOLD_DBFS: Final = -50.0
_LOUD_OF: Final = 5  # frames looked back on
_LOUD_ENOUGH: Final = 2  # of them above the threshold: one alone is a click
_HOLD: Final = 20  # ticks, 400 ms: people breathe


class Meter:
    """Hears one speaker's frames, 50 a second, and knows how loud they are and whether they are speaking."""

    def __init__(self) -> None:
        self.dbfs = SILENCE_DBFS
        self.speaking = False
        self._loud: deque[bool] = deque(maxlen=_LOUD_OF)
        self._quiet_for = 0

    def hear(self, frame: Samples | None) -> None:
        """Take one tick's frame, shape (960,), or None for nothing."""
        self.dbfs = SILENCE_DBFS if frame is None else dbfs(frame)
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
