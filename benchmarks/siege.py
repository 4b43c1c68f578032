"""A siege: random and crafted datagrams at every UDP port of a mixer and an edge, while three speakers sing.

    python -m benchmarks.siege                  # 60 s, 2,000 datagrams a second
    python -m benchmarks.siege --seconds 10

Mixer and edge with its sender run as the processes that they are, on a Redis of their own; speakers are real
WebRTC clients that sing a tone each, ten listeners of the swarm's decrypt all they hear, one more records.
Datagrams have lengths from zero up, look like STUN, DTLS, RTP, RTCP or nothing, and come from strangers
and, where raw sockets are allowed, with the addresses of speakers and listeners themselves. Loopback only.

Prints one JSON object: what was thrown and what came back, sessions that ended, the longest gap between two
packets of any listener, the longest gap in any of the three tones, what was logged, and the bars. The same is
measured for as long before, without a siege.
"""

import argparse
import asyncio
import itertools
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from aiortc import RTCPeerConnection, RTCSessionDescription
from redis.asyncio import Redis

from benchmarks import door
from benchmarks.onsets import Arrivals
from benchmarks.relay import LOOPBACK
from benchmarks.rig import Helper, Rig, join, machine
from benchmarks.talker import BITRATE, Talker, Talking
from rooms.media import line, register, whip_client, wire
from rooms.media.machine import Reach
from rooms.media.opus import Decoder, Encoder
from rooms.media.sound import FRAME_SAMPLES, FRAME_SECONDS, SAMPLE_RATE, Samples
from stagedoor import embedded

ROOM: Final = "siege"
MIXER: Final = "siege-mixer"
EDGE: Final = "siege-edge"
TONES: Final = (450.0, 1_000.0, 1_700.0)  # Hz: whole waves in a frame, so that a tone may be said in a circle
LISTENERS: Final = 10
PER_SECOND: Final = 2_000
LONGEST_GAP_MS: Final = 60
MOST_LOG_LINES: Final = 20
_LOUDNESS: Final = 0.2
_MISSING_DB: Final = 20.0  # below its usual level a tone is not there
_START_SECONDS: Final = 20.0
_SETTLE_SECONDS: Final = 3.0


@dataclass
class Process:
    """A media process and the file that its log goes to."""

    running: "subprocess.Popen[bytes]"
    log: Path

    def lines(self) -> int:
        return len(self.log.read_bytes().splitlines())


@dataclass
class Stretch:
    """What was measured in some seconds."""

    arrivals: dict[str, Any]
    longest_gap_ms: float
    longest_tone_gap_ms: float
    log_lines: int
    log_bytes: int
    ended: list[dict[str, Any]] = field(default_factory=list)

    def figures(self) -> dict[str, object]:
        return {
            "longest_gap_ms": self.longest_gap_ms,
            "longest_tone_gap_ms": self.longest_tone_gap_ms,
            "missing_packets": self.arrivals["sample"]["missing"],
            "undecryptable_packets": self.arrivals["sample"]["undecryptable"],
            "sessions_ended": len(self.ended),
            "log": {"lines": self.log_lines, "bytes": self.log_bytes},
        }


def main() -> None:
    parser = argparse.ArgumentParser(description="Strangers' datagrams at every port.")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--per-second", type=int, default=PER_SECOND, help="datagrams, over all ports")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        embedded.servers(Path(folder), postgres=False),
        Rig() as rig,
    ):
        url = embedded.redis_url(Path(folder))
        found = asyncio.run(_Siege(rig, url, given).run())
    print(json.dumps(found, indent=2, ensure_ascii=False))


