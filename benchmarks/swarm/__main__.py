"""python -m benchmarks.swarm --door PATH --host 127.0.0.1: a swarm that takes orders on its standard input.

Orders and answers are JSON, one a line: {"op": "join", "count": 100, "per_second": 200}, {"op": "mark"},
{"op": "count", "expected": 750}, {"op": "leave", "count": 10}. It ends when its input does.
"""

import argparse
import json
import os
import sys

from benchmarks.limit import room_for_files
from benchmarks.swarm.crowd import Crowd
from benchmarks.swarm.doors import Door, ServerDoor
from benchmarks.swarm.janus_door import JanusDoor


def main() -> None:
    parser = argparse.ArgumentParser(description="Many light WebRTC listeners.")
    parser.add_argument("--door", required=True, help="Unix socket: ours, or Janus's")
    parser.add_argument("--kind", choices=("server", "streaming", "audiobridge"), default="server")
    parser.add_argument(
        "--host", default="127.0.0.1", help="this machine's address for the listeners' sockets"
    )
    parser.add_argument("--setup", choices=("actpass", "active"), default="actpass")
    parser.add_argument("--sample-every", type=int, default=100)
    parser.add_argument("--nice", type=int, default=0, help="stand behind the server on a shared machine")
    given = parser.parse_args()
    os.nice(given.nice)
    room_for_files(1 << 20)
    door: Door
    if given.kind == "server":
        door = ServerDoor(given.door, setup=given.setup)
    else:
        door = JanusDoor(given.door, plugin=given.kind)
    Orders(Crowd(door, host=given.host, sample_every=given.sample_every)).follow()


class Orders:
    def __init__(self, crowd: Crowd) -> None:
        self._crowd = crowd
        self._half = b""
        self._over = False
        crowd.watch(sys.stdin.fileno(), self._read)

    def follow(self) -> None:
        while not self._over:
            self._crowd.turn()

    def _read(self) -> None:
        piece = os.read(sys.stdin.fileno(), 65_536)
        self._over = not piece
        *lines, self._half = (self._half + piece).split(b"\n")
        for line in lines:
            self._obey(json.loads(line))

    def _obey(self, order: dict[str, object]) -> None:
        match order:
            case {"op": "join", "count": int(count), "per_second": float() | int() as pace}:
                self._crowd.join(count, per_second=pace, then=_say)
            case {"op": "mark"}:
                _say(self._crowd.mark())
            case {"op": "count", "expected": int(expected)}:
                _say(self._crowd.count(expected=expected))
            case {"op": "leave", "count": int(count)}:
                self._crowd.leave(count)
                _say({"left": count})
            case _:
                _say({"error": "no such order"})


def _say(figures: dict[str, object]) -> None:
    print(json.dumps(figures), flush=True)


if __name__ == "__main__":
    main()
