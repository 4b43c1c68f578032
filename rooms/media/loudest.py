"""Whose voices are worth decoding: when more talk at once than anybody can follow, the loudest."""

from collections.abc import Mapping
from typing import Final

MOST: Final = 5  # voices at once; more are a crowd, not a conversation
TALKING_DBFS: Final = -55.0  # a little below what is shown as speaking, so that a word begins whole
_HOLD: Final = 40  # ticks, 0.8 s, for which a voice keeps its place in a pause
_LOUDER: Final = 6.0  # dB by which a newcomer must be louder than a voice that is talking
_FOR: Final = 15  # ticks, 0.3 s, for which it must be so
_FALLS: Final = 0.15  # dB per tick, 7.5 a second: in a pause a voice counts nearly as loud as it was


class Loudest:
    """Chooses, tick by tick, at most `most` seats to be decoded.

    Who has a place keeps it through the pauses of speech; a free place, or the place of somebody silent, is
    given at once, so no word loses its beginning. Only if all places talk does a newcomer have to be clearly
    louder for a while than the softest of them, and then it is a crowd in which nobody is understood anyway.
    """

    def __init__(self, *, most: int = MOST) -> None:
        self._most = most
        self._levels: dict[str, float] = {}  # dBFS, quick to rise and slow to fall
        self._silent_for: dict[str, int] = {}  # ticks, of those who have a place
        self._louder_for: dict[str, int] = {}  # ticks, of those who want one

    def choose(self, loudness: Mapping[str, float]) -> frozenset[str]:
        """Return the seats to decode in this tick, out of all that are here with their loudness in dBFS."""
        self._follow(loudness)
        if len(loudness) <= self._most:
            self._silent_for = {seat: self._silent_for.get(seat, 0) for seat in loudness}
        else:
            for seat in sorted(loudness.keys() - self._silent_for.keys(), key=self._level, reverse=True):
                self._let_in(seat)
        return frozenset(self._silent_for)

    def _follow(self, loudness: Mapping[str, float]) -> None:
        self._levels = {
            seat: max(now, self._levels.get(seat, now) - _FALLS) for seat, now in loudness.items()
        }
        self._silent_for = {
            seat: 0 if loudness[seat] > TALKING_DBFS else ticks + 1
            for seat, ticks in self._silent_for.items()
            if seat in loudness
        }
        self._louder_for = {seat: ticks for seat, ticks in self._louder_for.items() if seat in loudness}

    def _level(self, seat: str) -> float:
        return self._levels[seat]

    def _let_in(self, seat: str) -> None:
        if len(self._silent_for) < self._most:
            self._silent_for[seat] = 0
            return
        if self._levels[seat] <= TALKING_DBFS:
            self._louder_for.pop(seat, None)
            return
        leaves = max(self._silent_for, key=lambda one: (self._silent_for[one] >= _HOLD, -self._levels[one]))
        if self._silent_for[leaves] < _HOLD:
            louder = self._levels[seat] - self._levels[leaves] > _LOUDER
            self._louder_for[seat] = self._louder_for.get(seat, 0) + 1 if louder else 0
            if self._louder_for[seat] < _FOR:
                return
        self._silent_for.pop(leaves)
        self._louder_for.pop(seat, None)
        self._silent_for[seat] = 0
