"""What the siege throws and how it listens."""

import socket

import pytest

from benchmarks import besieger, siege
from benchmarks.siege import LONGEST_GAP_MS, TONES
from rooms.media.opus import Encoder
from rooms.media.sound import FRAME_SAMPLES, FRAME_SECONDS, Samples
from tests.rooms.media.ground import sine


def test_it_throws_the_same_datagrams_again_and_all_lengths_from_zero() -> None:
    thrown = [[one.datagram() for _ in range(3_000)] for one in (besieger.Besieger(7), besieger.Besieger(7))]
    lengths = {len(datagram) for datagram in thrown[0]}
    assert [len(one) for one in thrown[0]] == [len(one) for one in thrown[1]]
    assert set(range(40)) <= lengths
    assert max(lengths) > 1_500
    assert {datagram[0] >> 6 for datagram in thrown[0] if datagram} == {0, 1, 2, 3}


def test_a_datagram_may_pretend_to_come_from_any_port() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ours:
        ours.bind((besieger.LOOPBACK, 0))
        ours.settimeout(5)
        packet = besieger.udp(b"hello", source=4_242, target=ours.getsockname()[1])
        try:
            raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
        except PermissionError:
            assert packet[-5:] == b"hello"  # as much as a machine shows that lets us do no more
            return
        with raw:
            raw.sendto(packet, (besieger.LOOPBACK, 0))
        assert ours.recvfrom(100) == (b"hello", (besieger.LOOPBACK, 4_242))


def test_it_finds_the_ports_on_which_a_process_hears() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ours:
        ours.bind((besieger.LOOPBACK, 0))
        assert ours.getsockname()[1] in siege.udp_ports("self")


@pytest.mark.parametrize(("lost", "hushed"), [(0, 0), (5, 0), (0, 7)])
def test_a_gap_is_heard_whether_packets_are_missing_or_one_voice_in_them(lost: int, hushed: int) -> None:
    """Packets 100 to 105 never came; from 200 on one of the tones was not in the mix."""
    encoder, packets = Encoder(bitrate=64_000), []
    for number in range(300):
        voices = [hz for hz in TONES if not (hz == TONES[1] and 200 <= number < 200 + hushed)]
        parts = [sine(hz, seconds=FRAME_SECONDS, loudness=0.2, start=number * FRAME_SAMPLES) for hz in voices]
        frame: Samples = sum(parts[1:], parts[0])
        packets.append((number * FRAME_SAMPLES, encoder.encode(frame)))
    packets = packets[:100] + packets[100 + lost :]
    heard_ms = siege.longest_tone_gap(packets) * 1_000
    assert heard_ms == pytest.approx(max(lost, hushed) * 20, abs=20)
    assert (heard_ms <= LONGEST_GAP_MS) == (max(lost, hushed) < 4)
