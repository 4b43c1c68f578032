"""What an edge counts. Plain numbers, read by whoever shows them."""

from dataclasses import dataclass, field
from typing import Final

from rooms.media.pipe import Figures

# Seconds from the offer to the first packet; the last bucket holds what took longer.
JOIN_BUCKETS: Final = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 15.0)


@dataclass
class Counters:
    """Everything since the edge began, but for `listeners`, which is now."""

    listeners: int = 0
    joins: int = 0  # offers answered
    flowing: int = 0  # listeners who were sent a first packet
    join_seconds: list[int] = field(default_factory=lambda: [0] * (len(JOIN_BUCKETS) + 1))
    join_seconds_sum: float = 0.0
    datagrams: int = 0  # received
    stun_requests: int = 0  # that were answered
    stun_failures: int = 0  # requests for nobody here, forged, replayed, or from an address that is taken
    dtls_failures: int = 0  # handshakes that could not succeed
    strays: int = 0  # datagrams of no use, or from addresses that are nobody's
    address_moves: int = 0
    unsent: int = 0  # answers for which the socket had no room
    reports: int = 0  # receiver reports that were read
    reports_forged: int = 0
    lost_share_sum: float = 0.0  # of all reports: divide by `reports`
    jitter_seconds_sum: float = 0.0
    rss_bytes: int = 0  # of the edge itself; refreshed once a second, as the sender's figures are
    sender: Figures = field(default_factory=Figures)

    def joined(self, seconds: float) -> None:
        """Count one listener whose first packet flowed `seconds` after the offer."""
        self.flowing += 1
        self.join_seconds_sum += seconds
        bucket = next((at for at, most in enumerate(JOIN_BUCKETS) if seconds <= most), len(JOIN_BUCKETS))
        self.join_seconds[bucket] += 1
