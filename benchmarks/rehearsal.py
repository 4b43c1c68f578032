"""A cell of the loss benchmark on a virtual clock: no sockets, no waiting, and the same marks every time.

Between the network and the listener stands only what makes a voice out of packets (rooms.media.voice), and
the house mix. What the clock, the loop and the connections do to it, the real trial shows.
"""

import heapq
from collections.abc import Iterator
from dataclasses import asdict
from typing import Final

from benchmarks.ears import Mix, Tape
from benchmarks.marks import LATEST, Listening
from benchmarks.relay import Luck
from benchmarks.speech import Script
from benchmarks.talker import Talk
from benchmarks.trial import Cell, harm_of, network
from rooms.media.levels import Meter
from rooms.media.rtp import Packet
from rooms.media.sound import FRAME_SAMPLES, FRAME_SECONDS, silence
from rooms.media.voice import Voice

PHASE: Final = 0.37  # of a tick, by which the speaker's clock stands apart from the house's
_LEAD: Final = 15  # ticks before the first packet
_SOURCE: Final = 0x51A6ED00
_SEQUENCE, _TIMESTAMP = 65_000, 0xFFFF_0000  # both wrap on the way


def rehearse(spoken: Script, cell: Cell, said: Talk) -> dict[str, object]:
    """Return the marks of the house's own way in."""
    luck, tape, mix = Luck(harm_of(cell)), Tape(), Mix()
    voice, meter = Voice(), Meter()
    coming = list(_packets(said, luck))
    heapq.heapify(coming)
    for number in range(_LEAD + len(said) + round(LATEST / FRAME_SECONDS)):
        now = number * FRAME_SECONDS
        while coming and coming[0][0] <= now:
            at, _, packet = heapq.heappop(coming)
            voice.put(packet, at=at)
        made_up = voice.buffer.concealed_samples
        frame = voice.take(at=now, quiet=meter.quiet)
        meter.hear(frame)
        tape.record(number, mix.through(silence() if frame is None else frame))
        if frame is not None and voice.buffer.concealed_samples == made_up:
            tape.is_real(number)
    recording = tape.recording(begun=_LEAD + PHASE, seconds=spoken.seconds + LATEST)
    marks = Listening(spoken, recording).marks()
    held = network(luck.told)
    added = None if marks.delay_end_ms is None else round(marks.delay_end_ms - held["held_p95_ms"], 1)
    return {
        "cell": asdict(cell),
        "network": held,
        "ticks_left_out": 0,
        "sent_late_ms": 0.0,
        "ours": {**asdict(marks), "added_ms": added},
    }


def _packets(said: Talk, luck: Luck) -> Iterator[tuple[float, int, Packet]]:
    """Yield when each packet comes, its number among those sent, and the packet."""
    sent = [(frame, payload) for frame, payload in enumerate(said) if payload is not None]
    for number, (frame, payload) in enumerate(sent):
        at = (_LEAD + PHASE + frame) * FRAME_SECONDS
        delay = luck.delay(at)
        if delay is not None:
            packet = Packet(
                source=_SOURCE,
                sequence=(_SEQUENCE + number) & 0xFFFF,
                timestamp=(_TIMESTAMP + frame * FRAME_SAMPLES) & 0xFFFF_FFFF,
                payload_type=96,
                payload=payload,
                level=None,
            )
            yield at + delay, number, packet
