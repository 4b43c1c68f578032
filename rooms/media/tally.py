"""What a mixer counts: how speakers' packets have come, and how late its clock was."""

from collections.abc import Iterable
from dataclasses import dataclass

from rooms.media.peer import Figures


@dataclass
class Tally:
    """Only ever grows, so that a rate can be made of it."""

    received: int = 0
    lost: int = 0
    late: int = 0
    duplicated: int = 0
    recovered: int = 0
    concealed: float = 0.0  # frames of 20 ms
    strays: int = 0

    def add(self, figures: Figures) -> None:
        """Count a session that has ended."""
        self.received += figures.received
        self.lost += figures.lost
        self.late += figures.late
        self.duplicated += figures.duplicated
        self.recovered += figures.recovered
        self.concealed += figures.concealed
        self.strays += figures.strays

    def with_those(self, still_here: Iterable[Figures]) -> "Tally":
        """Return the sum with those whose sessions go on."""
        whole = Tally(**vars(self))
        for figures in still_here:
            whole.add(figures)
        return whole


@dataclass
class LateTicks:
    """Counts ticks of the clock that came later than 5, 20 and 40 ms after their time."""

    over_5ms: int = 0
    over_20ms: int = 0
    over_40ms: int = 0

    def note(self, seconds: float) -> None:
        """Count one tick that came so late."""
        self.over_5ms += seconds > 0.005
        self.over_20ms += seconds > 0.020
        self.over_40ms += seconds > 0.040