class _Siege:
    def __init__(self, rig: Rig, redis_url: str, given: argparse.Namespace) -> None:
        self._rig = rig
        self._url = redis_url
        self._given = given
        self._ended: list[dict[str, Any]] = []
        self._arrivals = Arrivals(lambda: asyncio.get_running_loop().time())

    async def run(self) -> dict[str, object]:
        async with Redis.from_url(self._url, decode_responses=True) as redis:
            self._redis = redis
            self._processes = {name: self._start(name) for name in ("mixer", "edge")}
            await self._ready()
            hearing = asyncio.create_task(self._hear_events())
            talkers = [await self._speak(f"voice-{number}", hertz) for number, hertz in enumerate(TONES)]
            serving = asyncio.create_task(door.serve(self._rig.folder / "door", self._reply))
            await asyncio.sleep(0.2)
            swarm = self._rig.swarm(self._rig.folder / "door", sample_every=1)
            joined = await asyncio.to_thread(join, swarm, LISTENERS, per_second=20.0)
            recorder = await self._record()
            await asyncio.sleep(_SETTLE_SECONDS)
            calm = await self._measure(swarm, asyncio.sleep(self._given.seconds))
            thrown: dict[str, Any] = {}
            siege = await self._measure(swarm, self._besiege(swarm, thrown))
            connected = [one.connection.connectionState for one in talkers] + [recorder.connectionState]
            await asyncio.to_thread(swarm.stop)
            for talker in talkers:
                await talker.hang_up()
            await wire.hang_up(recorder)
            for task in (serving, hearing):
                task.cancel()
            await asyncio.gather(serving, hearing, return_exceptions=True)
        return _figures(
            self._given, joined=joined, calm=calm, siege=siege, thrown=thrown, connected=connected
        )

    def _start(self, role: str) -> Process:
        log = self._rig.folder / f"{role}.log"
        name = {"mixer": MIXER, "edge": EDGE}[role]
        with log.open("wb") as out:
            running = subprocess.Popen(  # noqa: S603 -- our own module
                [sys.executable, *f"-m rooms.media {role} --name {name} --bind-ip {LOOPBACK}".split()],
                env={**os.environ, "REDIS_URL": self._url},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
            )
        self._rig.on_end(lambda: _end(running))
        return Process(running, log)

    async def _ready(self) -> None:
        async with asyncio.timeout(_START_SECONDS):
            for of, name in ((register.MIXERS, MIXER), (register.EDGES, EDGE)):
                while not await self._redis.hexists(of, name):  # noqa: ASYNC110 -- Redis tells nobody
                    await asyncio.sleep(0.05)
        await self._redis.set(register.home_key(ROOM), MIXER)
        await self._ask(MIXER, op="open")

    async def _hear_events(self) -> None:
        async with self._redis.pubsub(ignore_subscribe_messages=True) as news:
            await news.subscribe(line.EVENTS)
            while True:
                message = await news.get_message(timeout=1.0)
                event: dict[str, Any] = json.loads(message["data"]) if message is not None else {}
                if event.get("event") == "session_ended":
                    self._ended.append(event)

    async def _ask(self, to: str, **call: object) -> dict[str, Any]:
        return await line.ask(self._redis, to, {"room": ROOM, **call}, seconds=10)

    async def _reply(self, question: dict[str, Any]) -> dict[str, Any] | None:
        """Pass a listener's wish on to the edge, as the web side would."""
        if question["op"] != "listen":
            return None
        seat = f"ear-{question['number']}"
        told = await self._ask(EDGE, op="listen", seat=seat, epoch=1, offer=question["offer"])
        if not told["ok"]:
            raise door.Refused(told["text"])
        return {"answer": told["answer"]}

    async def _speak(self, seat: str, hertz: float) -> Talker[Talking]:
        async def answer_to(offer: str) -> str:
            await self._ask(MIXER, op="stage", seat=seat, on=True)
            told = await self._ask(MIXER, op="speak", seat=seat, epoch=1, muted=False, offer=offer)
            return str(told["answer"])

        talker = Talker(Talking(itertools.cycle(_sung(hertz))))
        await talker.call(answer_to)
        await talker.up()
        talker.track.begin(asyncio.get_running_loop().time())
        return talker

    async def _record(self) -> RTCPeerConnection:
        """Let one more listen, whose packets are kept."""
        connection = wire.new_connection()
        transceiver = connection.addTransceiver("audio", direction="recvonly")
        wire.bind(transceiver, Reach([LOOPBACK]))
        self._arrivals.take_from(transceiver.receiver)
        await connection.setLocalDescription(await connection.createOffer())
        offer = connection.localDescription.sdp
        told = await self._ask(EDGE, op="listen", seat="recorder", epoch=1, offer=offer)
        await connection.setRemoteDescription(RTCSessionDescription(sdp=str(told["answer"]), type="answer"))
        await whip_client.up(connection)
        return connection

    async def _measure(self, swarm: Helper, meanwhile: Any) -> Stretch:
        await asyncio.to_thread(swarm.ask, op="mark")
        self._arrivals.packets.clear()
        self._ended.clear()
        before = {name: (one.lines(), one.log.stat().st_size) for name, one in self._processes.items()}
        await meanwhile
        told = await asyncio.to_thread(swarm.ask, op="count", expected=0)
        recorded = [(one.rtp.timestamp, one.rtp.payload) for one in self._arrivals.packets]
        return Stretch(
            arrivals=told,
            longest_gap_ms=told["sample"]["gap_ms"]["longest"],
            longest_tone_gap_ms=round(await asyncio.to_thread(longest_tone_gap, recorded) * 1_000),
            log_lines=sum(one.lines() - before[name][0] for name, one in self._processes.items()),
            log_bytes=sum(one.log.stat().st_size - before[name][1] for name, one in self._processes.items()),
            ended=list(self._ended),
        )

    async def _besiege(self, swarm: Helper, thrown: dict[str, Any]) -> None:
        ports = [port for one in self._processes.values() for port in udp_ports(one.running.pid)]
        peers = [*udp_ports(swarm.pid), *udp_ports("self")]
        besieger = self._rig.helper("besieger")
        told = await asyncio.to_thread(
            besieger.ask,
            within=self._given.seconds + 30,
            op="besiege",
            ports=ports,
            peers=peers,
            seconds=self._given.seconds,
            per_second=self._given.per_second,
            seed=self._given.seed,
        )
        thrown.update(ports=len(ports), **told)


