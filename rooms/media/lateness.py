"""How late packets leave, against the mixer's own clock."""

from typing import Final

from rooms.media.feed import Tick

FRAME_SECONDS: Final = 0.02
WINDOW_SECONDS: Final = 10.0  # how long the quickest packet stays the measure: clocks drift, and pause
_MOST_SOURCES: Final = 256


class Lateness:
    """Counts ticks that were sent later than 5, 20 and 40 ms after the quickest of the last seconds."""

    def __init__(self) -> None:
        self.over_5ms = 0
        self.over_20ms = 0
        self.over_40ms = 0
        self._measures: dict[int, tuple[float, float, float]] = {}  # source: (since, before, now)

    def note(self, tick: Tick, *, began: float, sent: float) -> None:
        """Count one tick that came at `began` and had been sent to all at `sent`, seconds of one clock."""
        ideal = tick.number * FRAME_SECONDS
        late = sent - ideal - self._measure(tick.source, began - ideal, began)
        self.over_5ms += late > 0.005
        self.over_20ms += late > 0.020
        self.over_40ms += late > 0.040

    def _measure(self, source: int, offset: float, now: float) -> float:
        """Return the smallest offset between the source's clock and ours in one to two windows."""
        since, before, smallest = self._measures.get(source, (now, offset, offset))
        if now - since > WINDOW_SECONDS:
            since, before, smallest = now, smallest, offset
        smallest = min(smallest, offset)
        if source not in self._measures and len(self._measures) >= _MOST_SOURCES:
            self._measures.clear()
        self._measures[source] = (since, before, smallest)
        return min(before, smallest)
