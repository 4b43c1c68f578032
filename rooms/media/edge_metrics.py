"""What an edge tells Prometheus."""

from collections.abc import Iterable

from prometheus_client.metrics_core import Metric

from rooms.media.counters import JOIN_BUCKETS, Counters
from rooms.media.metrics import by, counter, gauge, histogram


def read(counters: Counters) -> Iterable[Metric]:
    """Return what an edge and its sender have counted."""
    sender = counters.sender
    late = {"5": sender.late_5ms, "20": sender.late_20ms, "40": sender.late_40ms}
    failures = {"stun": counters.stun_failures, "dtls": counters.dtls_failures, "stray": counters.strays}
    unsent = {"full": sender.full, "refused": sender.failed, "answer": counters.unsent}
    yield gauge("listeners", "Sessions that listen or are about to.", counters.listeners)
    yield counter("joins", "Offers answered.", counters.joins)
    yield histogram(
        "join_seconds",
        "From the offer to the first packet.",
        edges=list(JOIN_BUCKETS),
        counts=counters.join_seconds,
        total=counters.join_seconds_sum,
    )
    yield counter("packets", "Packets of sound sent.", sender.packets)
    yield counter("octets", "Bytes of sound sent.", sender.octets)
    yield by("unsent", "Datagrams that could not be sent.", "why", unsent)
    yield by("late_ticks", "Ticks sent later than so many milliseconds.", "over_ms", late)
    yield by("refused_datagrams", "Datagrams that were not answered.", "kind", failures)
    yield counter(
        "address_moves", "Listeners who went on hearing at another address.", counters.address_moves
    )
    yield counter("reports", "Receiver reports read.", counters.reports)
    yield counter(
        "reported_lost_share", "Sum of the shares lost, of all reports read.", counters.lost_share_sum
    )
    yield counter("reported_jitter_seconds", "Sum of the jitter in them.", counters.jitter_seconds_sum)
    yield counter("sender_cpu_seconds", "CPU of the sender.", sender.cpu_ms / 1000)
    yield gauge("sender_resident_bytes", "Memory of the sender.", sender.rss_bytes)
