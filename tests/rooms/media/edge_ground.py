"""What the tests of the edge stand on: an edge with its sender, a small mixer, and real listeners."""

import asyncio
import re
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import numpy as np
from aiortc import RTCPeerConnection, RTCSessionDescription
from aiortc.rtp import AnyRtcpPacket, RtcpByePacket, RtpPacket

from rooms.media import machine, whip_client, wire
from rooms.media.edge import Edge
from rooms.media.feed import Tick, pack
from rooms.media.gate import BadOffer
from rooms.media.opus import Encoder
from rooms.media.refusals import Opened, Refused
from rooms.media.sending import NOTHING

ROOM = "the-room"
HOUSE_HZ = 440.0
TICK_SECONDS = 0.02


def tone(hz: float, *, number: int, frames: int = 1) -> "np.ndarray[tuple[int], np.dtype[np.float32]]":
    at = np.arange(number * 960, (number + frames) * 960)
    return (0.3 * np.sin(2 * np.pi * hz * at / 48_000)).astype(np.float32)


class Mixer:
    """Sends a tone into a room of an edge, every 20 ms, and remembers what each packet was."""

    def __init__(self, edge: Edge, *, room: str = ROOM, source: int = 1, frames: int = 1) -> None:
        self.room = room
        self.source = source
        self.frames = frames
        self.number = 0
        self.own: dict[str, float] = {}  # seat -> the tone that it hears instead of the house's
        self.sent: dict[bytes, str] = {}  # packet -> whose mix it was
        self._encoders: dict[str, Encoder] = {}
        self._line = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._line.setblocking(False)
        self._line.connect(f"\0{edge.feed_name}")

    def tick(self) -> None:
        own = {seat: self._encoded(seat, hz) for seat, hz in self.own.items()}
        house = self._encoded("", HOUSE_HZ)
        tick = Tick(self.room, self.source, self.number, self.frames, house, own)
        self.number += self.frames
        self._line.send(pack(tick))

    async def run(self) -> None:
        begun, first = time.monotonic(), self.number
        while True:
            self.tick()
            await asyncio.sleep(begun + (self.number - first) * TICK_SECONDS - time.monotonic())

    def close(self) -> None:
        self._line.close()

    def _encoded(self, seat: str, hz: float) -> bytes:
        encoder = self._encoders.setdefault(seat, Encoder(frames=self.frames))
        packet = encoder.encode(tone(hz, number=self.number, frames=self.frames))
        self.sent[packet] = seat
        return packet


@dataclass
class Client:
    """A real listener. `packets` are all that reached it, decrypted, in the order in which they came."""

    connection: RTCPeerConnection
    opened: Opened
    packets: list[RtpPacket] = field(default_factory=list)
    byes: int = 0

    async def up(self) -> "Client":
        await whip_client.up(self.connection)
        return self

    async def hears(self, count: int = 1, *, seconds: float = 10.0) -> "Client":
        """Return when `count` packets more have come."""
        wanted = len(self.packets) + count
        await until(lambda: len(self.packets) >= wanted, seconds=seconds)
        return self

    @property
    def payloads(self) -> list[bytes]:
        return [packet.payload for packet in self.packets]

    @property
    def mixes(self) -> list[bytes]:
        """The payloads without those that only say that the line is not dead."""
        return [payload for payload in self.payloads if payload != NOTHING]

    @property
    def sequence(self) -> list[int]:
        return [packet.sequence_number for packet in self.packets]

    @property
    def timestamps(self) -> list[int]:
        return [packet.timestamp for packet in self.packets]


@dataclass
class Ground:
    edge: Edge
    events: list[dict[str, object]]
    mixers: list[Mixer] = field(default_factory=list)
    clients: list[Client] = field(default_factory=list)
    tasks: list["asyncio.Task[None]"] = field(default_factory=list)

    def mix(self, *, source: int = 1, frames: int = 1) -> Mixer:
        """Return a mixer that runs until the end."""
        mixer = self.still_mixer(source=source, frames=frames)
        self.tasks.append(asyncio.create_task(mixer.run()))
        return mixer

    def still_mixer(self, *, source: int = 1, frames: int = 1) -> Mixer:
        """Return a mixer whose ticks the test gives."""
        mixer = Mixer(self.edge, source=source, frames=frames)
        self.mixers.append(mixer)
        return mixer

    async def listen(
        self,
        seat: str,
        *,
        epoch: int = 1,
        room: str = ROOM,
        change: Callable[[str], str] = lambda answer: answer,
        offered: Callable[[str], str] = lambda offer: offer,
        reports: bool = True,
        ago: float = 0.0,
    ) -> Client:
        """Let a real client listen. `offered` and `change` may change what the other side is to see."""
        connection = wire.new_connection()
        wire.bind(connection.addTransceiver("audio", direction="recvonly"), machine.near())
        await connection.setLocalDescription(await connection.createOffer())
        try:
            opened = self.edge.audience.listen(
                room=room,
                seat=seat,
                epoch=epoch,
                offer=offered(connection.localDescription.sdp),
                at=time.time() - ago,
            )
        except (BadOffer, Refused):
            await wire.hang_up(connection)
            raise
        client = Client(connection, opened)
        self.clients.append(client)
        _listen_in(client, reports=reports)
        await connection.setRemoteDescription(RTCSessionDescription(sdp=change(opened.answer), type="answer"))
        return client

    def door(
        self, seat: str, *, change: Callable[[str], str] = lambda answer: answer
    ) -> Callable[[str], Awaitable[str]]:
        """Return what answers the offer of a listener that is no client of ours."""

        async def answer(offer: str) -> str:
            opened = self.edge.audience.listen(room=ROOM, seat=seat, epoch=1, offer=offer, at=time.time())
            return change(opened.answer)

        return answer

    def told(self, event: str) -> list[tuple[object, ...]]:
        """Return (seat, reason) of each session that has ended, (seat,) of each that took over."""
        return [
            tuple(one[name] for name in ("seat", "reason") if name in one)
            for one in self.events
            if one["event"] == event
        ]


