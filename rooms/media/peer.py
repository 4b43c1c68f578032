"""A speaker's connection: their packets in, one frame of sound per tick out."""

import asyncio
from collections.abc import Callable
from typing import ClassVar, Final, NamedTuple

from aiortc import RTCRtpTransceiver

from rooms.media import rtp, wire
from rooms.media.gate import Purpose
from rooms.media.levels import Loudness, Meter
from rooms.media.machine import Reach
from rooms.media.session import Reason, Session
from rooms.media.sound import FRAME_SAMPLES, SAMPLE_RATE, Samples
from rooms.media.voice import Voice

SENDING_SECONDS: Final = 2.0  # a speaker without packets for so long is not sending

OnPacket = Callable[[rtp.Packet, float], None]


class Figures(NamedTuple):
    """How a speaker's packets have come since the session began, or since their stream was another one."""

    received: int  # packets
    lost: int  # packets that never came, as far as is known
    late: int  # packets that came when their time was over, or were let go to be on time again
    duplicated: int
    recovered: int  # packets, by in-band FEC
    concealed: float  # frames of 20 ms that were guessed
    jitter_ms: float  # all but one in a hundred come within this
    delay_ms: float  # what waiting here adds, as of the last frame
    strays: int  # datagrams that were not heard: of strangers, or of no use


class Speaker(Session):
    """Takes one seat's voice in. Muted, its packets are counted and thrown away before they are decoded.

    `on_packet` is given each packet that passes (not while muted) and the loop's time at which it came.
    """

    purpose: ClassVar[Purpose] = Purpose.SPEAK

    def __init__(
        self,
        *,
        seat: str,
        epoch: int,
        reach: Reach,
        at: float,
        ended: Callable[[Session, Reason], None],
        muted: bool,
    ) -> None:
        self.meter = Meter()
        self.on_packet: OnPacket | None = None
        self._muted = muted
        self._voice = Voice()
        self._loudness = Loudness()
        self._claims = False  # whether packets say how loud they are
        self._loop = asyncio.get_running_loop()
        self._last_packet = float("-inf")  # loop time
        super().__init__(seat=seat, epoch=epoch, reach=reach, at=at, ended=ended)

    def mute(self, *, muted: bool) -> None:
        """Let sound through or not, from this tick on."""
        self._muted = muted
        self._forget()

    def take(self, *, decode: bool = True) -> Samples | None:
        """Return this tick's frame, shape (960,), or None for nothing. Call it once per tick.

        Without `decode` there is never a frame, and hardly a cost; time goes on as if there were.
        """
        if self._muted:
            self.meter.hear(None)
            return None
        at = self._loop.time()
        # Of packets that do not say how loud they are, only decoding tells.
        frame = self._voice.take(at=at, quiet=self.meter.quiet, decode=decode or not self._claims)
        self.meter.hear(frame)
        if not self._claims:
            self._loudness.tell(self.meter.dbfs, at=at)
        return frame if decode else None

    @property
    def loudness(self) -> float:
        """The loudest of the last 0.3 s in dBFS, known before it is decoded where packets tell (RFC 6464)."""
        return self._loudness.at(self._loop.time())

    @property
    def sending(self) -> bool:
        """Whether packets came in during the last two seconds, muted or not."""
        return self._loop.time() - self._last_packet < SENDING_SECONDS

    @property
    def figures(self) -> Figures:
        """How the packets have come until now."""
        buffer, reception = self._voice.buffer, self._uplink.reception
        return Figures(
            received=reception.received,
            lost=max(0, reception.lost),
            late=buffer.late + buffer.skipped,
            duplicated=buffer.duplicated,
            recovered=buffer.recovered,
            concealed=buffer.concealed_samples / FRAME_SAMPLES,
            jitter_ms=buffer.delays.nearly_most / SAMPLE_RATE * 1_000,
            delay_ms=buffer.waiting_samples / SAMPLE_RATE * 1_000,
            strays=self._uplink.door.strays,
        )

    def _add_transceiver(self, reach: Reach) -> RTCRtpTransceiver:
        transceiver = self._connection.addTransceiver("audio", direction="recvonly")
        self._uplink = wire.Uplink(
            transceiver,
            heard=self._hear,
            left=lambda: self.stop(Reason.LEFT),
            broke=lambda: self.stop(Reason.LOST),
        )
        wire.bind(transceiver, reach, door=self._uplink.door)
        return transceiver

    def _silence(self) -> None:
        self._muted = True
        self._uplink.close()
        self._forget()

    def _forget(self) -> None:
        self._voice.hush()
        self._loudness.hush()
        self.meter.hush()

    def _hear(self, packet: rtp.Packet, at: float) -> None:
        self._last_packet = at
        self._claims = packet.level is not None
        self._voice.put(packet, at=at, hold=not self._muted)
        if self._muted:
            return
        if packet.level is not None:
            self._loudness.tell(packet.level, at=at)
        if self.on_packet is not None:
            self.on_packet(packet, at)
