"""What a mixer tells Prometheus."""

from collections.abc import Iterable

from prometheus_client.metrics_core import Metric

from rooms.media.house import House
from rooms.media.metrics import by, counter, gauge
from rooms.media.tally import LateTicks


def read(house: House, late_ticks: LateTicks) -> Iterable[Metric]:
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
    yield counter(
        "stray_datagrams", "Datagrams of strangers, or of no use, at speakers' ports.", heard.strays
    )
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
