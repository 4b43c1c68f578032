"""What a join costs, how long it takes until the first packet, and what a storm does to those who listen.

    python -m benchmarks.joins

Prints one JSON object. Three scenes: joins one after the other in an empty room; many at a steady pace, to
divide the edge's CPU by them; and a storm, `--storm` at once while `--listeners` listen, of whom a sample
notes every silence by the kernel's own stamps. Times run from the offer's being sent to the decrypted packet.
"""

import argparse
import json
import time
from typing import Any, Final

from benchmarks import meter
from benchmarks.rig import Rig, join, machine
from benchmarks.subject import Subject, ours

ALONE: Final = 100
ALONE_PER_SECOND: Final = 10
PACED: Final = 400
PACED_PER_SECOND: Final = 100
SETTLE_SECONDS: Final = 8.0
AFTER_STORM_SECONDS: Final = 3.0
BARS: Final = {"joins_per_s_per_core": 500, "longest_gap_ms": 40}


def main() -> None:
    parser = argparse.ArgumentParser(description="Joins: cost, time to the first packet, gaps for others.")
    parser.add_argument("--listeners", type=int, default=1000, help="who listen while the storm comes")
    parser.add_argument("--storm", type=int, default=200)
    parser.add_argument("--ptime", type=int, default=20, choices=(20, 40, 60))
    parser.add_argument(
        "--nice",
        type=int,
        default=0,
        help="for the listeners, whose handshakes would be elsewhere in earnest",
    )
    given = parser.parse_args()
    results: dict[str, Any] = {"machine": machine(), "ptime_ms": given.ptime, "swarm_nice": given.nice}
    with Rig() as rig:
        most = ALONE + PACED + given.listeners + given.storm
        subject = ours(rig, most=most, ptime=given.ptime, sample_every=20, nice=given.nice)
        results["alone"] = join(subject.swarm, ALONE, per_second=ALONE_PER_SECOND)
        results["paced"] = paced = _paced(subject)
        results["storm"] = storm = _storm(
            subject, here=ALONE + PACED, listeners=given.listeners, size=given.storm
        )
    pace, gap = paced["joins_per_s_per_core"], storm["those_who_listened"]["sample"]["gap_ms"]["longest"]
    results["bars"] = {
        "joins_per_s_per_core": {"found": pace, "bar": BARS["joins_per_s_per_core"], "met": pace >= 500},
        "longest_gap_ms": {"found": gap, "bar": BARS["longest_gap_ms"], "met": gap <= 40},
    }
    print(json.dumps(results, indent=2))


def _paced(subject: Subject) -> dict[str, Any]:
    """Return the CPU of joins at a steady pace, less what the servers use at rest before them."""
    time.sleep(SETTLE_SECONDS)
    start = meter.read(subject.servers)
    time.sleep(2.0)
    before = meter.read(subject.servers)
    at_rest = before.shares_since(start)
    joined = join(subject.swarm, PACED, per_second=PACED_PER_SECOND)
    after = meter.read(subject.servers)
    wall = after.at - before.at
    spent = {name: after.cpu[name] - before.cpu[name] - at_rest[name] * wall for name in after.cpu}
    each = spent["edge"] / PACED
    return {
        **joined,
        "edge_cpu_us_per_join": round(each * 1e6),
        "joins_per_s_per_core": round(1 / each),
        # The sender also sends to each from the moment they are in, so this is no cost of joining alone.
        "sender_cpu_us_more": round(spent["sender"] / PACED * 1e6),
    }


def _storm(subject: Subject, *, here: int, listeners: int, size: int) -> dict[str, Any]:
    """Let `size` come at once on top of `listeners`, and say what both of them noticed."""
    more = listeners - here
    if more > 0:
        join(subject.swarm, more, per_second=PACED_PER_SECOND)
    elif more < 0:
        subject.swarm.ask(op="leave", count=-more)
    time.sleep(SETTLE_SECONDS)
    subject.swarm.ask(op="mark")
    time.sleep(AFTER_STORM_SECONDS)
    calm = subject.swarm.ask(op="count", expected=0)
    late = _late(subject)
    subject.swarm.ask(op="mark")
    joined = join(subject.swarm, size, per_second=0)
    time.sleep(AFTER_STORM_SECONDS)
    heard = subject.swarm.ask(op="count", expected=0)
    return {
        "listening": listeners,
        "joins": joined,
        "before": calm,
        "those_who_listened": heard,
        "source_late_over_ms": {limit: times - late[limit] for limit, times in _late(subject).items()},
    }


def _late(subject: Subject) -> dict[str, int]:
    """Return how often the source itself was late, for then the gaps are not the edge's."""
    late: dict[str, int] = subject.tone.ask(op="count")["late_over_ms"] if subject.tone else {}
    return late


if __name__ == "__main__":
    main()
