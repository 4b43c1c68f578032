from itertools import pairwise

import numpy as np
import pytest
from aiortc.rtp import RtpPacket

from benchmarks.onsets import Arrivals, Packet
from rooms.media.opus import Encoder
from rooms.media.sound import FRAME_SAMPLES, SAMPLE_RATE

LOUDNESS = 0.5
LOOK_AHEAD = 0.0065  # of one Opus encoder


@pytest.fixture
def arrivals() -> Arrivals:
    """Two tones of 0.2 s, from 0.505 and 1.305 s on; each packet comes 3 ms after it was sent."""
    sound = np.zeros(2 * SAMPLE_RATE, dtype=np.float32)
    for second in (0.505, 1.305):
        at = round(second * SAMPLE_RATE)
        sound[at : at + 9_600] = LOUDNESS * np.sin(2 * np.pi * 1_000 * np.arange(9_600) / SAMPLE_RATE)
    encoder = Encoder(bitrate=64_000)
    arrivals = Arrivals(lambda: 0.0)
    for number, frame in enumerate(sound.reshape(-1, FRAME_SAMPLES)):
        rtp = RtpPacket(payload_type=96, sequence_number=number, timestamp=7_000 + number * FRAME_SAMPLES)
        rtp.payload = encoder.encode(frame)
        arrivals.packets.append(Packet(at=number * 0.02 + 0.003, rtp=rtp))
    return arrivals


def test_each_onset_is_found_where_it_is_heard(arrivals: Arrivals) -> None:
    found = [one.heard_at for one in arrivals.onsets(loudness=LOUDNESS)]

    assert found == pytest.approx([0.508 + LOOK_AHEAD, 1.308 + LOOK_AHEAD], abs=0.002)


def test_the_stock_buffer_adds_four_packets(arrivals: Arrivals) -> None:
    adds = [(one.stock_at or 0.0) - one.arrived_at for one in arrivals.onsets(loudness=LOUDNESS)]

    assert adds == pytest.approx([0.08, 0.08], abs=1e-6)


def test_packets_are_known_by_the_mixers_numbers(arrivals: Arrivals) -> None:
    numbers = arrivals.numbers({500 + number: number * 0.02 for number in range(100)})

    assert numbers[7_000] == 500
    assert {after - before for before, after in pairwise(numbers.values())} == {1}
