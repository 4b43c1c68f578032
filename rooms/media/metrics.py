"""Numbers for Prometheus, told on 127.0.0.1 and read from where they are counted. No label names anybody."""

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from rooms.media.counters import JOIN_BUCKETS, Counters
from rooms.media.house import House
from rooms.media.tally import LateTicks

HOST: Final = "127.0.0.1"


class _Read(Collector):
    """Reads its numbers anew for each scrape."""

    def __init__(self, read: Callable[[], Iterable[Metric]]) -> None:
        self._read = read

    def collect(self) -> Iterable[Metric]:
        return self._read()


def serve(read: Callable[[], Iterable[Metric]], *, port: int) -> None:
    """Answer scrapes on 127.0.0.1 while the process lives, in a thread that only waits between them."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Read(read))
    start_http_server(port, addr=HOST, registry=registry)


def of_edge(counters: Counters) -> Iterable[Metric]:
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


def of_mixer(house: House, late_ticks: LateTicks) -> Iterable[Metric]:
    """Return what a mixer and its speakers' buffers have counted."""
    now = [speaker.figures for room in house.rooms for speaker in room.speakers]
    heard = house.tally.with_those(now)
    late = {"5": late_ticks.over_5ms, "20": late_ticks.over_20ms, "40": late_ticks.over_40ms}
    lost = {"never_came": heard.lost, "too_late": heard.late, "twice": heard.duplicated}
    yield gauge("rooms", "Rooms at home here.", len(house.rooms))
    yield gauge("speakers", "Upstreams that are connected or about to be.", house.speakers)
    yield gauge("fed_edges", "Edges fed, summed over rooms.", sum(len(room.feeds) for room in house.rooms))
    yield by("late_mixes", "Ticks mixed later than so many milliseconds.", "over_ms", late)
    yield counter("speaker_packets", "Packets that speakers sent here.", heard.received)
    yield by("speaker_packets_unused", "Packets of speakers that were not played.", "why", lost)
    yield counter("recovered_packets", "Packets made of the next one's FEC.", heard.recovered)
    yield counter("concealed_frames", "Frames of 20 ms that were guessed.", heard.concealed)
    yield gauge(
        "speaker_jitter_milliseconds",
        "The most uneven arrival.",
        max((one.jitter_ms for one in now), default=0.0),
    )
    yield gauge(
        "speaker_delay_milliseconds",
        "The longest wait for it.",
        max((one.delay_ms for one in now), default=0.0),
    )


def counter(name: str, help_: str, value: float) -> Metric:
    family = CounterMetricFamily(f"stagedoor_media_{name}", help_)
    family.add_metric([], value)
    return family


def gauge(name: str, help_: str, value: float) -> Metric:
    family = GaugeMetricFamily(f"stagedoor_media_{name}", help_)
    family.add_metric([], value)
    return family


def by(name: str, help_: str, label: str, values: Mapping[str, float]) -> Metric:
    """Return a counter for each value of `label`, a kind of thing: never a person, seat or room."""
    family = CounterMetricFamily(f"stagedoor_media_{name}", help_, labels=[label])
    for kind, value in values.items():
        family.add_metric([kind], value)
    return family


def histogram(name: str, help_: str, *, edges: list[float], counts: list[int], total: float) -> Metric:
    """Return a histogram. `counts` has one more than `edges`: what is beyond the last."""
    family = HistogramMetricFamily(f"stagedoor_media_{name}", help_)
    so_far, buckets = 0, []
    for edge, count in zip([*map(str, edges), "+Inf"], counts, strict=True):
        so_far += count
        buckets.append((edge, float(so_far)))
    family.add_metric([], buckets, total)
    return family
