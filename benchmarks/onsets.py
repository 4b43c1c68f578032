"""When a tone that was switched on somewhere arrives at a listener, packet by packet."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from aiortc import RTCRtpReceiver
from aiortc.jitterbuffer import JitterBuffer
from aiortc.rtp import RtpPacket

from rooms.media.opus import Decoder
from rooms.media.sound import FRAME_SAMPLES, SAMPLE_RATE, Samples

STOCK_CAPACITY: Final = 16  # packets: what aiortc's receiver has for sound
STOCK_PREFETCH: Final = 4
_LOUD: Final = 0.25  # of the tone's own loudness: above what a codec smears ahead of an onset
_HUSH_SECONDS: Final = 0.05  # of quiet before an onset
_SLACK_SECONDS: Final = 0.002  # by which two lines may tell the same moment differently


@dataclass(frozen=True)
class Packet:
    """One packet, as it came."""

    at: float  # loop time
    rtp: RtpPacket


@dataclass(frozen=True)
class Heard:
    """One onset at the far end. Times are loop times."""

    arrived_at: float  # of its first packet
    place: float  # seconds from that packet's first sample to the tone's
    timestamp: int  # RTP's, of that packet
    stock_at: float | None  # when aiortc's own buffer would have handed that packet on

    @property
    def heard_at(self) -> float:
        return self.arrived_at + self.place


class Arrivals:
    """Takes a receiver's packets before aiortc's jitter buffer does, and keeps them with their times."""

    def __init__(self, now: Callable[[], float]) -> None:
        self.packets: list[Packet] = []
        self._now = now

    def take_from(self, receiver: RTCRtpReceiver) -> None:
        """Have all packets of `receiver` come here and nowhere else."""
        receiver._handle_rtp_packet = self._take  # type: ignore[method-assign] # noqa: SLF001 -- no door for it

    async def _take(self, packet: RtpPacket, arrival_time_ms: int) -> None:  # noqa: ARG002 -- aiortc's own
        self.packets.append(Packet(self._now(), packet))

    def onsets(self, *, loudness: float) -> list[Heard]:
        """Return each moment at which a tone of this loudness begins after a quiet."""
        decoder = Decoder()
        stock = self._through_stock()
        found = []
        quiet_for = 0
        for one in self.packets:
            sound = decoder.decode(one.rtp.payload)
            first = first_loud(sound, loudness=loudness, quiet_for=quiet_for)
            if first is not None:
                found.append(
                    Heard(
                        arrived_at=one.at,
                        place=first / SAMPLE_RATE,
                        timestamp=one.rtp.timestamp,
                        stock_at=stock.get(one.rtp.timestamp),
                    )
                )
            loud = np.flatnonzero(np.abs(sound) > _LOUD * loudness)
            quiet_for = sound.size - 1 - int(loud[-1]) if loud.size else quiet_for + sound.size
        return found

    def numbers(self, sent_at: Mapping[int, float]) -> dict[int, int]:
        """Return the mixer's number for each RTP timestamp, told from when each packet left (`sent_at`)."""
        sent = sorted((at, number) for number, at in sent_at.items())
        times = np.array([at for at, _ in sent])
        guesses = []
        for one in self.packets:
            before = int(np.searchsorted(times, one.at + _SLACK_SECONDS)) - 1
            if before >= 0:
                guesses.append((one.rtp.timestamp - sent[before][1] * FRAME_SAMPLES) % (1 << 32))
        if not guesses:
            return {}
        ((base, _),) = Counter(guesses).most_common(1)
        stamps = (one.rtp.timestamp for one in self.packets)
        return {stamp: (stamp - base) % (1 << 32) // FRAME_SAMPLES for stamp in stamps}

    def _through_stock(self) -> dict[int, float]:
        """Return when aiortc's own buffer would have handed on the packet of each timestamp."""
        buffer = JitterBuffer(capacity=STOCK_CAPACITY, prefetch=STOCK_PREFETCH)
        released = {}
        for one in self.packets:
            one.rtp._data = one.rtp.payload  # type: ignore[attr-defined] # noqa: SLF001 -- as its receiver does
            _, frame = buffer.add(one.rtp)
            if frame is not None:
                released[frame.timestamp] = one.at
        return released


def first_loud(sound: Samples, *, loudness: float, quiet_for: int) -> int | None:
    """Return the first sample that is loud after a quiet, `quiet_for` samples of it before `sound` began."""
    loud = np.flatnonzero(np.abs(sound) > _LOUD * loudness)
    if not loud.size:
        return None
    before = np.concatenate(([-1 - quiet_for], loud[:-1]))
    after_quiet = np.flatnonzero(loud - before > _HUSH_SECONDS * SAMPLE_RATE)
    return int(loud[after_quiet[0]]) if after_quiet.size else None
