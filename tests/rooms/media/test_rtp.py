import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rooms.media import rtp

PLAIN = struct.pack("!BBHLL", 0x80, 111, 7, 960, 5)


def extended(profile: int, block: bytes, *, payload: bytes = b"opus") -> bytes:
    header = struct.pack("!BBHLL", 0x90, 111, 7, 960, 5)
    return header + struct.pack("!HH", profile, len(block) // 4) + block + payload


def test_a_plain_packet_is_read() -> None:
    assert rtp.parse(PLAIN + b"opus", level_id=1) == rtp.Packet(5, 7, 960, 111, b"opus", None)


@pytest.mark.parametrize(
    ("profile", "block"),
    [
        (0xBEDE, bytes([0x10, 0x80 | 30, 0, 0])),
        (0xBEDE, bytes([0, 0x21, 1, 2, 0x10, 30, 0, 0])),
        (0x1000, bytes([2, 1, 9, 1, 1, 0x80 | 30, 0, 0])),
    ],
    ids=["voice", "after another, with padding", "two-byte"],
)
def test_the_level_is_found_among_the_extensions(profile: int, block: bytes) -> None:
    assert rtp.parse(extended(profile, block), level_id=1) == rtp.Packet(5, 7, 960, 111, b"opus", -30)


@pytest.mark.parametrize(
    ("profile", "block"),
    [
        (0xBEDE, bytes([0x20, 30, 0, 0])),
        (0xBEDE, bytes([0xF0, 0x10, 30, 0])),
        (0x4242, bytes([0x10, 30, 0, 0])),
        (0x1000, bytes([0, 0, 1, 0])),
    ],
)
def test_where_no_level_is_told_there_is_none(profile: int, block: bytes) -> None:
    assert rtp.parse(extended(profile, block), level_id=1) == rtp.Packet(5, 7, 960, 111, b"opus", None)


def test_sources_and_padding_are_left_out_of_the_payload() -> None:
    data = struct.pack("!BBHLLL", 0xA1, 111, 7, 960, 5, 99) + b"opus" + bytes([0, 2])
    assert rtp.parse(data, level_id=None) == rtp.Packet(5, 7, 960, 111, b"opus", None)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        PLAIN[:11],
        b"\x40" + PLAIN[1:],
        b"\xa0" + PLAIN[1:] + b"\xff",
        b"\x90" + PLAIN[1:],
        b"\x9f" + PLAIN[1:],
    ],
)
def test_what_is_cut_short_or_says_nonsense_is_no_packet(data: bytes) -> None:
    assert rtp.parse(data, level_id=1) is None


@given(data=st.binary(max_size=80), level_id=st.one_of(st.none(), st.integers(1, 14)))
def test_whatever_comes_is_read_or_left(data: bytes, level_id: int | None) -> None:
    packet = rtp.parse(bytes([0x80 | data[0] & 63, *data[1:]]) if data else data, level_id=level_id)
    if packet is not None:
        assert packet.level is None or -127 <= packet.level <= 0


@pytest.mark.parametrize(
    ("first", "second", "is_rtp"),
    [
        (128, 111, True),
        (191, 111 | 128, True),
        (128, 200, False),
        (129, 201, False),
        (0, 1, False),
        (22, 254, False),
    ],
)
def test_rtp_is_told_from_what_shares_its_port(first: int, second: int, *, is_rtp: bool) -> None:
    assert rtp.is_rtp(bytes([first, second, 0, 0])) == is_rtp


def received(*sequences: int, late: dict[int, float] | None = None) -> rtp.Reception:
    """Return the statistics of packets sent every 20 ms from sequence 65,530 on."""
    reception = rtp.Reception()
    for sequence in sequences:
        ago = (sequence - 65_530) % 65_536
        packet = rtp.Packet(5, sequence % 65_536, ago * 960, 111, b"", None)
        reception.note(packet, at=ago * 0.020 + (late or {}).get(sequence, 0.0))
    return reception


def test_nothing_is_lost_over_the_wrap_and_the_cycles_are_counted() -> None:
    report = received(*range(65_530, 65_546)).report()
    assert report == rtp.Report(fraction_lost=0, packets_lost=0, highest_sequence=65_545, jitter=0)


def test_what_is_lost_is_told_as_of_the_last_report_and_in_all() -> None:
    reception = received(65_530, 65_531, 65_533, 65_534)
    first = reception.report()
    for ago in (5, 6, 7, 8):
        reception.note(rtp.Packet(5, (65_530 + ago) % 65_536, ago * 960, 111, b"", None), at=ago * 0.020)
    second = reception.report()
    assert (first.fraction_lost, first.packets_lost) == (256 // 5, 1)
    assert (second.fraction_lost, second.packets_lost) == (0, 1)


def test_one_that_comes_late_is_not_lost() -> None:
    assert received(65_530, 65_532, 65_531, 65_533).report().packets_lost == 0


def test_jitter_is_what_the_standard_says() -> None:
    uneven = received(65_530, 65_531, late={65_531: 0.016})
    assert uneven.report().jitter == 768 // 16


def test_before_anything_has_come_there_is_nothing_to_tell() -> None:
    assert rtp.Reception().report() == rtp.Report(0, 0, 0, 0)
