"""Control packets, held against aiortc's reading of them."""

from aiortc.rtp import RtcpByePacket, RtcpPacket, RtcpReceiverInfo, RtcpRrPacket, RtcpSdesPacket, RtcpSrPacket
from hypothesis import given
from hypothesis import strategies as st

from rooms.media import rtcp

SSRC = 0x12345678


def report_block(ssrc: int, *, lost: int = 64, highest: int = 70_000, jitter: int = 480) -> RtcpReceiverInfo:
    return RtcpReceiverInfo(
        ssrc=ssrc,
        fraction_lost=lost,
        packets_lost=-3,
        highest_sequence=highest,
        jitter=jitter,
        lsr=0,
        dlsr=0,
    )


def test_a_sender_report_says_which_moment_is_which_and_whose_it_is() -> None:
    packet = rtcp.sender_report(
        ssrc=SSRC, cname="c" * 16, at=1_000.5, timestamp=(1 << 32) + 7, packets=3, octets=99
    )
    report, description = RtcpPacket.parse(packet)
    assert isinstance(report, RtcpSrPacket)
    assert isinstance(description, RtcpSdesPacket)
    assert report.sender_info.ntp_timestamp == (2_208_989_800 << 32) + (1 << 31)
    assert (report.ssrc, report.sender_info.rtp_timestamp) == (SSRC, 7)
    assert (report.sender_info.packet_count, report.sender_info.octet_count) == (3, 99)
    assert [(chunk.ssrc, chunk.items) for chunk in description.chunks] == [(SSRC, [(1, b"c" * 16)])]


@given(st.text("abcdef", min_size=1, max_size=40))
def test_a_goodbye_is_one_whatever_the_name(cname: str) -> None:
    report, description, goodbye = RtcpPacket.parse(rtcp.goodbye(ssrc=SSRC, cname=cname))
    assert isinstance(report, RtcpRrPacket)
    assert isinstance(description, RtcpSdesPacket)
    assert isinstance(goodbye, RtcpByePacket)
    assert goodbye.sources == [SSRC]


def test_a_report_on_our_stream_is_found_among_others() -> None:
    first = RtcpRrPacket(ssrc=1, reports=[report_block(9)])
    second = RtcpRrPacket(ssrc=1, reports=[report_block(8), report_block(SSRC)])
    assert rtcp.read_report(bytes(first) + bytes(second), ssrc=SSRC) == rtcp.Report(
        lost=0.25, highest=70_000, jitter=0.01
    )
    assert rtcp.read_report(bytes(first), ssrc=SSRC) is None


@given(st.binary(max_size=120), st.integers(0, 255))
def test_no_packet_makes_it_stumble(packet: bytes, kind: int) -> None:
    rtcp.read_report(packet, ssrc=SSRC)
    rtcp.read_report(b"\x9f" + bytes([kind]) + packet, ssrc=int.from_bytes(packet[6:10], "big"))


def test_a_speaker_says_when_it_sent_and_that_it_leaves() -> None:
    report = rtcp.sender_report(ssrc=7, cname="a", at=1_000.5, timestamp=1, packets=2, octets=3)
    left = rtcp.goodbye(ssrc=7, cname="a")
    middle = ((1_000 + 2_208_988_800) & 0xFFFF) << 16 | 0x8000
    assert rtcp.read_speaker(report, ssrc=7) == rtcp.Said(sent_at=middle)
    assert rtcp.read_speaker(report + left, ssrc=7) == rtcp.Said(sent_at=middle, left=True)
    assert rtcp.read_speaker(report + left, ssrc=8) == rtcp.Said()


@given(st.binary(max_size=200), st.sampled_from([200, 201, 203, 205]), st.integers(0, 31))
def test_whatever_a_speaker_sends_as_control_is_read_or_passed_over(
    body: bytes, kind: int, count: int
) -> None:
    head = bytes([128 | count, kind])
    for packet in (body, head + body, head + (len(body) // 4).to_bytes(2, "big") + body):
        said = rtcp.read_speaker(packet, ssrc=1)
        assert said.sent_at is None or said.sent_at < 1 << 32
