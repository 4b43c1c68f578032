import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rooms.media import opus
from rooms.media.opus import SPEECH_BITRATE, TIME_BASE, Decoder, Encoder, NotOpus, packet
from rooms.media.sound import FRAME_SAMPLES, Samples, silence


def speech(frames: int, *, length: int = FRAME_SAMPLES) -> Samples:
    """Return what libopus takes for a voice, shape (frames, length): a buzz in syllables."""
    at = np.arange(frames * length) / 48_000
    buzz = np.sum([np.sin(2 * np.pi * 140 * n * at + n) / n for n in range(1, 30)], axis=0)
    sound: Samples = (0.1 * buzz * (0.5 + 0.5 * np.sin(2 * np.pi * 4 * at))).astype(np.float32)
    return sound.reshape(frames, length)


def encoded(frames: Samples, encoder: Encoder | None = None) -> list[bytes]:
    encoder = encoder or Encoder()
    return [encoder.encode(frame) for frame in frames]


def decoded(packets: list[bytes]) -> Samples:
    decoder = Decoder()
    return np.concatenate([decoder.decode(one) for one in packets])


def after_a_loss(packets: list[bytes], *, length: int, lost: int, recover: bool) -> tuple[Samples, Samples]:
    """Return the lost packet as it is filled in, and as it was."""
    decoder = Decoder()
    whole = decoded(packets[: lost + 1])[-length:]
    for one in packets[:lost]:
        decoder.decode(one)
    filled = decoder.recover(packets[lost + 1], length) if recover else decoder.conceal(length)
    return filled, whole


@pytest.mark.parametrize("effort", [5, 10])
@pytest.mark.parametrize("frames", [1, 2, 3])
def test_a_lost_packet_is_recovered_from_the_next_far_better_than_it_is_guessed(
    frames: int, effort: int
) -> None:
    length = frames * FRAME_SAMPLES
    packets = encoded(speech(60, length=length), Encoder(frames=frames, effort=effort))
    wrong = {True: 0.0, False: 0.0}
    for lost, recover in itertools.product(range(20, 58, 3), wrong):
        filled, whole = after_a_loss(packets, length=length, lost=lost, recover=recover)
        wrong[recover] += float(np.sum((filled - whole) ** 2))
    assert wrong[True] < wrong[False] / 3


def test_speech_carries_forward_error_correction() -> None:
    assert sum(map(opus.has_fec, encoded(speech(100)))) > 60


def test_music_has_no_speech_codec_in_it() -> None:
    packets = encoded(speech(50), Encoder(music=True))
    configurations = {one[0] >> 3 for one in packets}
    assert not any(map(opus.has_fec, packets))
    assert configurations <= set(range(16, 32))  # CELT alone (RFC 6716 §3.1)


def test_a_voice_costs_what_was_said_it_would() -> None:
    octets = sum(map(len, encoded(speech(100))))
    assert 0.6 * SPEECH_BITRATE < octets * 8 / 2.0 < 1.1 * SPEECH_BITRATE  # variable by nature


def test_silence_is_sent_too_for_a_buffer_that_starves_keeps_the_last_word() -> None:
    packets = encoded(np.stack([silence()] * 50))
    assert all(len(one) > 2 for one in packets)  # one or two octets would be DTX


@pytest.mark.parametrize("frames", [1, 2, 3])
@pytest.mark.parametrize("music", [False, True])
def test_what_goes_in_comes_out(frames: int, *, music: bool) -> None:
    tone = (0.3 * np.sin(2 * np.pi * 440 * np.arange(48_960) / 48_000)).astype(np.float32)
    length = frames * FRAME_SAMPLES
    pieces = tone[: tone.size - tone.size % length].reshape(-1, length)
    packets = encoded(pieces, Encoder(frames=frames, music=music))
    out = decoded(packets)
    power = np.abs(np.fft.rfft(out[4_800:43_200] * np.hanning(38_400)))
    assert {opus.duration(one) for one in packets} == {length}
    assert out.size == pieces.size
    assert np.argmax(power) * 48_000 / 38_400 == pytest.approx(440, abs=2)


def test_an_expected_loss_can_be_told_on_the_way() -> None:
    encoder = Encoder(bitrate=24_000, expected_loss=0)
    without = encoded(speech(50), encoder)
    encoder.expect(loss=20)
    assert not any(map(opus.has_fec, without))
    assert sum(map(opus.has_fec, encoded(speech(50), encoder))) > 30


def test_concealment_fades_away() -> None:
    decoder = Decoder()
    for one in encoded(speech(40)):
        decoder.decode(one)
    guessed = [float(np.abs(decoder.conceal()).max()) for _ in range(30)]
    assert guessed[0] > 0.02
    assert guessed[-1] < 0.005


def test_after_a_reset_nothing_of_the_old_stream_sounds() -> None:
    decoder = Decoder()
    for one in encoded(speech(40)):
        decoder.decode(one)
    decoder.reset()
    assert float(np.abs(decoder.conceal()).max()) < 1e-6


@pytest.mark.parametrize("payload", [b"", b"\x03", b"\x7b\x07", bytes(2_000)])
def test_what_is_no_packet_is_refused(payload: bytes) -> None:
    with pytest.raises(NotOpus):
        Decoder().decode(payload)


@pytest.mark.parametrize(
    ("payload", "milliseconds"),
    [
        (b"", 0),
        (bytes([0 << 3]), 10),
        (bytes([3 << 3]), 60),
        (bytes([15 << 3]), 20),
        (bytes([(15 << 3) | 1]), 40),
        (bytes([(15 << 3) | 3, 3]), 60),
        (bytes([(15 << 3) | 3, 0x80 | 6]), 120),
        (bytes([(15 << 3) | 3, 7]), 0),
        (bytes([(15 << 3) | 3]), 0),
        (bytes([16 << 3]), 2.5),
    ],
)
def test_the_first_octets_tell_how_long_a_packet_is(payload: bytes, milliseconds: float) -> None:
    assert opus.duration(payload) == milliseconds * 48


@given(payloads=st.lists(st.binary(max_size=200), max_size=8))
def test_whatever_comes_is_sound_within_bounds_or_is_refused(payloads: list[bytes]) -> None:
    decoder = Decoder()
    for payload in payloads:
        try:
            sound = decoder.decode(payload)
        except NotOpus:
            continue
        assert sound.size == opus.duration(payload)
        assert np.isfinite(sound).all()


def test_a_packet_for_a_track_has_the_rooms_own_time() -> None:
    (payload,) = encoded(speech(1))
    made = packet(payload, pts=7_000)
    assert (bytes(made), made.pts, made.time_base) == (payload, 7_000, TIME_BASE)
