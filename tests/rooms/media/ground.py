"""What the tests of the sound stand on: a house with its clock, and real clients that sing and hear."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import numpy as np
from aiortc import MediaStreamTrack, RTCPeerConnection, RTCSessionDescription

from rooms.media import clock, machine, session, whip_client, wire
from rooms.media.ear import Heard, Notes
from rooms.media.edge import Edge
from rooms.media.house import House
from rooms.media.opus import Encoder, OpusPacket, packet
from rooms.media.refusals import Opened, Refused, Standing
from rooms.media.room import Room
from rooms.media.sound import FRAME_SAMPLES, SAMPLE_RATE, Samples

LOUDNESS = 0.3
ROOM = "the-room"
CLEAR_DB = -50.0  # between the tones, of a mix without a lost frame


def sine(hz: float, *, seconds: float, loudness: float = LOUDNESS, start: int = 0) -> Samples:
    """Return a tone, shape (seconds at 48 kHz,), as if it had sounded for `start` samples already."""
    at = np.arange(start, start + round(seconds * SAMPLE_RATE))
    return (loudness * np.sin(2 * np.pi * hz * at / SAMPLE_RATE)).astype(np.float32)


class Tone(MediaStreamTrack):
    """Sings one note. `loudness` may be changed while it sings."""

    kind = "audio"

    def __init__(self, hz: float, *, loudness: float = LOUDNESS) -> None:
        super().__init__()
        self.hz = hz
        self.loudness = loudness
        self.sent = 0
        self._encoder = Encoder(bitrate=64_000)
        self._start: float | None = None

    async def recv(self) -> OpusPacket:
        loop = asyncio.get_running_loop()
        self._start = loop.time() if self._start is None else self._start
        await asyncio.sleep(self._start + self.sent * clock.TICK - loop.time())
        pts = self.sent * FRAME_SAMPLES
        self.sent += 1
        frame = sine(self.hz, seconds=clock.TICK, loudness=self.loudness, start=pts)
        return packet(self._encoder.encode(frame), pts=pts)


@dataclass
class Client:
    """The far end of one session."""

    connection: RTCPeerConnection
    opened: Opened
    notes: Notes = field(default_factory=lambda: Notes(asked_at=time.time()))

    async def up(self) -> "Client":
        await whip_client.up(self.connection)
        return self

    def heard(self) -> Heard:
        """Return what reached this client, and end its listening."""
        self.notes.end()
        return self.notes.heard(cut=self.notes.over)

    async def heard_for(self, seconds: float) -> Heard:
        """Return what reaches this client during the coming `seconds`, from its first sound on."""
        async with asyncio.timeout(10):
            await self.notes.begun.wait()
        await asyncio.sleep(seconds)
        return self.heard()

    async def heard_clearly(self, *, seconds: float = 12.0) -> Heard:
        """Return the first stretch without a splash in it, or the clearest there was in `seconds`.

        Clients and house share one busy core here. A voice that should not be heard is in every stretch.
        """
        async with asyncio.timeout(10):
            await self.notes.begun.wait()
        stretches = []
        for _ in range(round(seconds / 1.2)):
            await asyncio.sleep(1.2)
            stretches.append(await asyncio.to_thread(self.notes.heard(cut=False).last(0.8).clearest))
            if stretches[-1].noise_db < CLEAR_DB:
                break
        self.notes.end()
        return min(stretches, key=lambda stretch: stretch.noise_db)


@dataclass
class Ground:
    """A mixer's house that ticks, an edge it feeds, what they have announced, and clients to hang up."""

    house: House
    edge: Edge
    events: list[dict[str, object]]
    clients: list[Client] = field(default_factory=list)

    @property
    def room(self) -> Room:
        """The one room, at its home."""
        return self.house.room(ROOM, at=time.time())

    async def speak(
        self, seat: str, track: MediaStreamTrack, *, epoch: int = 1, muted: bool = False
    ) -> Client:
        connection = wire.new_connection()
        wire.bind(connection.addTransceiver(track, direction="sendonly"), machine.near())
        async with _hung_up_if_refused(connection):
            offer = await offer_of(connection)
            opened = await self.room.speak(seat=seat, epoch=epoch, muted=muted, offer=offer, at=time.time())
        return await self._answered(Client(connection, opened))

    async def listen(self, seat: str, *, epoch: int = 1) -> Client:
        connection = wire.new_connection()
        notes = Notes(asked_at=time.time())
        connection.on("track", notes.take_from)
        wire.bind(connection.addTransceiver("audio", direction="recvonly"), machine.near())
        async with _hung_up_if_refused(connection):
            opened = self.answer(seat, await offer_of(connection), epoch=epoch)
        return await self._answered(Client(connection, opened, notes))

    def answer(self, seat: str, offer: str, *, epoch: int = 1) -> Opened:
        """Answer a listener of the room."""
        return self.edge.audience.listen(room=ROOM, seat=seat, epoch=epoch, offer=offer, at=time.time())

    def drop(self, seat: str, *, epoch: int) -> None:
        """Put the seat out, on stage and in the audience, as the web side does."""
        self.room.drop(seat, epoch=epoch)
        self.edge.audience.drop(room=ROOM, seat=seat, epoch=epoch)

    def census(self, standings: dict[str, Standing], *, at: float) -> None:
        self.room.census(standings, at=at)
        self.edge.audience.census(room=ROOM, standings=standings, at=at)

    def end(self, session_id: str) -> None:
        self.room.end(session_id)
        self.edge.audience.end(session_id)

    @property
    def seats(self) -> list[str]:
        """The seats that listen or are about to."""
        return self.edge.audience.seats(ROOM)

    def hearing(self) -> list[str]:
        return self.edge.audience.hearing(ROOM, at=time.time())

    def ended(self) -> list[tuple[object, object, object]]:
        """Return (seat, kind, reason) of each session that has ended, in order."""
        return [
            (event["seat"], event["kind"], event["reason"])
            for event in self.events
            if event["event"] == "session_ended"
        ]

    async def _answered(self, client: Client) -> Client:
        self.clients.append(client)
        answer = RTCSessionDescription(sdp=client.opened.answer, type="answer")
        await client.connection.setRemoteDescription(answer)
        return client


