"""Which sequence number and timestamp the next packet of a room bears (RFC 3550 §5.1), whoever mixes it."""

import secrets
from collections import deque
from typing import Final

SAMPLE_RATE: Final = 48_000
FRAME: Final = 960  # samples in 20 ms
LAST: Final = 0xFFFF
HELD_PACKETS: Final = 100  # two seconds of 20 ms: within them a joiner's first packet may still be lost
HIGH_PACKETS: Final = 150  # how long before the wrap a test begins
_REMEMBERED: Final = 8


class Timeline:
    """Counts for one room, on one clock: seconds that only go forward, as `time.monotonic` gives them.

    The sequence number goes up by one with each packet sent, and time never goes back, when the source of the
    sound changes, pauses or starts anew.
    """

    def __init__(self, *, high: bool = False) -> None:
        # The lower half, so that hours may pass before a wrap (RFC 3711 §3.3.1: both sides count wraps).
        self.sequence = LAST - HIGH_PACKETS if high else secrets.randbelow(1 << 15)
        self._stamp = secrets.randbits(32)  # of the last packet; counts on past 32 bits
        self._free = self._stamp  # where the last packet ends
        self._at: float | None = None  # when the last packet was sent
        self._source: int | None = None
        self._origin = 0  # the timestamp of the source's number 0
        self._next = 0  # the first number not yet sent
        self._gone: deque[int] = deque(maxlen=_REMEMBERED)

    @property
    def is_near_wrap(self) -> bool:
        """Whether a joiner could receive its first packet only after the sequence number has wrapped.

        It would count wraps from there, one less than we do, and never decrypt anything.
        """
        return self.sequence >= LAST - HELD_PACKETS

    def mark(self, *, source: int, number: int, frames: int, at: float) -> tuple[int, int] | None:
        """Return (sequence number, timestamp) for a packet of the mix, or None if it is not to be sent.

        That is one sent before, one overtaken by a later one, or one of a source that another has replaced.
        """
        if source != self._source:
            if source in self._gone:
                return None
            self._change(source, number, at)
        elif number < self._next:
            return None
        stamp = self._origin + number * FRAME
        if stamp < self._free:
            self._origin += self._free - stamp
            stamp = self._free
        self._next = number + frames
        return self._step(stamp, frames, at)

    def fill(self, *, at: float) -> tuple[int, int]:
        """Return (sequence number, timestamp) for a packet of 20 ms that stands in for a missing mix."""
        return self._step(max(self._free, self._now(at)), 1, at)

    def stamp(self, *, at: float) -> int:
        """Return the timestamp of the moment `at`, 32 bits."""
        return self._now(at) & 0xFFFF_FFFF

    def _change(self, source: int, number: int, at: float) -> None:
        if self._source is not None:
            self._gone.append(self._source)
        self._source = source
        self._origin = max(self._free, self._now(at)) - number * FRAME

    def _now(self, at: float) -> int:
        return self._stamp + (0 if self._at is None else round((at - self._at) * SAMPLE_RATE))

    def _step(self, stamp: int, frames: int, at: float) -> tuple[int, int]:
        self.sequence = self.sequence + 1 & LAST
        self._stamp, self._free, self._at = stamp, stamp + frames * FRAME, at
        return self.sequence, stamp & 0xFFFF_FFFF
