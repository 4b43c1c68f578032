"""What follows a packet that was late or lost is as loud as it was said."""

import numpy as np
import pytest

from rooms.media.opus import Encoder, is_celt
from rooms.media.rtp import Packet
from rooms.media.sound import FRAME_SAMPLES, FRAME_SECONDS, SAMPLE_RATE, Samples, dbfs
from rooms.media.voice import Voice

LATE = 60
HICCUP = 3  # ticks


def vowel(seconds: float) -> Samples:
    """Return something like a held vowel at 120 Hz."""
    at = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    partials = [0.25 / number * np.sin(2 * np.pi * 120 * number * at) for number in range(1, 12)]
    sound: Samples = np.sum(partials, axis=0).astype(np.float32)
    return sound


def heard(encoder: Encoder, *, late: int | None = None, lost: int | None = None) -> list[Samples | None]:
    """Return what each tick gives. Packet `late` and the two behind it come together, `lost` never comes."""
    voice = Voice()
    packets = [encoder.encode(frame) for frame in vowel(2.0).reshape(-1, FRAME_SAMPLES)]
    due: dict[int, list[int]] = {}
    for number in range(len(packets)):
        held_up = late is not None and late <= number < late + HICCUP
        due.setdefault(late + HICCUP if held_up and late is not None else number, []).append(number)
    frames = []
    for tick in range(len(packets)):
        for number in due.get(tick, []):
            if number == lost:
                continue
            packet = Packet(7, number, number * FRAME_SAMPLES, 96, packets[number], None)
            voice.put(packet, at=tick * FRAME_SECONDS)
        frames.append(voice.take(at=(tick + 0.3) * FRAME_SECONDS, quiet=False))
    return frames


def level(frame: Samples | None) -> float:
    return -100.0 if frame is None else dbfs(frame)


@pytest.mark.parametrize("expected_loss", [0, 10])
def test_what_follows_a_late_packet_is_as_loud_as_it_was_said(expected_loss: int) -> None:
    encoder = Encoder(bitrate=64_000, expected_loss=expected_loss)
    on_time = level(heard(encoder)[LATE])
    after = [level(frame) for frame in heard(encoder, late=LATE)[LATE + HICCUP + 2 : LATE + HICCUP + 10]]

    assert min(after) > on_time - 3.0


@pytest.mark.parametrize("expected_loss", [0, 10])
def test_what_follows_a_lost_packet_is_as_loud_as_it_was_said(expected_loss: int) -> None:
    encoder = Encoder(bitrate=64_000, expected_loss=expected_loss)
    on_time = level(heard(encoder)[LATE])
    after = [level(frame) for frame in heard(encoder, lost=LATE)[LATE + 3 : LATE + 12]]

    assert min(after) > on_time - 3.0


def test_browsers_kinds_of_packets_are_told_apart() -> None:
    frame = vowel(FRAME_SECONDS)

    assert is_celt(Encoder(bitrate=64_000, expected_loss=0).encode(frame))
    assert not is_celt(Encoder(bitrate=32_000, expected_loss=10).encode(frame))
    assert not is_celt(b"")