def _listen_in(client: Client, *, reports: bool) -> None:
    """Note what the client's aiortc is given; without `reports` it does not see it itself."""
    (receiver,) = client.connection.getReceivers()
    take, take_control = receiver._handle_rtp_packet, receiver._handle_rtcp_packet

    async def note(packet: RtpPacket, arrival_time_ms: int) -> None:
        client.packets.append(packet)
        if reports:
            await take(packet, arrival_time_ms)

    async def note_control(packet: AnyRtcpPacket) -> None:
        client.byes += isinstance(packet, RtcpByePacket)
        await take_control(packet)

    receiver._handle_rtp_packet = note  # type: ignore[method-assign]
    receiver._handle_rtcp_packet = note_control  # type: ignore[method-assign]


class Relay(asyncio.DatagramProtocol):
    """Stands between one listener and an edge, as a router does that may give the listener another port."""

    _inside: asyncio.DatagramTransport
    _outside: asyncio.DatagramTransport

    def __init__(self, port: int) -> None:
        self._edge = ("127.0.0.1", port)
        self._listener: tuple[str, int] | None = None

    @classmethod
    async def open(cls, port: int) -> "Relay":
        relay = cls(port)
        loop = asyncio.get_running_loop()
        relay._inside, _ = await loop.create_datagram_endpoint(lambda: relay, local_addr=("127.0.0.1", 0))
        await relay.rebind()
        return relay

    async def rebind(self) -> None:
        """Send on from another port, and hear only what comes to that one."""
        if hasattr(self, "_outside"):
            self._outside.close()
        loop = asyncio.get_running_loop()
        self._outside, _ = await loop.create_datagram_endpoint(
            lambda: _Outside(self), local_addr=("127.0.0.1", 0)
        )

    def in_answer(self, answer: str) -> str:
        port = self._inside.get_extra_info("sockname")[1]
        return re.sub(r"(a=candidate:.* )[0-9]+( typ host)", rf"\g<1>{port}\g<2>", answer)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._listener = addr
        self._outside.sendto(data, self._edge)

    def back(self, data: bytes) -> None:
        self._inside.sendto(data, self._listener)

    def close(self) -> None:
        self._inside.close()
        self._outside.close()


class _Outside(asyncio.DatagramProtocol):
    def __init__(self, relay: Relay) -> None:
        self._relay = relay

    def datagram_received(self, data: bytes, _addr: tuple[str, int]) -> None:
        self._relay.back(data)


def said_in(description: str, name: str) -> list[str]:
    """Return the values of the attribute `name` in a session description."""
    return [line.partition(":")[2] for line in description.splitlines() if line.startswith(f"a={name}:")]


@asynccontextmanager
async def ground(
    *,
    addresses: Sequence[str] | None = None,
    bind: str | None = None,
    most_listeners: int = 100,
    start_high: bool = False,
    nice: int = 0,
) -> AsyncIterator[Ground]:
    """Run an edge while the block lasts; everybody is hung up at its end."""
    events: list[dict[str, object]] = []
    edge = Edge(
        bind=bind,
        port=0,
        public_ips=machine.near().bound if addresses is None else addresses,
        tell=lambda event: events.append(dict(event)),
        most_listeners=most_listeners,
        start_high=start_high,
        nice=nice,
    )
    await edge.start()
    here = Ground(edge, events)
    try:
        yield here
    finally:
        for task in here.tasks:
            task.cancel()
        await asyncio.gather(*here.tasks, return_exceptions=True)
        for mixer in here.mixers:
            mixer.close()
        await edge.close()
        for client in here.clients:
            await wire.hang_up(client.connection)


async def until(check: Callable[[], bool], *, seconds: float = 5.0) -> None:
    """Return as soon as `check()` holds. Raises TimeoutError after `seconds`."""
    async with asyncio.timeout(seconds):
        while not check():  # noqa: ASYNC110 -- what is waited for happens in code that tells nobody
            await asyncio.sleep(0.01)
