"""Half an hour of coming and going: what leaks, what is left, and whether anybody stops hearing.

    python -m benchmarks.soak --minutes 30

A mixer and an edge with its sender run as the processes that they are, on a Redis of their own. Speakers and
listeners come and go throughout: every ten seconds a share of the listeners leaves and as many join, and one
speaker after another is replaced. All sequence numbers begin just below their wrap (RFC 3711, the roll-over
counter), so that those who come before and after it are both served.

Prints one JSON object: per process the resident memory (first, last, and its slope over the second half, in
kB a minute), file descriptors and threads (before anybody came, at most, and after everybody has left); what
the listeners of the sample could not decrypt or missed; and the bars.
"""

import argparse
import asyncio
import contextlib
import itertools
import json
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import structlog
from redis.asyncio import Redis

from benchmarks import door, meter
from benchmarks.relay import LOOPBACK
from benchmarks.rig import Helper, Rig, join, machine
from benchmarks.speech import script
from benchmarks.talker import Talk, Talker, Talking, talk
from rooms.media import edge_process, line, mixer_process, register, running
from rooms.media.machine import Reach
from stagedoor import embedded

ROOM: Final = "soak"
REHEARSAL: Final = "warm-up"  # a room of its own: the soak's begins with its first listener, below the wrap
MIXER: Final = "soak-mixer"
EDGE: Final = "soak-edge"
SAMPLE_SECONDS: Final = 10.0
LEAVE_SHARE: Final = 0.1  # of the listeners, every ten seconds
JOINS_PER_SECOND: Final = 20.0
SAMPLE_EVERY: Final = 10  # each tenth listener decrypts all it hears
AFTERWARDS_SECONDS: Final = 60.0  # at most, until everything has been let go of
SLOPE_KB_PER_MINUTE: Final = 100.0
_START_SECONDS: Final = 20.0
_MOST_ASKED: Final = 2_000  # at once: a machine that is busy answers joins late, and the soak goes on
_WARM_UP: Final = 5  # listeners who come and go, in as many turns, before anything is counted
_WARM_UP_SECONDS: Final = 3.0
_LETTING_GO_SECONDS: Final = 8.0
SPARE_DESCRIPTORS: Final = 2  # connections to Redis are pooled, and one more may have been needed at once


@dataclass(frozen=True)
class Reading:
    """One process at one moment."""

    at: float
    rss_kb: int
    descriptors: int
    threads: int


