"""A speaker's far end for the benchmarks: a real WebRTC client that says ready-made packets on time."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

from aiortc import MediaStreamTrack, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError

from benchmarks.relay import Harm, Relay, open_relay, without_candidates
from benchmarks.speech import Script
from rooms.media import whip_client, wire
from rooms.media.machine import Reach
from rooms.media.opus import Encoder, OpusPacket, packet
from rooms.media.sound import FRAME_SAMPLES, FRAME_SECONDS

LOOPBACK: Final = "127.0.0.1"
BITRATE: Final = 64_000  # bit/s: what the house asks of browsers in its answer

Answer = Callable[[str], Awaitable[str]]  # an offer in, the answer out

Talk = Sequence[bytes | None]  # one payload for each 20 ms, None where nothing is sent


def talk(script: Script, *, loss: float) -> Talk:
    """Return `script` as Opus, as a browser makes it that knows from RTCP that `loss` (a share) is lost."""
    encoder = Encoder(bitrate=BITRATE, expected_loss=round(100 * loss))
    frames = script.samples.reshape(-1, FRAME_SAMPLES)
    # With DTX too each frame goes through the encoder; most of the quiet ones are then not sent.
    payloads = [encoder.encode(frame) for frame in frames]
    return [payload if sent else None for payload, sent in zip(payloads, script.sent, strict=True)]


class Talking(MediaStreamTrack):
    """Says `talk` from the moment of `begin`, each packet when the sound in it would have been spoken.

    After its last packet it says nothing more and does not end: a goodbye could overtake the last word.
    `talk` may also be an endless one.
    """

    kind = "audio"

    def __init__(self, talk: Iterable[bytes | None]) -> None:
        super().__init__()
        self.began_at: float | None = None  # loop time at which the packet of frame 0 is sent
        self.latest = 0.0  # seconds: the most by which a packet was sent too late
        self.done = asyncio.Event()
        self._left = ((frame, payload) for frame, payload in enumerate(talk) if payload is not None)
        self._begun = asyncio.Event()

    def begin(self, at: float) -> None:
        """Let the first packet go at `at`, loop time."""
        self.began_at = at
        self._begun.set()

    async def recv(self) -> OpusPacket:
        await self._begun.wait()
        loop = asyncio.get_running_loop()
        frame, payload = next(self._left, (0, None))
        if payload is None:
            self.done.set()
            await asyncio.Event().wait()
            raise MediaStreamError
        due = (self.began_at or 0.0) + frame * FRAME_SECONDS
        await asyncio.sleep(due - loop.time())
        self.latest = max(self.latest, loop.time() - due)
        return packet(payload, pts=frame * FRAME_SAMPLES)


Track = TypeVar("Track", bound=MediaStreamTrack)


@dataclass
class Talker(Generic[Track]):
    """A client on the far side of a network, good or bad."""

    track: Track
    connection: RTCPeerConnection = field(default_factory=wire.new_connection)
    relay: Relay | None = None

    async def call(self, answer_to: Answer, harm: Harm | None = None) -> None:
        """Come to the server that answers, through a relay that does `harm` if there is any."""
        wire.bind(self.connection.addTransceiver(self.track, direction="sendonly"), Reach([LOOPBACK]))
        await self.connection.setLocalDescription(await self.connection.createOffer())
        answer = await answer_to(without_candidates(self.connection.localDescription.sdp))
        if harm is not None:
            answer, self.relay = await open_relay(answer, harm)
        await self.connection.setRemoteDescription(RTCSessionDescription(sdp=answer, type="answer"))

    async def up(self) -> None:
        """Return when it is connected. Raises NeverConnected."""
        await whip_client.up(self.connection)

    async def hang_up(self) -> None:
        await wire.hang_up(self.connection)
        if self.relay is not None:
            self.relay.close()