def udp_ports(pid: int | str) -> list[int]:
    """Return the UDP ports on which a process hears, sorted (proc(5))."""
    opened = {str(one.readlink()) for one in Path(f"/proc/{pid}/fd").iterdir() if one.is_symlink()}
    ports = set()
    for table in ("udp", "udp6"):
        for row in Path(f"/proc/{pid}/net/{table}").read_text(encoding="ascii").splitlines()[1:]:
            words = row.split()
            if f"socket:[{words[9]}]" in opened:
                ports.add(int(words[1].rpartition(":")[2], 16))
    return sorted(ports)


def longest_tone_gap(packets: Sequence[tuple[int, bytes]]) -> float:
    """Return for how many seconds at most a tone was not heard in (timestamp, payload), in their order.

    What did not come is silence here, though a listener's decoder would hide it.
    """
    if not packets:
        return float("inf")
    decoder = Decoder()
    first = packets[0][0]
    payloads = {(timestamp - first) % (1 << 32) // FRAME_SAMPLES: payload for timestamp, payload in packets}
    frames: dict[int, Samples] = {number: decoder.decode(payloads[number]) for number in sorted(payloads)}
    nothing = np.zeros(FRAME_SAMPLES, dtype=np.float32)
    sound = np.concatenate([frames.get(number, nothing)[:FRAME_SAMPLES] for number in range(max(frames) + 1)])
    return max(_longest_absence(sound, hertz) for hertz in TONES)


def _longest_absence(sound: Samples, hertz: float) -> float:
    """Return for how many seconds at most the tone was far below its usual level, frame by frame."""
    at = np.arange(sound.size) / SAMPLE_RATE
    turning = sound * np.exp(-2j * np.pi * hertz * at)
    level = np.abs(turning.reshape(-1, FRAME_SAMPLES).mean(axis=1))
    absent = level < np.median(level) * 10 ** (-_MISSING_DB / 20)
    runs = (sum(1 for _ in run) for is_gone, run in itertools.groupby(absent) if is_gone)
    return max(runs, default=0) * FRAME_SECONDS


def _sung(hertz: float) -> list[bytes]:
    """Return a second of the tone as Opus, the second time round, so that its end leads to its beginning."""
    at = np.arange(2 * SAMPLE_RATE) / SAMPLE_RATE
    tone = (_LOUDNESS * np.sin(2 * np.pi * hertz * at)).astype(np.float32)
    encoder = Encoder(bitrate=BITRATE)
    packets = [encoder.encode(frame) for frame in tone.reshape(-1, FRAME_SAMPLES)]
    return packets[len(packets) // 2 :]


def _end(running: "subprocess.Popen[bytes]") -> None:
    running.terminate()
    try:
        running.wait(15)
    except subprocess.TimeoutExpired:
        running.kill()
        running.wait()


def _figures(
    given: argparse.Namespace,
    *,
    joined: dict[str, Any],
    calm: Stretch,
    siege: Stretch,
    thrown: dict[str, Any],
    connected: Sequence[str],
) -> dict[str, object]:
    longest, lines = max(siege.longest_gap_ms, siege.longest_tone_gap_ms), siege.log_lines
    stayed = set(connected) == {"connected"} and not siege.arrivals["failed"]
    return {
        "machine": machine(),
        "seconds": given.seconds,
        "speakers": len(TONES),
        "listeners": joined["joined"] + 1,
        "thrown": thrown,
        "before": calm.figures(),
        "besieged": siege.figures(),
        "ended": siege.ended,
        "bars": {
            "no session ends": stayed and not siege.ended,
            f"longest gap ≤ {LONGEST_GAP_MS} ms": {"kept": longest <= LONGEST_GAP_MS, "ms": longest},
            f"log lines ≤ {MOST_LOG_LINES}": {"kept": lines <= MOST_LOG_LINES, "lines": lines},
            "strangers are not answered": thrown["answers"] == 0,
        },
    }


if __name__ == "__main__":
    main()
