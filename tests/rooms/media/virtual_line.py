"""A sender, a network and 50 ticks a second, none of which are real, around a buffer that is."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from rooms.media.jitter import Buffer, Do, Turn

NETWORK = 0.030  # seconds that the fastest packet is under way
WORDS = 3  # of five 100 ms are speech; in the other two a change is not heard


@dataclass
class Fate:
    """What the network does to one packet."""

    lost: bool = False
    late_by: float = 0.0  # seconds
    twice: bool = False


@dataclass
class Line:
    """A sender whose packets take a network to a buffer, and what each tick was told to do."""

    length: int = 960
    drift: float = 0.0  # the sender's clock runs so much slower
    phase: float = 0.007  # of our ticks
    fec: bool = True
    first_sequence: int = 65_500
    first_timestamp: int = 2**32 - 48_000
    quiet: Callable[[float], bool] = field(default=lambda at: int(at * 10) % 5 >= WORDS)
    buffer: Buffer = field(default_factory=Buffer)
    turns: list[Turn] = field(default_factory=list)
    played: list[tuple[int, float, float]] = field(default_factory=list)  # number, came at, decoded at
    waited: list[float | None] = field(default_factory=list)  # ms per tick that played
    _coming: list[tuple[float, int]] = field(default_factory=list)
    _sent: int = 0
    _ticks: int = 0
    _left_out: dict[int, int] = field(default_factory=dict)  # packets not sent before the one of this number
    _silent: int = 0
    _arrived: dict[int, float] = field(default_factory=dict)

    def say(self, *fates: Fate, silence_after: float = 0.0) -> "Line":
        """Send a packet for each fate; then nothing for a while, as with DTX."""
        for fate in fates:
            at = self._time_of(self._sent + 1)
            self._left_out[self._sent] = self._silent
            if not fate.lost:
                arrives = at + NETWORK + fate.late_by
                self._coming += [(arrives, self._sent)] * (2 if fate.twice else 1)
            self._sent += 1
        self._silent += round(silence_after * 48_000 / self.length)
        self._coming.sort()
        return self

    def listen(self, *, until: float | None = None) -> "Line":
        """Let time go by until all that was sent has come, and 0.4 s more."""
        end = self._time_of(self._sent) + 0.4 if until is None else until
        while (at := self._ticks * 0.020 + self.phase) < end:
            self._ticks += 1
            while self._coming and self._coming[0][0] <= at:
                self._arrive(*self._coming.pop(0))
            self._tick(at)
        return self

    def numbers(self) -> list[int]:
        return [number for number, _, _ in self.played]

    def did(self) -> Counter[Do]:
        return Counter(step.do for turn in self.turns for step in turn.steps)

    def wait_between(self, start: float, end: float) -> float:
        """Return the mean milliseconds waited from second `start` to `end`."""
        heard = [one for one in self.waited[round(start * 50) : round(end * 50)] if one is not None]
        return sum(heard) / len(heard)

    def longest_gap(self) -> int:
        """Return the most ticks in a row, before sound came again, without a decoded or recovered frame."""
        gaps, gap, covered = [0], 0, 0
        begun = False
        for turn in self.turns:
            covered += sum(step.samples for step in turn.steps if step.do is not Do.CONCEAL)
            covered -= 960 if turn.shorten else 0
            if covered >= 960:
                gaps.append(gap)
                covered, gap, begun = covered - 960, 0, True
            elif begun:
                gap += 1
        return max(gaps)

    def _time_of(self, number: int) -> float:
        return (number + self._silent) * self.length / 48_000 * (1 + self.drift)

    def _arrive(self, at: float, number: int) -> None:
        self._arrived.setdefault(number, at)
        place = (number + self._left_out[number]) * self.length
        self.buffer.put(
            sequence=(self.first_sequence + number) & 0xFFFF,
            timestamp=(self.first_timestamp + place) & 0xFFFFFFFF,
            samples=self.length,
            payload=number.to_bytes(4),
            at=at,
            fec=self.fec,
        )

    def _tick(self, at: float) -> None:
        turn = self.buffer.take(at=at, quiet=self.quiet(at))
        if turn.shorten:
            self.buffer.shortened(960)
        self.turns.append(turn)
        self.waited.append(self.buffer.waiting_samples / 48 if turn.plays else None)
        for step in turn.steps:
            if step.do is Do.DECODE:
                number = int.from_bytes(step.payload)
                self.played.append((number, self._arrived[number], at))


def well(count: int) -> list[Fate]:
    return [Fate()] * count
