"""A speaker's connection: their packets in, one frame of sound per tick out."""

import asyncio
from collections.abc import Callable, Sequence
from typing import ClassVar, Final

import numpy as np
from aiortc import MediaStreamTrack, RTCRtpTransceiver
from aiortc.mediastreams import MediaStreamError
from av import AudioFrame

from rooms.media.gate import Purpose
from rooms.media.jitter import Cushion
from rooms.media.levels import Meter
from rooms.media.session import Reason, Session
from rooms.media.sound import Samples

SENDING_SECONDS: Final = 2.0  # a speaker without packets for so long is not sending


class Speaker(Session):
    """Takes one seat's voice in. Muted, it still reads, so that nothing piles up, and throws it away."""

    purpose: ClassVar[Purpose] = Purpose.SPEAK

    def __init__(
        self,
        *,
        seat: str,
        epoch: int,
        addresses: Sequence[str],
        at: float,
        ended: Callable[[Session, Reason], None],
        muted: bool,
    ) -> None:
        self.meter = Meter()
        self._muted = muted
        self._cushion = Cushion()
        self._reading: asyncio.Task[None] | None = None
        self._last_packet = float("-inf")  # loop time
        super().__init__(seat=seat, epoch=epoch, addresses=addresses, at=at, ended=ended)
        self._connection.on("track", self._read)

    def mute(self, *, muted: bool) -> None:
        """Let sound through or not, from this tick on."""
        self._muted = muted
        self._forget()

    def take(self) -> Samples | None:
        """Return this tick's frame, shape (960,), or None for nothing. Call it once per tick."""
        frame = None if self._muted else self._cushion.take()
        self.meter.hear(frame)
        return frame

    @property
    def sending(self) -> bool:
        """Whether packets came in during the last two seconds, muted or not."""
        return asyncio.get_running_loop().time() - self._last_packet < SENDING_SECONDS

    def _add_transceiver(self) -> RTCRtpTransceiver:
        return self._connection.addTransceiver("audio", direction="recvonly")

    def _silence(self) -> None:
        self._muted = True
        self._forget()
        if self._reading is not None:
            self._reading.cancel()

    def _forget(self) -> None:
        self._cushion.clear()
        self.meter.hush()

    def _read(self, track: MediaStreamTrack) -> None:
        self._reading = asyncio.get_running_loop().create_task(self._read_all(track))

    async def _read_all(self, track: MediaStreamTrack) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                frame = await track.recv()
            except MediaStreamError:
                # RTCP BYE or the end of DTLS: this track never speaks again.
                self.stop(Reason.LEFT)
                return
            self._last_packet = loop.time()
            if not self._muted and isinstance(frame, AudioFrame):
                self._cushion.put(to_mono(frame))


def to_mono(frame: AudioFrame) -> Samples:
    """Return what aiortc decoded (interleaved 16-bit, any channels) as mono, shape (frame.samples,)."""
    interleaved = frame.to_ndarray().reshape(frame.samples, -1)
    mono: Samples = interleaved.mean(axis=1, dtype=np.float32) / np.float32(32_768.0)
    return mono
