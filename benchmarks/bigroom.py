"""One room with as many listeners as this machine carries, the listeners included.

    python -m benchmarks.bigroom --listeners 5000

Prints one JSON object. The room fills in steps; after each, a short stretch is measured, and the room stops
growing when somebody cannot join or more than one packet in a thousand does not reach a listener's filter.
The last size that held is measured for `--seconds`, and `ended_by` says what was at its end above it.
"""

import argparse
import json
import os
import time
from typing import Any, Final

from benchmarks.rig import Rig, join, machine
from benchmarks.subject import Subject, ours, stretch

STEPS: Final = 5
STEP_SECONDS: Final = 5.0
JOINS_PER_SECOND: Final = 150
SETTLE_SECONDS: Final = 8.0
WHOLE: Final = 0.999  # of all packets delivered to the filter
FULL: Final = 0.9  # of a core


def main() -> None:
    parser = argparse.ArgumentParser(description="How many listeners one machine carries in one room.")
    parser.add_argument("--listeners", type=int, default=5000)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--ptime", type=int, default=20, choices=(20, 40, 60))
    given = parser.parse_args()
    results: dict[str, Any] = {"machine": machine(), "wanted": given.listeners, "ptime_ms": given.ptime}
    with Rig() as rig:
        subject = ours(rig, most=given.listeners + 100, ptime=given.ptime)
        steps = _fill(subject, given.listeners)
        largest = max((step["listeners"] for step in steps if _held(step)), default=0)
        results |= {"listeners": largest, "ended_by": "", "steps": steps}
        if not _held(steps[-1]):
            results["ended_by"] = _what_ended(steps[-1])
            subject.swarm.ask(op="leave", count=steps[-1]["listeners"] - largest)
            time.sleep(SETTLE_SECONDS)
        if largest:
            results["measured"] = final = stretch(subject, largest, seconds=given.seconds)
            results["all_connected_and_whole"] = largest == given.listeners and _held(final)
    print(json.dumps(results, indent=2))


def _fill(subject: Subject, wanted: int) -> list[dict[str, Any]]:
    """Let the room grow in steps and return what each showed; growth ends with the one that fails."""
    steps: list[dict[str, Any]] = []
    here = 0
    for number in range(1, STEPS + 1):
        size = wanted * number // STEPS
        joins = join(subject.swarm, size - here, per_second=JOINS_PER_SECOND)
        here = size
        time.sleep(SETTLE_SECONDS)
        steps.append({"joins": joins, **stretch(subject, size, seconds=STEP_SECONDS)})
        if not _held(steps[-1]):
            break
    return steps


def _held(step: dict[str, Any]) -> bool:
    heard = step["heard"]
    everybody: bool = heard["listeners"] == step["listeners"] and not heard["failed"]
    return everybody and heard["delivered_share"] >= WHOLE


def _what_ended(step: dict[str, Any]) -> str:
    shares = step["share_of_a_core"]
    reasons = [f"{name} had {share:.0%} of a core" for name, share in shares.items() if share > FULL]
    strangers = step["cores_taken_by_strangers"]
    if sum(shares.values()) + strangers > FULL * (os.cpu_count() or 1):
        reasons.append(
            f"all cores were busy: {sum(shares.values()):.2f} with this, {strangers:.2f} with others"
        )
    reasons += [f"{times} listeners: {why}" for why, times in step["heard"]["failed"].items()]
    reasons.append(f"{step['heard'].get('delivered_share', 0):.4%} of packets arrived")
    return "; ".join(reasons)


if __name__ == "__main__":
    main()
