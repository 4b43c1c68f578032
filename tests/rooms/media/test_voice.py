"""Packets of a real codec through the buffer, on a virtual clock: what is heard of them."""

from collections.abc import Iterable

import numpy as np
import pytest

from rooms.media.opus import Encoder
from rooms.media.rtp import Packet
from rooms.media.sound import FRAME_SAMPLES, Samples
from rooms.media.voice import Voice
from tests.rooms.media.ground import sine
from tests.rooms.media.test_opus import speech


def packets(sound: Samples, encoder: Encoder, *, source: int = 5) -> list[Packet]:
    """Return the packets of `sound`, shape (packets, samples of each)."""
    length = sound.shape[1]
    return [
        Packet(source, 65_530 + number & 0xFFFF, number * length, 111, encoder.encode(part), None)
        for number, part in enumerate(sound)
    ]


def tone(count: int, hz: float = 400.0) -> Samples:
    return sine(hz, seconds=count * 0.020).reshape(count, FRAME_SAMPLES)


def heard(
    sent: Iterable[Packet], voice: Voice, *, start: int = 0, undecoded: range = range(0), quiet: bool = False
) -> list[Samples | None]:
    """Return what each tick hears, when one packet comes before each tick, and ten ticks more."""
    frames = []
    coming = list(sent)
    for tick in range(start, start + len(coming) + 10):
        if tick - start < len(coming):
            voice.put(coming[tick - start], at=tick * 0.020)
        at = tick * 0.020 + 0.005
        frames.append(voice.take(at=at, quiet=quiet, decode=tick not in undecoded))
    return frames


def roughness(frames: list[Samples | None]) -> float:
    """Return the largest step from one sample to the next, silence included."""
    silent = np.zeros(FRAME_SAMPLES, dtype=np.float32)
    return float(np.abs(np.diff(np.concatenate([silent if one is None else one for one in frames]))).max())


SMOOTH = 0.3 * 2 * np.pi * 400 / 48_000 * 1.3  # a tone of 400 Hz is no steeper than that


def test_a_tone_goes_through_whole_and_ends_softly() -> None:
    frames = heard(packets(tone(100), Encoder(music=True)), Voice())
    sound = [one for one in frames if one is not None]
    assert all(one.shape == (FRAME_SAMPLES,) for one in sound)
    assert 100 <= len(sound) <= 109
    assert roughness(frames) < SMOOTH
    assert frames[-1] is None


@pytest.mark.parametrize("frames", [1, 2, 3])
def test_longer_packets_are_played_in_frames(frames: int) -> None:
    voice, length = Voice(), frames * FRAME_SAMPLES
    sent = packets(tone(120).reshape(-1, length), Encoder(frames=frames, music=True))
    got = 0
    for tick in range(150):
        if tick % frames == 0 and tick // frames < len(sent):
            voice.put(sent[tick // frames], at=tick * 0.020)
        frame = voice.take(at=tick * 0.020 + 0.005, quiet=False)
        if frame is not None:
            assert frame.shape == (FRAME_SAMPLES,)
            got += float(np.abs(frame).max()) > 0.25
    assert got >= 118


def test_a_frame_that_is_let_go_in_the_midst_of_a_tone_leaves_no_seam() -> None:
    """Five packets come at once, so that for some seconds there is too much: it is joined where it fits."""
    voice = Voice()
    frames: list[Samples | None] = []
    sent = packets(tone(600), Encoder(music=True))
    for packet in sent[:5]:
        voice.put(packet, at=0.0)
    for tick, packet in enumerate(sent[5:]):
        voice.put(packet, at=tick * 0.020)
        frames.append(voice.take(at=tick * 0.020 + 0.005, quiet=False))
    loud = [float(np.abs(one).max()) for one in frames[5:] if one is not None]
    assert voice.buffer.waiting_samples < 48 * 50
    assert roughness(frames) < SMOOTH
    assert min(loud) > 0.2


def test_of_a_lost_packet_nearly_everything_is_recovered() -> None:
    sent = packets(speech(200), Encoder(bitrate=64_000))
    whole = heard(sent, voice := Voice())
    lossy = [packet for number, packet in enumerate(sent) if number % 20 != 15]
    frames = heard_with_holes(sent, lossy, voice := Voice())
    assert voice.buffer.lost == 10
    assert voice.buffer.recovered >= 8
    assert len([one for one in frames if one is None]) <= len([one for one in whole if one is None]) + 3


def heard_with_holes(sent: list[Packet], come: list[Packet], voice: Voice) -> list[Samples | None]:
    arrived = {packet.sequence for packet in come}
    frames = []
    for tick in range(len(sent) + 10):
        if tick < len(sent) and sent[tick].sequence in arrived:
            voice.put(sent[tick], at=tick * 0.020)
        frames.append(voice.take(at=tick * 0.020 + 0.005, quiet=False))
    return frames


def test_when_nothing_comes_any_more_it_fades_within_two_tenths_of_a_second() -> None:
    frames = heard(packets(tone(50), Encoder(music=True)), Voice())
    ended = max(number for number, one in enumerate(frames) if one is not None)
    assert ended < 50 + 10
    assert frames[ended] is not None
    assert roughness(frames[40:]) < SMOOTH


def test_without_decoding_there_is_silence_and_then_the_voice_comes_back_without_a_click() -> None:
    frames = heard(packets(tone(200), Encoder(music=True)), Voice(), undecoded=range(100, 150))
    silent = [number for number, one in enumerate(frames[:200]) if one is None]
    assert silent == [*range(silent[0], 2), *range(101, 150)] or silent[-49:] == list(range(101, 150))
    assert roughness(frames) < SMOOTH


def test_what_waits_when_muted_is_not_heard() -> None:
    voice = Voice()
    for packet in packets(tone(3), Encoder(music=True)):
        voice.put(packet, at=0.0)
    voice.hush()
    assert [voice.take(at=0.1 + tick * 0.02, quiet=False) for tick in range(5)] == [None] * 5


def test_another_source_is_another_voice() -> None:
    voice = Voice()
    before = heard(packets(tone(50), Encoder(music=True)), voice)
    after = heard(packets(tone(50, hz=800.0), Encoder(music=True), source=6), voice, start=60)
    assert sum(one is not None for one in before) >= 48
    assert sum(one is not None for one in after) >= 48
    assert voice.buffer.late == 0


def test_packets_that_no_decoder_takes_are_concealed_and_break_nothing() -> None:
    sent = packets(tone(100), Encoder(music=True))
    broken = [
        packet._replace(payload=b"\x7c\xff\xff") if number % 10 == 5 else packet
        for number, packet in enumerate(sent)
    ]
    frames = heard(broken, Voice())
    assert sum(one is not None for one in frames) >= 98
