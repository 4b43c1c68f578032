"""Numbers for Prometheus, told on 127.0.0.1 and read from where they are counted. No label names anybody."""

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

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