@asynccontextmanager
async def _hung_up_if_refused(connection: RTCPeerConnection) -> AsyncIterator[None]:
    try:
        yield
    except Refused:
        await wire.hang_up(connection)
        raise


async def offer_of(connection: RTCPeerConnection) -> str:
    await connection.setLocalDescription(await connection.createOffer())
    return connection.localDescription.sdp


async def listening_offer() -> str:
    """Return the offer of a listener who then never comes."""
    return await _offer_of_nobody("recvonly")


async def speaking_offer() -> str:
    """Return the offer of a speaker who then never comes."""
    return await _offer_of_nobody("sendonly")


async def _offer_of_nobody(direction: str) -> str:
    connection = wire.new_connection()
    wire.bind(connection.addTransceiver("audio", direction=direction), machine.near())
    offer = await offer_of(connection)
    await wire.hang_up(connection)
    return offer


async def until(check: Callable[[], bool], *, seconds: float = 5.0) -> None:
    """Return as soon as `check()` holds. Raises TimeoutError after `seconds`."""
    async with asyncio.timeout(seconds):
        while not check():  # noqa: ASYNC110 -- what is waited for happens in code that tells nobody
            await asyncio.sleep(0.01)


@asynccontextmanager
async def ground(addresses: Sequence[str] | None = None) -> AsyncIterator[Ground]:
    """Run a mixer's house and an edge with one room while the block lasts; all are hung up at its end."""
    events: list[dict[str, object]] = []

    def tell(event: Mapping[str, object]) -> None:
        events.append(dict(event))

    ours = machine.addresses() if addresses is None else addresses
    edge = Edge(
        bind=None if addresses is None else addresses[0],
        port=0,
        public_ips=ours,
        tell=tell,
        most_listeners=100,
    )
    await edge.start()
    house = House(reach=machine.Reach(ours), tell=tell, publish=lambda *_: None)
    house.room(ROOM, at=time.time()).feeds.renew("edge", edge.feed_name, at=time.time() + 1e6)
    ticking = asyncio.create_task(clock.run(house.tick))
    here = Ground(house=house, edge=edge, events=events)
    try:
        yield here
    finally:
        house.close()
        await edge.close()
        await session.all_hung_up()
        for client in here.clients:
            client.notes.end()
            await wire.hang_up(client.connection)
        ticking.cancel()
