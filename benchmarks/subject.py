"""A server under test, those who listen to it, and one stretch of measuring them."""

import time
from dataclasses import dataclass
from typing import Any

from benchmarks import meter
from benchmarks.door import Caller
from benchmarks.rig import Helper, Rig, hush


@dataclass
class Subject:
    """What is measured: whose CPU counts as the server's, what else is watched, who feeds and who listens."""

    servers: dict[str, list[int]]
    others: dict[str, list[int]]
    swarm: Helper
    tone: Helper | None  # None: the server has a clock of its own, and nothing is hushed
    ptime: int = 20  # ms
    house: Caller | None = None  # ours, which counts for itself

    def payload_bytes(self) -> int:
        """Return how large the tone's packets are in the middle."""
        if self.tone is None:
            raise LookupError("This server has a source of its own.")
        size: int = self.tone.ask(op="count")["payload_bytes"]
        return size


def ours(rig: Rig, *, most: int, ptime: int, sample_every: int = 100, nice: int = 0) -> Subject:
    """Start an edge with its sender, a source that feeds it as a mixer does, and an empty swarm."""
    _, path = rig.server("house_under_test", "--host", rig.host, "--most", most)
    house = rig.call(path)
    about = house.ask(op="about")
    tone = rig.helper("tone", "--feed", about["feed"], "--ptime", ptime)
    return Subject(
        servers={"edge": [about["edge"]], "sender": about["sender"]},
        others={"mixer": [tone.pid]},
        swarm=rig.swarm(path, sample_every=sample_every, nice=nice),
        tone=tone,
        ptime=ptime,
        house=house,
    )


def stretch(subject: Subject, listeners: int, *, seconds: float) -> dict[str, Any]:
    """Measure once, with everybody in."""
    watched = {**subject.servers, **subject.others, "swarm": [subject.swarm.pid]}
    watched["kernel_threads"] = meter.soft_interrupts()
    sent = hush(subject.tone, ptime=subject.ptime) if subject.tone else 0
    subject.swarm.ask(op="mark")
    counted = subject.house.ask(op="counters")["counters"] if subject.house else {}
    before = meter.read(watched)
    time.sleep(seconds)
    after = meter.read(watched)
    shares = after.shares_since(before)
    expected = hush(subject.tone, ptime=subject.ptime) - sent if subject.tone else 0
    heard = subject.swarm.ask(op="count", expected=expected)
    if subject.house:
        time.sleep(1.2)  # the sender tells once a second
        heard["counters"] = _grown(counted, subject.house.ask(op="counters")["counters"])
    servers = sum(shares[name] for name in subject.servers)
    whole = servers + sum(shares[name] for name in subject.others)
    return {
        "listeners": listeners,
        "share_of_a_core": shares,
        "cores_taken_by_strangers": after.strangers_since(before),
        "cpu_us_per_s": {"servers": round(servers * 1e6), "whole": round(whole * 1e6)},
        "packets_per_s": round(heard["packets"] / seconds),
        "resident_bytes": {
            name: sum(map(meter.resident_bytes, pids)) for name, pids in subject.servers.items()
        },
        "heard": heard,
    }


def _grown(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """Return by how much each number in the counters grew, whatever their shape."""
    grown: dict[str, Any] = {}
    for name, value in after.items():
        if isinstance(value, dict):
            grown[name] = _grown(before.get(name, {}), value)
        elif isinstance(value, int | float):
            grown[name] = round(value - before.get(name, 0), 6)
    return grown
