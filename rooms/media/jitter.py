"""A speaker's frames as they come, one frame per tick as the mixer wants them."""

from collections import deque
from typing import Final

import numpy as np

from rooms.media.sound import FRAME_SAMPLES, Samples

START: Final = 2  # frames gathered before the first is played: 40 ms against the network's unevenness
MOST: Final = 10  # frames held at most, 200 ms; beyond that the oldest go
_WINDOW: Final = 50  # ticks (one second) over which we look whether fewer frames would have done


class Cushion:
    """Between a speaker's network and the room's clock: bounded, oldest dropped first, never ever later.

    A speaker's clock that runs fast, or one burst after a hole, would leave frames lying here for ever, each
    20 ms of delay for everybody. So once a second one frame that was never needed is let go.
    """

    def __init__(self) -> None:
        self._frames: deque[Samples] = deque(maxlen=MOST)
        self._rest: Samples = np.empty(0, dtype=np.float32)
        self._playing = False
        self._last: Samples | None = None
        self._ticks = 0
        self._fewest = MOST

    def __len__(self) -> int:
        """Return how many whole frames wait."""
        return len(self._frames)

    def put(self, samples: Samples) -> None:
        """Add decoded sound of any length, shape (n,); it is cut into frames of 960 samples."""
        waiting = np.concatenate((self._rest, samples)) if self._rest.size else samples
        whole = waiting.size - waiting.size % FRAME_SAMPLES
        self._frames.extend(waiting[at : at + FRAME_SAMPLES] for at in range(0, whole, FRAME_SAMPLES))
        self._rest = waiting[whole:]

    def clear(self) -> None:
        """Forget all that waits: what was said before a mute is not heard after it."""
        self._frames.clear()
        self._rest = np.empty(0, dtype=np.float32)
        self._playing = False
        self._last = None

    def take(self) -> Samples | None:
        """Return the frame for this tick, or None when there is nothing to play.

        When sound runs out in mid-word, the last frame comes once more, backwards and fading: a cut clicks.
        """
        self._trim()
        if not self._playing and len(self._frames) < START:
            return None
        if self._frames:
            self._playing = True
            self._last = self._frames.popleft()
            return self._last
        faded = None if self._last is None else self._last[::-1] * _FADE_OUT
        self._playing = False
        self._last = None
        return faded

    def _trim(self) -> None:
        self._fewest = min(self._fewest, len(self._frames))
        self._ticks += 1
        if self._ticks < _WINDOW:
            return
        if self._playing and self._fewest > START:
            self._frames.popleft()
        self._ticks = 0
        self._fewest = MOST


# Played backwards, the repeated frame begins with the very sample on which the last one ended.
_FADE_OUT: Final = np.linspace(1.0, 0.0, FRAME_SAMPLES, dtype=np.float32)
