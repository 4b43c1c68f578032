"""A listener that measures: enters by WHEP, hears for a while, and says which tones it heard and when."""

import asyncio
import time
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from aiortc import MediaStreamTrack, RTCPeerConnection, RTCRtpTransceiver
from aiortc.mediastreams import MediaStreamError
from av import AudioFrame
from numpy.typing import NDArray

from rooms.media import whip_client
from rooms.media.sound import FRAME_SAMPLES, SAMPLE_RATE, SILENCE_DBFS, Samples, dbfs

AUDIBLE_DBFS: Final = -60.0
SETTLING: Final = (
    0.4  # seconds at the start, in which codec and buffers find their feet; left out of measurements
)
_LOWEST_HZ: Final = 20.0
_NOISE_BELOW_HZ: Final = 4_000.0
_TONE_WIDTH_HZ: Final = 6.0  # a tone is where the ear says it is, give or take


@dataclass(frozen=True)
class Heard:
    """What reached a listener. Times are unix seconds; None for what never came."""

    samples: Samples  # mono, 48 kHz, all of it
    asked_at: float  # when the offer was posted
    first_packet_at: float | None
    last_packet_at: float | None  # when the last sound came out of the decoder, about 80 ms after its packet
    last_audible_at: float | None  # the same, of the last that was above -60 dBFS
    cut: bool  # the other side ended the connection

    @property
    def level_dbfs(self) -> float:
        """The level of the whole, without its first 0.4 s."""
        return dbfs(self._settled)

    @property
    def silent(self) -> bool:
        """Whether nothing audible was heard after the first 0.4 s."""
        return self.level_dbfs <= AUDIBLE_DBFS

    @property
    def joined_in(self) -> float | None:
        """Seconds from posting the offer to the first sound out of the decoder."""
        return None if self.first_packet_at is None else self.first_packet_at - self.asked_at

    @property
    def dominant_hz(self) -> float | None:
        """The strongest frequency, within 1 Hz for two seconds of sound; None in silence."""
        if self.silent:
            return None
        hertz, power = self._spectrum()
        return float(hertz[int(np.argmax(power))])

    def level_db(self, hz: float) -> float:
        """Return how strong `hz` is, in dB relative to the strongest frequency; -100 in silence."""
        if self.silent:
            return SILENCE_DBFS
        hertz, power = self._spectrum()
        near = power[np.abs(hertz - hz) <= _TONE_WIDTH_HZ]
        strongest = float(power.max())
        return max(10.0 * float(np.log10(max(float(near.max()), 1e-30) / strongest)), SILENCE_DBFS)

    def clearest(self, seconds: float = 0.6) -> "Heard":
        """Return only the stretch with the lowest noise between its tones, with the same times.

        On a machine too busy to keep time a lost frame splashes over the whole spectrum. A tone that does not
        belong in the mix would be there in every stretch, the quietest too.
        """
        length = round((seconds + SETTLING) * SAMPLE_RATE)
        starts = range(0, max(self.samples.size - length, 0) + 1, FRAME_SAMPLES * 5)
        stretches = [replace(self, samples=self.samples[start : start + length]) for start in starts]
        return min(stretches, key=lambda stretch: stretch.noise_db)

    @property
    def noise_db(self) -> float:
        """The middle of the spectrum's levels up to 4 kHz, in dB relative to the strongest frequency."""
        if self.silent:
            return SILENCE_DBFS
        hertz, power = self._spectrum()
        middle = float(np.median(power[(hertz >= _LOWEST_HZ) & (hertz < _NOISE_BELOW_HZ)]))
        return max(10.0 * float(np.log10(max(middle, 1e-30) / float(power.max()))), SILENCE_DBFS)

    def last(self, seconds: float) -> "Heard":
        """Return only the end of it, with the same times; its first 0.4 s count for nothing as ever."""
        return replace(self, samples=self.samples[-round((seconds + SETTLING) * SAMPLE_RATE) :])

    @property
    def _settled(self) -> Samples:
        return self.samples[round(SETTLING * SAMPLE_RATE) :]

    def _spectrum(self) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
        """Return frequencies and powers; Blackman's window keeps a neighbour's skirts 58 dB down."""
        samples = self._settled.astype(np.float64)
        power = (
            np.abs(np.fft.rfft(samples * np.blackman(samples.size), n=max(samples.size, SAMPLE_RATE))) ** 2
        )
        hertz = np.fft.rfftfreq(max(samples.size, SAMPLE_RATE), 1 / SAMPLE_RATE)
        return hertz, np.where(hertz < _LOWEST_HZ, 0.0, power)


async def listen(*, whep_url: str, grant: str, seconds: float) -> Heard:
    """Hear for `seconds` after the first sound, or until the other side hangs up, and say what there was.

    Raises whip_client.Refused at the door. A door that answers and then sends nothing gives no samples.
    """
    notes = Notes(asked_at=time.time())

    def add(connection: RTCPeerConnection) -> RTCRtpTransceiver:
        connection.on("track", notes.take_from)
        return connection.addTransceiver("audio", direction="recvonly")

    async with whip_client.connect(url=whep_url, grant=grant, add=add):
        try:
            async with asyncio.timeout(whip_client.CONNECT_SECONDS):
                await notes.begun.wait()
            await asyncio.wait([notes.reading()], timeout=seconds)
        except TimeoutError:
            pass
        cut = notes.over
        notes.end()
    return notes.heard(cut=cut)


class Notes:
    """What was heard so far."""

    def __init__(self, *, asked_at: float) -> None:
        self.begun = asyncio.Event()
        self.over = False
        self._asked_at = asked_at
        self._pieces: list[Samples] = []
        self._first: float | None = None
        self._last: float | None = None
        self._audible: float | None = None
        self._reading: asyncio.Task[None] | None = None

    def take_from(self, track: MediaStreamTrack) -> None:
        self._reading = asyncio.get_running_loop().create_task(self._read(track))

    def reading(self) -> "asyncio.Task[None]":
        """Return the task that ends when the other side hangs up."""
        if self._reading is None:
            raise RuntimeError("nothing has begun")
        return self._reading

    def end(self) -> None:
        """Take down nothing more."""
        if self._reading is not None:
            self._reading.cancel()

    def heard(self, *, cut: bool) -> Heard:
        """Return what was heard until now."""
        return Heard(
            samples=np.concatenate(self._pieces) if self._pieces else np.empty(0, dtype=np.float32),
            asked_at=self._asked_at,
            first_packet_at=self._first,
            last_packet_at=self._last,
            last_audible_at=self._audible,
            cut=cut,
        )

    async def _read(self, track: MediaStreamTrack) -> None:
        while True:
            try:
                frame = await track.recv()
            except MediaStreamError:
                self.over = True
                self.begun.set()
                return
            if isinstance(frame, AudioFrame):
                self._note(to_mono(frame))

    def _note(self, piece: Samples) -> None:
        now = time.time()
        self._pieces.append(piece)
        self._last = now
        if self._first is None:
            self._first = now
            self.begun.set()
        if dbfs(piece) > AUDIBLE_DBFS:
            self._audible = now


def to_mono(frame: AudioFrame) -> Samples:
    """Return what aiortc decoded (interleaved 16-bit, any channels) as mono, shape (frame.samples,)."""
    interleaved = frame.to_ndarray().reshape(frame.samples, -1)
    mono: Samples = interleaved.mean(axis=1, dtype=np.float32) / np.float32(32_768.0)
    return mono
