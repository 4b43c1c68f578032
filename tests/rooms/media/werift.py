"""werift as a listener: a WebRTC stack that is neither a browser nor aiortc, run by Node beside the tests."""

import asyncio
import base64
import json
import shutil
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from rooms.media.ear import Heard
from rooms.media.opus import Decoder
from rooms.media.sound import SAMPLE_RATE
from tests.rooms.media.edge_ground import until

FOLDER = Path(__file__).with_suffix("")
GCM_128 = 7  # SRTP_AEAD_AES_128_GCM, RFC 7714 §14.2
LONGEST_LINE = 2**20
END_SECONDS = 10.0


@dataclass(frozen=True)
class RtpPacket:
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes
    at: float  # unix seconds


@dataclass(frozen=True)
class SenderReport:
    timestamp: int  # on the RTP clock of 48 kHz, at…
    unix: float  # …this second
    sent: int  # packets so far


@dataclass
class Werift:
    """One listener and all that it has said."""

    process: asyncio.subprocess.Process
    offer: str = ""
    state: str = "new"
    alerts: int = 0
    profile: int | None = None
    packets: list[RtpPacket] = field(default_factory=list)
    reports: list[SenderReport] = field(default_factory=list)

    async def listen(self, answer: Callable[[str], Awaitable[str]]) -> None:
        """Listen, given what `answer` returns for its offer; return when it is connected."""
        assert self.process.stdin is not None
        message = {"answer": await answer(self.offer)}
        self.process.stdin.write(json.dumps(message).encode() + b"\n")
        await self.process.stdin.drain()
        await until(lambda: self.state in {"connected", "failed"}, seconds=15)
        assert self.state == "connected"

    def heard(self) -> Heard:
        """Return what its packets sound like, one after the other."""
        decoder = Decoder()
        arrived = [packet.at for packet in self.packets]
        return Heard(
            samples=np.concatenate([decoder.decode(packet.payload) for packet in self.packets]),
            asked_at=0.0,
            first_packet_at=arrived[0],
            last_packet_at=arrived[-1],
            last_audible_at=None,
            cut=False,
        )

    def steps(self) -> set[tuple[int, int]]:
        """Return by how much (sequence, timestamp) went on from one packet to the next."""
        pairs = zip(self.packets, self.packets[1:], strict=False)
        return {
            ((then.sequence - one.sequence) % 2**16, (then.timestamp - one.timestamp) % 2**32)
            for one, then in pairs
        }

    def lateness(self) -> list[float]:
        """Return, by the clock of each sender report, how many seconds its promptest packet came too late."""
        return [
            min(
                packet.at - report.unix - _signed(packet.timestamp - report.timestamp) / SAMPLE_RATE
                for packet in self.packets
            )
            for report in self.reports
        ]

    async def read(self) -> None:
        """Take down what it says until it ends."""
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            self._note(json.loads(line))

    def _note(self, said: dict[str, Any]) -> None:
        match said:
            case {"offer": str(offer)}:
                self.offer = offer
            case {"state": str(state)}:
                self.state = state
            case {"alert": int()}:
                self.alerts += 1
            case {"profile": int(profile)}:
                self.profile = profile
            case {"payload": str(payload), **header}:
                self.packets.append(RtpPacket(payload=base64.b64decode(payload), at=time.time(), **header))
            case {"report": int(timestamp), **rest}:
                self.reports.append(SenderReport(timestamp, **rest))
            case _:
                raise AssertionError(said)


@asynccontextmanager
async def werift() -> AsyncIterator[Werift]:
    """Run a listener that has made its offer, while the block lasts."""
    node = shutil.which("node")
    assert node is not None, "Install Node: apt-get install nodejs npm"
    assert (FOLDER / "node_modules").is_dir(), f"Install werift: npm ci --prefix {FOLDER}"
    process = await asyncio.create_subprocess_exec(
        node, str(FOLDER / "listen.mjs"),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=LONGEST_LINE,
    )  # fmt: skip
    listener = Werift(process)
    reading = asyncio.create_task(listener.read())
    try:
        await until(lambda: listener.offer != "", seconds=20)
        yield listener
        assert process.stdin is not None
        process.stdin.close()
        await asyncio.wait_for(process.wait(), END_SECONDS)
        await reading
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        reading.cancel()


def _signed(difference: int) -> int:
    """Return the difference of two RTP timestamps, of which either may be the later one."""
    return (difference + 2**31) % 2**32 - 2**31
