"""What a benchmark needs around it: servers, a source of sound, a swarm; all of them ended at the end."""

import json
import os
import select
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from benchmarks.door import Caller

LOOPBACK: Final = "127.0.0.1"
HUSH_MS: Final = 100  # below the 200 ms after which a sender takes the house for silent
_ARRIVED_SECONDS: Final = 0.05  # after the last packet before the swarm counts
_SECONDS_TO_START: Final = 20.0


class NotReady(Exception):
    """A process did not start, or did not answer in time."""


class Helper:
    """A process of ours that takes orders on its standard input, one JSON object a line."""

    def __init__(self, module: str, *words: object) -> None:
        self._process = subprocess.Popen(  # noqa: S603 -- our own modules
            [sys.executable, "-m", f"benchmarks.{module}", *map(str, words)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0,
        )  # fmt: skip
        self.pid = self._process.pid

    def ask(self, *, within: float = 30.0, **order: object) -> dict[str, Any]:
        """Return the answer to `order`. Raises NotReady after `within` seconds."""
        if self._process.stdin is None or self._process.stdout is None:
            raise NotReady("The process has no pipes.")
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        if not select.select([self._process.stdout], [], [], within)[0]:
            raise NotReady(f"No answer to {order['op']} within {within:g} s.")
        line = self._process.stdout.readline()
        if not line:
            raise NotReady("The process has ended.")
        told: dict[str, Any] = json.loads(line)
        return told

    def stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()


class Rig:
    """Owns a temporary folder and every process started through it."""

    def __init__(self, host: str = LOOPBACK) -> None:
        self.host = host
        self._ends = ExitStack()

    def __enter__(self) -> Self:
        self.folder = Path(self._ends.enter_context(tempfile.TemporaryDirectory()))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, wrong: BaseException | None, at: TracebackType | None
    ) -> None:
        self._ends.close()

    def helper(self, module: str, *words: object) -> Helper:
        helper = Helper(module, *words)
        self._ends.callback(helper.stop)
        return helper

    def on_end(self, stop: Any) -> None:
        self._ends.callback(stop)

    def server(self, module: str, *words: object) -> tuple[Helper, Path]:
        """Start a server and return it with the path of its door, once that stands."""
        path = self.folder / f"door-{module}"
        server = self.helper(module, "--door", path, *words)
        until = time.monotonic() + _SECONDS_TO_START
        while not path.exists():
            if time.monotonic() > until:
                raise NotReady(f"{module} did not start.")
            time.sleep(0.05)
        return server, path

    def swarm(
        self,
        door: Path,
        *,
        kind: str = "server",
        setup: str = "actpass",
        sample_every: int = 100,
        nice: int = 0,
    ) -> Helper:
        return self.helper(
            "swarm", "--door", door, "--kind", kind, "--setup", setup, "--host", self.host,
            "--sample-every", sample_every, "--nice", nice,
        )  # fmt: skip

    def call(self, door: Path) -> Caller:
        caller = Caller(door)
        self._ends.callback(caller.close)
        return caller


def hush(tone: Helper, *, ptime: int) -> int:
    """Return how many packets the tone has sent, all of which have arrived; it is quiet a moment longer."""
    sent: int = tone.ask(op="hush", packets=max(1, HUSH_MS // ptime))["sent"]
    time.sleep(_ARRIVED_SECONDS)
    return sent


def join(swarm: Helper, count: int, *, per_second: float) -> dict[str, Any]:
    """Let `count` more listeners join and return the figures once each is in or has given up."""
    patience = 40 + (count / per_second if per_second else 0)
    return swarm.ask(within=patience, op="join", count=count, per_second=per_second)


def machine() -> dict[str, object]:
    """Return what the figures depend on."""
    cpu = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    name = next((line.partition(":")[2].strip() for line in cpu if line.startswith("model name")), "unknown")
    return {
        "cores": os.cpu_count(),
        "processor": name,
        "kernel": os.uname().release,
        "python": sys.version.split()[0],
        "load_before": round(os.getloadavg()[0], 2),
    }
