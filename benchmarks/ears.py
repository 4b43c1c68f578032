"""Two ways to take a speaker in, side by side on one clock: the house's own, and aiortc's as it comes.

Behind either stands the same house mix: limited, encoded once as listeners get it, and decoded as they do. So
what is recorded is what a listener hears, and the two differ in nothing but how the speaker was taken in.
"""

import asyncio
import time
from collections import deque
from typing import Final, Protocol

import numpy as np
from aiortc import MediaStreamTrack, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError
from av import AudioFrame

from benchmarks.marks import Recording
from benchmarks.talker import LOOPBACK, Talk
from rooms.media import mixer, wire
from rooms.media.opus import Decoder, Encoder
from rooms.media.peer import Speaker
from rooms.media.sound import FRAME_SAMPLES, FRAME_SECONDS, SAMPLE_RATE, Samples, silence

_FULL_SCALE: Final = np.float32(32_768.0)


class Ear(Protocol):
    """A way to take one speaker in."""

    async def answer(self, offer: str) -> str:
        """Return the SDP answer."""

    def take(self) -> tuple[Samples | None, bool]:
        """Return this tick's frame, shape (960,), and whether it is the speaker's own sound."""

    async def close(self) -> None:
        """Hang up."""


class HouseEar:
    """The house's: rooms.media.peer and all that stands behind it."""

    def __init__(self) -> None:
        self.speaker = Speaker(
            seat="voice",
            epoch=1,
            addresses=[LOOPBACK],
            at=time.time(),
            ended=lambda _session, _reason: None,
            muted=False,
        )

    async def answer(self, offer: str) -> str:
        return await self.speaker.answer(offer)

    def take(self) -> tuple[Samples | None, bool]:
        made_up = self._made_up()
        frame = self.speaker.take()
        return frame, frame is not None and self._made_up() == made_up

    def _made_up(self) -> int:
        return int(getattr(getattr(self.speaker, "counters", None), "concealed", 0))

    async def close(self) -> None:
        await wire.hang_up(self.speaker._connection)  # noqa: SLF001 -- a clean end for the next cells


class StockEar:
    """aiortc's RTCRtpReceiver as it comes; what its track gives waits in a row for the next tick."""

    def __init__(self) -> None:
        self._connection = wire.new_connection()
        self._connection.on("track", self._listen)
        self._frames: deque[Samples] = deque()
        self._reading: asyncio.Task[None] | None = None

    async def answer(self, offer: str) -> str:
        await self._connection.setRemoteDescription(RTCSessionDescription(sdp=offer, type="offer"))
        (transceiver,) = self._connection.getTransceivers()
        wire.bind(transceiver, [LOOPBACK])
        await self._connection.setLocalDescription(await self._connection.createAnswer())
        return self._connection.localDescription.sdp

    def take(self) -> tuple[Samples | None, bool]:
        frame = self._frames.popleft() if self._frames else None
        return frame, frame is not None

    async def close(self) -> None:
        await wire.hang_up(self._connection)

    def _listen(self, track: MediaStreamTrack) -> None:
        self._reading = asyncio.get_running_loop().create_task(self._read(track))

    async def _read(self, track: MediaStreamTrack) -> None:
        while True:
            try:
                frame = await track.recv()
            except MediaStreamError:
                return
            if isinstance(frame, AudioFrame):
                sound = frame.to_ndarray().reshape(frame.samples, -1).mean(axis=1, dtype=np.float32)
                self._frames.extend((sound / _FULL_SCALE).reshape(-1, FRAME_SAMPLES))


class Wire:
    """An ear at the end of no network at all."""

    def __init__(self, said: Talk) -> None:
        self._said = iter(said)
        self._decoder = Decoder()

    async def answer(self, offer: str) -> str:
        raise NotImplementedError

    def take(self) -> tuple[Samples | None, bool]:
        payload = next(self._said)
        return (None if payload is None else self._decoder.decode(payload)), True

    async def close(self) -> None:
        """There is nothing to hang up."""


class Recorder:
    """A room of one speaker and one listener, from the tick on which the speaker begins."""

    def __init__(self, ear: Ear) -> None:
        self.ear = ear
        self._limiter = mixer.Limiter()
        self._encoder = Encoder()
        self._decoder = Decoder()
        self._frames: list[Samples] = []
        self._real: list[bool] = []
        self._began: float | None = None  # loop time of the tick whose frame comes first

    def tick(self, at: float) -> None:
        """Take the tick that was due at `at`, loop time. Ticks that were left out are silence."""
        frame, real = self.ear.take()
        payload = self._encoder.encode(self._limiter.limit(mixer.total({} if frame is None else {"": frame})))
        if self._began is None:
            self._began = at
        missing = round((at - self._began) / FRAME_SECONDS) - len(self._frames)
        self._frames += [silence()] * missing
        self._real += [False] * missing
        self._frames.append(self._decoder.decode(payload))
        self._real.append(real)

    def recording(self, *, begun_at: float, seconds: float) -> Recording:
        """Return what was heard from `begun_at` (loop time, after the first tick) on, for so many seconds."""
        length = round(seconds * SAMPLE_RATE)
        samples = np.concatenate([*self._frames, np.zeros(length, dtype=np.float32)])
        late = round((begun_at - (self._began or begun_at)) * SAMPLE_RATE)
        return Recording(
            samples=samples[late : late + length],
            real=np.array(self._real[late // FRAME_SAMPLES :], dtype=np.bool_),
            phase=late % FRAME_SAMPLES,
        )