@dataclass
class Diary:
    """What was read of one process."""

    pid: int
    before: Reading | None = None
    readings: list[Reading] = field(default_factory=list)

    def figures(self) -> dict[str, object]:
        first, last, before = self.readings[0], self.readings[-1], self.before or self.readings[0]
        half = self.readings[len(self.readings) // 2 : -1] or self.readings
        return {
            "rss_kb": {"before": before.rss_kb, "first": first.rss_kb, "last": last.rss_kb},
            "rss_slope_kb_per_minute": _slope(half),
            "descriptors": _course([before.descriptors, *(one.descriptors for one in self.readings)]),
            "threads": _course([before.threads, *(one.threads for one in self.readings)]),
        }


def main() -> None:
    parser = argparse.ArgumentParser(description="Joins and leaves throughout, and what is left behind.")
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--listeners", type=int, default=200)
    parser.add_argument("--speakers", type=int, default=3)
    parser.add_argument("--run", choices=("mixer", "edge"), help=argparse.SUPPRESS)
    parser.add_argument("--redis-url", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.run:
        asyncio.run(_serve(given.run, given.redis_url, most=given.listeners * 2))
        return
    with (
        tempfile.TemporaryDirectory() as folder,
        embedded.servers(Path(folder), postgres=False),
        Rig() as rig,
    ):
        url = embedded.redis_url(Path(folder))
        found = asyncio.run(_Soak(rig, url, given).run())
    print(json.dumps(found, indent=2, ensure_ascii=False))


async def _serve(role: str, redis_url: str, *, most: int) -> None:
    """Be the mixer or the edge until our input ends."""
    # Standard output belongs to whoever started us.
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(file=sys.stderr))
    stop = asyncio.Event()
    ending = asyncio.create_task(running.set_at_end_of_input(stop))
    if role == "mixer":
        mixer = mixer_process.Settings(
            redis_url=redis_url, name=MIXER, reach=Reach([LOOPBACK]), metrics_port=None
        )
        await mixer_process.serve(mixer, stop=stop)
    else:
        edge = edge_process.Settings(
            redis_url=redis_url,
            name=EDGE,
            bind=LOOPBACK,
            port=0,
            public_ips=[LOOPBACK],
            most_listeners=most,
            metrics_port=None,
            start_high=True,
        )
        await edge_process.serve(edge, stop=stop)
    ending.cancel()


class _Soak:
    def __init__(self, rig: Rig, redis_url: str, given: argparse.Namespace) -> None:
        self._rig = rig
        self._url = redis_url
        self._given = given
        self._room = REHEARSAL
        self._sessions: dict[int, str] = {}
        self._talk: Talk = talk(script(2), loss=0.01)
        self._seats = itertools.count()
        self._stage: list[tuple[str, Talker[Talking]]] = []
        self._joined = self._left = self._spoke = 0
        self._failed: dict[str, int] = {}

    async def run(self) -> dict[str, object]:
        async with Redis.from_url(self._url, decode_responses=True, max_connections=_MOST_ASKED) as redis:
            self._redis = redis
            mixer, edge = self._start("mixer"), self._start("edge")
            await self._ready()
            async with self._door() as path:
                swarm = self._rig.swarm(path, sample_every=SAMPLE_EVERY)
                diaries = {"mixer": Diary(mixer.pid), "edge": Diary(edge.pid)}
                diaries["sender"] = Diary(meter.children(edge.pid)[0])
                await self._warm_up(swarm)
                for diary in diaries.values():
                    diary.before = _read(diary.pid)
                await self._open(ROOM)
                told = await self._go_on(swarm, diaries)
                await self._empty(swarm, diaries)
                await asyncio.to_thread(swarm.stop)  # before its door goes
        return self._figures(diaries, told)

    def _start(self, role: str) -> Helper:
        return self._rig.helper(
            "soak", "--run", role, "--redis-url", self._url, "--listeners", self._given.listeners
        )

    async def _ready(self) -> None:
        async with asyncio.timeout(_START_SECONDS):
            for of, name in ((register.MIXERS, MIXER), (register.EDGES, EDGE)):
                while not await self._redis.hexists(of, name):  # noqa: ASYNC110 -- Redis tells nobody
                    await asyncio.sleep(0.05)
        await self._open(REHEARSAL)

    async def _open(self, room: str) -> None:
        self._room = room
        await self._redis.set(register.home_key(room), MIXER)
        await self._ask(MIXER, op="open")

    async def _close(self) -> None:
        """Close the room, as the web side would."""
        for of in (MIXER, EDGE):
            await self._ask(of, op="close")
        await self._redis.delete(register.home_key(self._room))

    @asynccontextmanager
    async def _door(self) -> AsyncIterator[Path]:
        """Pass the swarm's wishes on to the edge, as the web side would."""
        path = self._rig.folder / "door"
        serving = asyncio.create_task(door.serve(path, self._reply))
        try:
            while not path.exists():  # noqa: ASYNC110 -- it comes within one turn of the loop
                await asyncio.sleep(0.01)
            yield path
        finally:
            serving.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await serving

    async def _reply(self, question: dict[str, Any]) -> dict[str, Any] | None:
        number = int(question["number"])
        if question["op"] == "leave":
            await self._ask(EDGE, op="end", session=self._sessions.pop(number))
            return None
        told = await self._ask(EDGE, op="listen", seat=f"ear-{number}", epoch=1, offer=question["offer"])
        if not told["ok"]:
            raise door.Refused(told["text"])
        self._sessions[number] = told["session"]
        return {"answer": told["answer"]}

    async def _census(self) -> None:
        """Tell both who is there by right, as the web side does again and again."""
        ears = {f"ear-{number}": _standing(stage=False) for number in self._sessions}
        voices = {seat: _standing(stage=True) for seat, _ in self._stage}
        for of in (MIXER, EDGE):
            await self._ask(of, op="census", seats={**ears, **voices})

    async def _ask(self, to: str, **call: object) -> dict[str, Any]:
        return await line.ask(self._redis, to, {"room": self._room, **call}, seconds=10)

    async def _warm_up(self, swarm: Helper) -> None:
        for _ in range(_WARM_UP):
            await self._come(swarm, _WARM_UP)
            await self._speak()
            await self._census()
            await asyncio.sleep(_WARM_UP_SECONDS)
            await self._hush()
            await self._go(swarm, _WARM_UP)
        await self._close()
        await asyncio.sleep(_LETTING_GO_SECONDS)

    async def _go_on(self, swarm: Helper, diaries: dict[str, Diary]) -> list[dict[str, Any]]:
        """Have people come and go until the time is over; return what the swarm's sample heard."""
        until = time.monotonic() + self._given.minutes * 60
        for _ in range(self._given.speakers):
            await self._speak()
        await self._come(swarm, self._given.listeners)
        told = []
        while time.monotonic() < until:
            began = time.monotonic()
            await asyncio.to_thread(swarm.ask, op="mark")
            await self._hush()
            await self._speak()
            some = max(1, round(self._given.listeners * LEAVE_SHARE))
            await self._go(swarm, some)
            await self._come(swarm, some)
            await self._census()
            await asyncio.sleep(max(0.0, began + SAMPLE_SECONDS - time.monotonic()))
            told.append(await asyncio.to_thread(swarm.ask, op="count", expected=0))
            for diary in diaries.values():
                diary.readings.append(_read(diary.pid))
        return told

    async def _empty(self, swarm: Helper, diaries: dict[str, Diary]) -> None:
        """Let everybody leave, and wait until the processes have let go of them, or a minute is over."""
        while self._stage:
            await self._hush()
        await self._go(swarm, len(self._sessions))
        await self._close()
        until = time.monotonic() + AFTERWARDS_SECONDS
        while True:
            last = {name: _read(diary.pid) for name, diary in diaries.items()}
            if time.monotonic() > until or all(
                _has_let_go(last[name], diary.before) for name, diary in diaries.items()
            ):
                break
            await asyncio.sleep(1.0)
        for name, diary in diaries.items():
            diary.readings.append(last[name])

    async def _come(self, swarm: Helper, count: int) -> None:
        told = await asyncio.to_thread(join, swarm, count, per_second=JOINS_PER_SECOND)
        self._joined += int(told["joined"])
        for why, times in told["failed"].items():
            self._failed[why] = self._failed.get(why, 0) + int(times)

    async def _go(self, swarm: Helper, count: int) -> None:
        await asyncio.to_thread(swarm.ask, op="leave", count=count)
        self._left += count

    async def _speak(self) -> None:
        """Let one speaker more come, under a seat of their own."""
        seat = f"voice-{next(self._seats)}"
        talker = Talker(Talking(itertools.cycle(self._talk)))
        await talker.call(lambda offer: self._answer_to_speaker(seat, offer))
        await talker.up()
        talker.track.begin(asyncio.get_running_loop().time())
        self._stage.append((seat, talker))
        self._spoke += 1

    async def _answer_to_speaker(self, seat: str, offer: str) -> str:
        await self._ask(MIXER, op="stage", seat=seat, on=True)
        told = await self._ask(MIXER, op="speak", seat=seat, epoch=1, muted=False, offer=offer)
        return str(told["answer"])

    async def _hush(self) -> None:
        """Let the speaker who has been there longest leave."""
        if self._stage:
            _, talker = self._stage.pop(0)
            await talker.hang_up()

    def _figures(self, diaries: dict[str, Diary], told: Sequence[dict[str, Any]]) -> dict[str, object]:
        processes = {name: diary.figures() for name, diary in diaries.items()}
        sample = [one["sample"] for one in told]
        undecryptable = sum(one["undecryptable"] for one in sample)
        return {
            "machine": machine(),
            "minutes": self._given.minutes,
            "listeners": self._given.listeners,
            "joined": self._joined,
            "left": self._left,
            "spoke": self._spoke,
            "failed": self._failed,
            "processes": processes,
            "sample": {
                "packets": sum(one["packets"] for one in sample),
                "undecryptable": undecryptable,
                "missing": sum(one["missing"] for one in sample),
                "longest_gap_ms": max((one["gap_ms"]["longest"] for one in sample), default=None),
            },
            "bars": {
                "everybody who came was heard": not self._failed,
                "nothing undecryptable over the wrap": not undecryptable,
                "descriptors and threads back to start": all(
                    _has_let_go(diary.readings[-1], diary.before) for diary in diaries.values()
                ),
                "memory grows by ≤ 100 kB a minute": all(
                    _slope(diary.readings[len(diary.readings) // 2 : -1]) <= SLOPE_KB_PER_MINUTE
                    for diary in diaries.values()
                ),
            },
        }


def _standing(*, stage: bool) -> dict[str, object]:
    return {"epoch": 1, "stage": stage, "muted": False}


def _read(pid: int) -> Reading:
    status = dict(
        line.split(":", 1)
        for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
        if ":" in line
    )
    return Reading(
        at=time.monotonic(),
        rss_kb=int(status["VmRSS"].split()[0]),
        descriptors=len(list(Path(f"/proc/{pid}/fd").iterdir())),
        threads=int(status["Threads"]),
    )


def _has_let_go(now: Reading, before: Reading | None) -> bool:
    if before is None:
        return False
    return now.descriptors <= before.descriptors + SPARE_DESCRIPTORS and now.threads <= before.threads


def _course(values: Sequence[int]) -> dict[str, int]:
    return {"before": values[0], "most": max(values), "after": values[-1]}


def _slope(readings: Sequence[Reading]) -> float:
    """Return by how many kB a minute the memory grew, as the line of least squares has it."""
    if len(readings) < 2:
        return 0.0
    minutes = np.array([one.at for one in readings]) / 60
    return round(float(np.polyfit(minutes - minutes[0], [one.rss_kb for one in readings], 1)[0]), 1)


if __name__ == "__main__":
    main()
