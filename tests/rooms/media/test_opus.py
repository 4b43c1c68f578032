import av
import numpy as np
import pytest
from av import AudioCodecContext, AudioFrame

from rooms.media.opus import HOUSE_BITRATE, TIME_BASE, Encoder, OpusPacket
from rooms.media.sound import FRAME_SAMPLES, Samples, silence


def speech(frames: int) -> Samples:
    """Return what libopus takes for a voice, shape (frames, 960): a buzz in syllables."""
    at = np.arange(frames * FRAME_SAMPLES) / 48_000
    buzz = np.sum([np.sin(2 * np.pi * 140 * n * at + n) / n for n in range(1, 30)], axis=0)
    sound: Samples = (0.1 * buzz * (0.5 + 0.5 * np.sin(2 * np.pi * 4 * at))).astype(np.float32)
    return sound.reshape(frames, FRAME_SAMPLES)


def encoded(frames: Samples) -> list[OpusPacket]:
    encoder = Encoder()
    return [encoder.encode(frame, pts=7_000 + at * 960) for at, frame in enumerate(frames)]


def has_fec(packet: OpusPacket) -> bool:
    """Return whether the packet carries the one before it again (RFC 6716 §4.2.4, LBRR)."""
    octets = bytes(packet)
    is_celt_alone = octets[0] & 0x80
    return not is_celt_alone and bool(octets[1] & 0x40)


def test_each_frame_is_one_packet_with_the_rooms_own_time() -> None:
    packets = encoded(speech(50))
    assert [packet.pts for packet in packets] == [7_000 + at * 960 for at in range(50)]
    assert {packet.time_base for packet in packets} == {TIME_BASE}


def test_speech_carries_forward_error_correction() -> None:
    assert sum(map(has_fec, encoded(speech(100)))) > 60


def test_a_voice_costs_what_was_said_it_would() -> None:
    octets = sum(len(bytes(packet)) for packet in encoded(speech(100)))
    assert 0.6 * HOUSE_BITRATE < octets * 8 / 2.0 < 1.1 * HOUSE_BITRATE  # variable by nature


def test_silence_is_sent_too_for_a_buffer_that_starves_keeps_the_last_word() -> None:
    packets = encoded(np.stack([silence()] * 50))
    assert len(packets) == 50
    assert all(len(bytes(packet)) > 2 for packet in packets)  # one or two octets would be DTX


def test_what_goes_in_comes_out() -> None:
    decoder = av.CodecContext.create("libopus", "r")
    assert isinstance(decoder, AudioCodecContext)
    tone = (0.3 * np.sin(2 * np.pi * 440 * np.arange(48_000) / 48_000)).astype(np.float32)
    decoded: list[AudioFrame] = [
        frame for packet in encoded(tone.reshape(-1, FRAME_SAMPLES)) for frame in decoder.decode(packet)
    ]
    out = np.concatenate([frame.to_ndarray().reshape(frame.samples, -1).mean(axis=1) for frame in decoded])
    power = np.abs(np.fft.rfft(out[4_800:43_200] * np.hanning(38_400)))
    assert np.argmax(power) * 48_000 / 38_400 == pytest.approx(440, abs=2)
