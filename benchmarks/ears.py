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
from benchmarks.relay import LOOPBACK
from rooms.media import mixer, wire
from rooms.media.feed import Tick
from rooms.media.machine import Reach
from rooms.media.opus import Decoder, Encoder
from rooms.media.room import Room
from rooms.media.sound import FRAME_SAMPLES, SAMPLE_RATE, SILENCE_DBFS, Samples, silence

EDGE: Final = "a listener's decoder"
_FULL_SCALE: Final = np.float32(32_768.0)


class Ear(Protocol):
    """A way to take one speaker in, and a listener behind it. Ticks have the numbers of the clock."""

    async def answer(self, offer: str) -> str:
        """Return the SDP answer to the speaker's offer."""

    def tape(self) -> "Tape":
        """Return what the listener has heard."""

    def before(self) -> None:
        """Get ready for a tick."""

    def after(self, number: int) -> None:
        """Have done with it."""

    async def close(self) -> None:
        """Hang up."""


class Tape:
    """What a listener hears, each 20 ms in the place that the clock's number gives it."""

    def __init__(self) -> None:
        self._frames: dict[int, Samples] = {}
        self._real: set[int] = set()

    def record(self, number: int, frame: Samples) -> None:
        """Note the frame, shape (960,), that is heard from this tick on."""
        self._frames[number] = frame

    def is_real(self, number: int) -> None:
        """Note that the speaker's own sound went into this tick."""
        self._real.add(number)

    def has(self, number: int) -> bool:
        """Return whether the speaker's own sound went into this tick."""
        return number in self._real

    def recording(self, *, begun: float, seconds: float) -> Recording:
        """Return what was heard from `begun` on, in ticks, for so many seconds; nothing where nothing is."""
        first = int(begun)
        phase = round((begun - first) * FRAME_SAMPLES)
        numbers = range(first, first + round(seconds * SAMPLE_RATE / FRAME_SAMPLES) + 1)
        samples = np.concatenate([self._frames.get(number, silence()) for number in numbers])
        return Recording(
            samples=samples[phase : phase + round(seconds * SAMPLE_RATE)],
            real=np.array([number in self._real for number in numbers], dtype=np.bool_),
            phase=phase,
        )


class HouseEar:
    """The house's: a room of its own, whose packets come here as they would go to a sender."""

    def __init__(self, room: Room) -> None:
        self.sent_at: dict[int, float] = {}
        self._tape = Tape()
        self._room = room
        self._decoder = Decoder()
        self._made_up = 0.0

    async def answer(self, offer: str) -> str:
        opened = await self._room.speak(seat="voice", epoch=1, muted=False, offer=offer, at=time.time())
        return opened.answer

    def feed(self, name: str) -> None:
        """Have the room feed the sender at this abstract Unix name, for the coming seconds."""
        self._room.feeds.renew(name, name, at=time.time())

    def hear(self, tick: Tick, at: float) -> None:
        """Take a packet of the room's that left the mixer at `at`."""
        self.sent_at[tick.number] = at
        self._tape.record(tick.number, self._decoder.decode(tick.house))

    def tape(self) -> Tape:
        return self._tape

    def before(self) -> None:
        self._made_up = sum(speaker.figures.concealed for speaker in self._room.speakers)

    def after(self, number: int) -> None:
        made_up = sum(speaker.figures.concealed for speaker in self._room.speakers)
        heard = any(speaker.meter.dbfs > SILENCE_DBFS for speaker in self._room.speakers)
        if heard and made_up == self._made_up:
            self._tape.is_real(number)

    async def close(self) -> None:
        """Leave it to the house, which hangs up on all."""


class StockEar:
    """aiortc's RTCRtpReceiver as it comes; what its track gives waits in a row for the next tick."""

    def __init__(self) -> None:
        self._taken: dict[int, Samples | None] = {}
        self._connection = wire.new_connection()
        self._connection.on("track", self._listen)
        self._frames: deque[Samples] = deque()
        self._reading: asyncio.Task[None] | None = None

    async def answer(self, offer: str) -> str:
        await self._connection.setRemoteDescription(RTCSessionDescription(sdp=offer, type="offer"))
        (transceiver,) = self._connection.getTransceivers()
        wire.bind(transceiver, Reach([LOOPBACK]))
        await self._connection.setLocalDescription(await self._connection.createAnswer())
        return self._connection.localDescription.sdp

    def before(self) -> None:
        """Nothing is to be got ready."""

    def after(self, number: int) -> None:
        self._taken[number] = self._frames.popleft() if self._frames else None

    def tape(self) -> Tape:
        """Return what was heard. It is mixed and encoded only now, to leave the clock its time."""
        tape, mix = Tape(), Mix()
        for number, frame in self._taken.items():
            tape.record(number, mix.through(silence() if frame is None else frame))
            if frame is not None:
                tape.is_real(number)
        return tape

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


class Mix:
    """A house mix of one voice, and a listener's decoder behind it: what a room does, without the room."""

    def __init__(self) -> None:
        self._limiter = mixer.Limiter()
        self._encoder = Encoder()
        self._decoder = Decoder()

    def through(self, frame: Samples) -> Samples:
        """Return what a listener hears of `frame`, both of shape (960,)."""
        return self._decoder.decode(self._encoder.encode(self._limiter.limit(frame)))
