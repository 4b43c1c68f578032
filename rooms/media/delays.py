"""How late packets come, compared with the fastest of the last seconds."""

from collections import deque
from typing import Final

from rooms.media.sound import SAMPLE_RATE

WINDOW_SECONDS: Final = 4.0  # long enough to remember a hiccup, short enough to forget it and to follow drift
WINDOW_PACKETS: Final = 200
KNOWN: Final = 25  # packets after which we know something
_OUTLIERS: Final = 100  # one in so many may be later
_LOOK_EVERY: Final = 10  # packets; sorting is not free
_ANOTHER_WAY: Final = (
    SAMPLE_RATE // 10
)  # if even the fastest of the last 25 is so much later, the way is another


class Delays:
    """Looks at transits (arrival minus timestamp, in samples, of any zero) over the last four seconds.

    `fastest` is the least of them, and `nearly_most` is how much more all but one in a hundred took.
    """

    def __init__(self) -> None:
        self.fastest: float | None = None
        self.nearly_most = 0.0
        self._noted: deque[tuple[float, float]] = deque(maxlen=WINDOW_PACKETS)  # at, transit
        self._until_look = 0

    @property
    def known(self) -> bool:
        """Whether enough has come to judge by."""
        return len(self._noted) >= KNOWN

    def note(self, transit: float, *, at: float) -> None:
        """Note a packet that came at `at`, in seconds."""
        self._noted.append((at, transit))
        self._until_look -= 1
        if self.fastest is None or transit < self.fastest:
            self.fastest = transit
        if self._until_look <= 0 or transit - self.fastest > self.nearly_most:
            self._look(at)

    def forget(self) -> None:
        """Begin anew."""
        self._noted.clear()
        self.fastest = None
        self.nearly_most = 0.0
        self._until_look = 0

    def _look(self, at: float) -> None:
        while self._noted[0][0] < at - WINDOW_SECONDS:
            self._noted.popleft()
        transits = [transit for _, transit in self._noted]
        lately = min(transits[-KNOWN:])
        if lately - min(transits) > _ANOTHER_WAY and self.known:
            transits = transits[-KNOWN:]
            for _ in range(len(self._noted) - KNOWN):
                self._noted.popleft()
        transits.sort()
        self.fastest = transits[0]
        self.nearly_most = transits[-1 - len(transits) // _OUTLIERS] - transits[0]
        self._until_look = _LOOK_EVERY
