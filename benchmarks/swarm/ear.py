"""One listener of the sample: decrypts each packet, and notes what is missing and how long silences were."""

import math
from dataclasses import dataclass, field

import pylibsrtp

from benchmarks.swarm.handshake import Keys

LONGEST_NOTED = 1_000  # ms; what lasts longer is counted here


@dataclass
class Tally:
    """What one ear, or several added up, heard since the last mark."""

    packets: int = 0
    undecryptable: int = 0
    missing: int = 0  # sequence numbers that did not come, or not yet
    late: int = 0  # came after a higher number; one that comes twice is undecryptable, for libsrtp refuses it
    longest_gap_ms: float = 0.0
    gaps: dict[int, int] = field(default_factory=dict)  # ms between two arrivals, rounded up -> how often

    def add(self, other: "Tally") -> None:
        self.packets += other.packets
        self.undecryptable += other.undecryptable
        self.missing += other.missing
        self.late += other.late
        self.longest_gap_ms = max(self.longest_gap_ms, other.longest_gap_ms)
        for milliseconds, times in other.gaps.items():
            self.gaps[milliseconds] = self.gaps.get(milliseconds, 0) + times

    def as_figures(self) -> dict[str, object]:
        return {
            "packets": self.packets,
            "undecryptable": self.undecryptable,
            "missing": self.missing,
            "late": self.late,
            "gap_ms": {
                "p50": self._quantile(0.5),
                "p99": self._quantile(0.99),
                "p999": self._quantile(0.999),
                "longest": round(self.longest_gap_ms, 1),
            },
            "gaps_over": {str(limit): self._over(limit) for limit in (30, 40, 60, 100, 200)},
        }

    def _over(self, limit: int) -> int:
        return sum(times for milliseconds, times in self.gaps.items() if milliseconds > limit)

    def _quantile(self, share: float) -> int | None:
        before, wanted = 0, math.ceil(sum(self.gaps.values()) * share)
        for milliseconds in sorted(self.gaps):
            before += self.gaps[milliseconds]
            if before >= wanted:
                return milliseconds
        return None


class Ear:
    __slots__ = ("_highest", "_last", "_srtp", "tally")

    def __init__(self, keys: Keys) -> None:
        self._srtp = keys.to_decrypt()
        self._highest: int | None = None
        self._last: float | None = None
        self.tally = Tally()

    def mark(self) -> None:
        """Begin a new tally; the gap that is open now counts in neither."""
        self.tally, self._last = Tally(), None

    def take(self, packet: bytes, *, at: float) -> bool:
        """Note a packet that the kernel received at `at` (seconds). False if it cannot be decrypted."""
        tally = self.tally
        try:
            plain = self._srtp.unprotect(packet)
        except pylibsrtp.Error:
            tally.undecryptable += 1
            return False
        tally.packets += 1
        self._note_sequence(int.from_bytes(plain[2:4], "big"))
        if self._last is not None:
            gap = (at - self._last) * 1000
            tally.longest_gap_ms = max(tally.longest_gap_ms, gap)
            whole = min(math.ceil(gap), LONGEST_NOTED)
            tally.gaps[whole] = tally.gaps.get(whole, 0) + 1
        self._last = at
        return True

    def _note_sequence(self, sequence: int) -> None:
        if self._highest is None:
            self._highest = sequence
            return
        ahead = (sequence - self._highest) & 0xFFFF
        if 0 < ahead < 0x8000:
            self.tally.missing += ahead - 1
            self._highest = sequence
        else:
            self.tally.late += 1
            self.tally.missing -= 1
