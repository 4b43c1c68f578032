"""What a listener costs: our edge and sender, against the limit in C, aiortc's relay and Janus, in one run.

    python -m benchmarks.fanout --listeners 1000 --seconds 15 --ptime 20 [--against janus]

Prints one JSON object. CPU is user and system of the server's processes, in microseconds for each listener
and second; `marginal` is the difference between two sizes, `fixed` what is left for no listener at all.
The listeners are those of benchmarks/swarm: real ICE, DTLS and SRTP, their RTP counted by a kernel filter.
On loopback the kernel's receiving half is charged to the sender. With Janus all of it runs in a private
network, ours too.
"""

import argparse
import json
import time
from typing import Any, Final

from benchmarks import limit, private_network
from benchmarks.janus import STREAM_PORT, Janus
from benchmarks.rig import LOOPBACK, Rig, join, machine
from benchmarks.subject import Subject, ours, stretch

JOINS_PER_SECOND: Final = 200
STOCK_SIZES: Final = (5, 15)
STREAMING_SIZES: Final = (50, 200)
BRIDGE_SIZES: Final = (10, 30)
SETTLE_SECONDS: Final = 8.0  # the edge keeps SSL objects for five
BARS: Final = {"share_of_janus_streaming": 0.20, "times_the_limit": 1.8, "bytes_per_listener": 20_000}


def main() -> None:
    parser = argparse.ArgumentParser(description="CPU per listener, beside others in the same run.")
    parser.add_argument("--listeners", type=int, default=1000)
    parser.add_argument("--small", type=int, default=200, help="the smaller of the two sizes")
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--ptime", type=int, default=20, choices=(20, 40, 60))
    parser.add_argument("--against", action="append", default=[], choices=("janus",))
    parser.add_argument("--no-stock", action="store_true", help="leave aiortc's relay out")
    parser.add_argument(private_network.INSIDE, action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.against:
        private_network.enter("benchmarks.fanout")
    host = private_network.HOST if given.against else LOOPBACK
    print(json.dumps(_run(given, host=host), indent=2))


def _run(given: argparse.Namespace, *, host: str) -> dict[str, object]:
    course = {"seconds": given.seconds, "ptime": given.ptime}
    results: dict[str, Any] = {"machine": machine(), "listeners": given.listeners, **course}
    results["ours"] = measured = _ours(host, sizes=(given.small, given.listeners), **course)
    results["limit"] = at_limit = limit.measure(
        listeners=given.listeners, payload_bytes=measured["payload_bytes"], **course
    )
    if not given.no_stock:
        results["stock"] = _stock(host, seconds=given.seconds)
    if given.against:
        results["janus_streaming"] = _janus(host, "streaming", sizes=STREAMING_SIZES, **course)
        results["janus_audiobridge"] = _janus(host, "audiobridge", sizes=BRIDGE_SIZES, **course)
    results["cpu_us_per_listener_s"] = measured["servers"]
    results["limit_us_per_listener_s"] = at_limit["limit_us_per_listener_s"]
    if "stock" in results:
        results["stock_us_per_listener_s"] = results["stock"]["servers"]["marginal"]
    results["bars"] = _bars(results)
    return results


def _bars(results: dict[str, Any]) -> dict[str, object]:
    marginal = results["ours"]["servers"]["marginal"]
    found = {
        "times_the_limit": round(marginal / results["limit_us_per_listener_s"], 2),
        "bytes_per_listener": results["ours"]["bytes_per_listener"],
    }
    if "janus_streaming" in results:
        theirs = results["janus_streaming"]["servers"]["marginal"]
        found["share_of_janus_streaming"] = round(marginal / theirs, 3)
    return {
        name: {"found": value, "bar": BARS[name], "met": value <= BARS[name]} for name, value in found.items()
    }


def _ours(host: str, *, sizes: tuple[int, int], seconds: float, ptime: int) -> dict[str, Any]:
    with Rig(host) as rig:
        subject = ours(rig, most=sizes[-1] + 100, ptime=ptime)
        figures = _measure(subject, sizes=sizes, seconds=seconds)
        figures["payload_bytes"] = subject.payload_bytes()
        return figures


def _stock(host: str, *, seconds: float) -> dict[str, Any]:
    with Rig(host) as rig:
        server, path = rig.server("stock", "--host", host)
        subject = Subject(
            servers={"aiortc": [server.pid]},
            others={},
            swarm=rig.swarm(path, setup="active", sample_every=5),
            tone=None,
        )
        return _measure(subject, sizes=STOCK_SIZES, seconds=seconds)


def _janus(host: str, plugin: str, *, sizes: tuple[int, int], seconds: float, ptime: int) -> dict[str, Any]:
    with Rig(host) as rig:
        janus = Janus(rig.folder, host=host)
        rig.on_end(janus.stop)
        place = f"{host}:{STREAM_PORT}" if plugin == "streaming" else janus.open_bridge()
        tone = rig.helper("tone", "--rtp", place, "--ptime", ptime)
        subject = Subject(
            servers={"janus": [janus.pid]},
            others={"source": [tone.pid]},
            swarm=rig.swarm(janus.socket, kind=plugin, sample_every=10),
            # AudioBridge has a clock of its own: a hush in what it takes is none in what it gives.
            tone=tone if plugin == "streaming" else None,
            ptime=ptime,
        )
        return _measure(subject, sizes=sizes, seconds=seconds)


def _measure(subject: Subject, *, sizes: tuple[int, int], seconds: float) -> dict[str, Any]:
    """Measure at both sizes, the larger with the listeners of the smaller still there."""
    here, runs = 0, []
    for size in sizes:
        joined = join(subject.swarm, size - here, per_second=JOINS_PER_SECOND)
        here = size
        time.sleep(SETTLE_SECONDS)
        runs.append({"joins": joined, **stretch(subject, size, seconds=seconds)})
    small, large = runs
    more = sizes[1] - sizes[0]
    per_second = [run["cpu_us_per_s"] for run in runs]
    marginal = (per_second[1]["servers"] - per_second[0]["servers"]) / more
    with_others = (per_second[1]["whole"] - per_second[0]["whole"]) / more
    return {
        "servers": {
            f"at_{sizes[0]}": round(per_second[0]["servers"] / sizes[0], 1),
            f"at_{sizes[1]}": round(per_second[1]["servers"] / sizes[1], 1),
            "marginal": round(marginal, 1),
            "fixed_us_per_s": round(per_second[0]["servers"] - marginal * sizes[0]),
            "marginal_by_process": {
                name: round((large["share_of_a_core"][name] - small["share_of_a_core"][name]) / more * 1e6, 1)
                for name in subject.servers
            },
        },
        "with_source": {
            "marginal": round(with_others, 1),
            "fixed_us_per_s": round(per_second[0]["whole"] - with_others * sizes[0]),
        },
        "bytes_per_listener": round(_bytes_between(small, large) / more),
        "runs": runs,
    }


def _bytes_between(small: dict[str, Any], large: dict[str, Any]) -> int:
    grown: int = sum(large["resident_bytes"].values()) - sum(small["resident_bytes"].values())
    return grown


if __name__ == "__main__":
    main()
