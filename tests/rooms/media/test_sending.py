"""One room's packets, sent to sockets of this test and decrypted there by libsrtp's public functions."""

import ctypes
import errno
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pylibsrtp
import pytest
from aiortc.rtp import RtcpPacket, RtcpSrPacket, RtpPacket

from rooms.media import datagrams, pipe, srtp
from rooms.media.datagrams import CHUNK
from rooms.media.feed import Tick
from rooms.media.sending import NOTHING, REPORT_SECONDS, Press, Stream
from rooms.media.timeline import HELD_PACKETS, HIGH_PACKETS, Timeline

SSRC = 0x00C0FFEE
BEGAN = 50.0  # seconds on the clock of the tests
PUBLIC_PROFILES = {
    0x0007: pylibsrtp.Policy.SRTP_PROFILE_AEAD_AES_128_GCM,
    0x0001: pylibsrtp.Policy.SRTP_PROFILE_AES128_CM_SHA1_80,
}


@dataclass
class Far:
    """The far end of one listener: a socket and the keys."""

    add: pipe.Add
    socket: socket.socket
    keys: pylibsrtp.Session
    packets: list[RtpPacket] = field(default_factory=list)
    reports: list[RtcpSrPacket] = field(default_factory=list)
    others: list[bytes] = field(default_factory=list)

    def read(self) -> "Far":
        while True:
            try:
                datagram = self.socket.recv(2_048)
            except BlockingIOError:
                return self
            if not 128 <= datagram[0] <= 191:
                self.others.append(datagram)
            elif 200 <= datagram[1] <= 207:
                packets = RtcpPacket.parse(self.keys.unprotect_rtcp(datagram))
                self.reports += [one for one in packets if isinstance(one, RtcpSrPacket)]
            else:
                self.packets.append(RtpPacket.parse(self.keys.unprotect(datagram)))

    @property
    def heard(self) -> list[bytes]:
        return [packet.payload for packet in self.read().packets]


@dataclass
class Room:
    """A stream on a socket, and those who listen to it."""

    stream: Stream
    far: dict[str, Far] = field(default_factory=dict)

    def listen(self, seat: str, *, profile: int = 0x0007, payload_type: int = 111) -> Far:
        number = len(self.far) + 1
        profiles = srtp.BY_NUMBER[profile]
        secret = number.to_bytes(2, "big") * (profiles.secret_bytes // 2)
        ear = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        ear.setblocking(False)
        ear.bind(("127.0.0.1", 0))
        name = datagrams.pack_name(ear.getsockname(), socket.AF_INET)
        add = pipe.Add(number, 1, SSRC, payload_type, profile, secret, name, "room", seat, "cname")
        policy = pylibsrtp.Policy(
            key=secret, ssrc_type=pylibsrtp.Policy.SSRC_ANY_INBOUND, srtp_profile=PUBLIC_PROFILES[profile]
        )
        self.far[seat] = Far(add, ear, pylibsrtp.Session(policy))
        self.stream.add(add)
        return self.far[seat]

    def play(self, number: int, *, own: dict[str, bytes] | None = None, house: bytes = b"house") -> None:
        self.stream.play(Tick("room", 1, number, 1, house, own or {}), at=BEGAN + number * 0.02)


@pytest.fixture
def room(request: pytest.FixtureRequest) -> Iterator[Room]:
    out = datagrams.open_socket(bind="127.0.0.1", port=0)
    press = Press(out.fileno(), out.family)
    high = getattr(request, "param", False)
    here = Room(Stream(SSRC, "cname", press, Timeline(high=high), BEGAN))
    yield here
    out.close()
    for far in here.far.values():
        far.socket.close()


def test_each_gets_the_packet_under_keys_and_type_of_their_own(room: Room) -> None:
    ears = [
        room.listen("anna"),
        room.listen("ben", profile=0x0001),
        room.listen("clara", payload_type=96),
    ]
    for number in range(3):
        room.play(number)
    for far in ears:
        assert far.heard == [b"house"] * 3
        assert {(one.ssrc, one.payload_type) for one in far.packets} == {(SSRC, far.add.payload_type)}
    assert len({tuple(one.sequence_number for one in far.packets) for far in ears}) == 1
    assert room.stream.started == [1, 2, 3]


@pytest.mark.parametrize("listeners", [1, 3, CHUNK + 1])
def test_all_are_sent_to_and_one_who_leaves_is_not(room: Room, listeners: int) -> None:
    ears = [room.listen(f"seat {number}") for number in range(listeners)]
    room.play(0)
    room.stream.remove(ears[0].add.listener, b"\x15goodbye")
    room.play(1)
    assert [far.heard for far in ears] == [[b"house"]] + [[b"house"] * 2] * (listeners - 1)
    assert [far.others for far in ears] == [[b"\x15goodbye"]] + [[]] * (listeners - 1)
    assert room.stream.press.packets == 2 * listeners - 1


def test_a_seat_hears_its_own_mix_while_it_has_one_and_no_packet_is_missing(room: Room) -> None:
    anna, ben = room.listen("anna"), room.listen("ben")
    room.play(0)
    room.play(1, own={"anna": b"own"})
    twice = room.listen("anna again")
    room.play(2, own={"anna": b"own", "ben": b"his", "nobody": b"?"})
    room.play(3, own={"ben": b"his"})
    room.stream.remove(ben.add.listener, b"")
    room.play(4)
    assert anna.heard == [b"house", b"own", b"own", b"house", b"house"]
    assert ben.heard == [b"house", b"house", b"his", b"his"]
    assert twice.heard == [b"house"] * 3
    first = anna.packets[0].sequence_number
    assert [one.sequence_number - first for one in anna.packets] == [0, 1, 2, 3, 4]


def test_who_comes_while_the_seat_has_its_own_mix_hears_that(room: Room) -> None:
    room.play(0, own={"anna": b"own"})
    anna = room.listen("anna")
    room.play(1, own={"anna": b"own"})
    room.stream.fill(at=BEGAN + 1)
    assert anna.heard == [b"own", NOTHING]


def test_who_has_moved_is_sent_to_where_they_are(room: Room) -> None:
    anna, ben = room.listen("anna"), room.listen("ben")
    name = anna.add.name
    room.stream.move(anna.add.listener, ben.add.name)
    room.play(0)
    assert anna.heard == []
    room.stream.move(anna.add.listener, name)
    room.play(1, own={"anna": b"own"})
    ben.socket.close()
    assert anna.heard == [b"own"]


@pytest.mark.parametrize("room", [True], indirect=True)
def test_a_joiner_shortly_before_the_wrap_begins_behind_it(room: Room) -> None:
    first = room.listen("anna")
    held = HIGH_PACKETS - HELD_PACKETS
    for number in range(held):
        room.play(number)
    late = room.listen("ben")
    gone = room.listen("clara")
    room.stream.remove(gone.add.listener, b"")
    for number in range(held, HIGH_PACKETS + 3):
        room.play(number)
        first.read()
    assert [one.sequence_number for one in late.read().packets] == [1, 2]
    assert [one.sequence_number for one in first.packets][-4:] == [65_535, 0, 1, 2]
    assert room.stream.started == [1, 2]
    assert gone.heard == []


def test_everybody_gets_a_report_within_its_time_and_few_at_once(room: Room) -> None:
    ears = [room.listen(f"seat {number}") for number in range(40)]
    ears.append(room.listen("on stage"))
    most = 0
    for number in range(round(REPORT_SECONDS / 0.02) + 2):
        at = BEGAN + number * 0.02
        before = room.stream.press.control_packets
        room.play(number, own={"on stage": b"own"})
        room.stream.report(at=at, unix=1_000_000 + at - BEGAN)
        most = max(most, room.stream.press.control_packets - before)
        for far in ears:
            far.read()
    assert most <= 9
    assert {len(far.reports) for far in ears} == {1}
    report, packet = ears[0].reports[0], ears[0].packets[0]
    since = (report.sender_info.rtp_timestamp - packet.timestamp) % (1 << 32) / 48_000
    assert (report.sender_info.ntp_timestamp / (1 << 32) - 2_208_988_800 - 1_000_000) == pytest.approx(since)


def test_nothing_bare_is_sent_when_one_cannot_be_protected(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    ears = [room.listen(f"seat {number}") for number in range(5)]
    refused = {room.stream.members[far.add.listener].context for far in (ears[1], ears[2], ears[4])}
    library: Any = vars(srtp)["lib"]

    class Refusing:
        @staticmethod
        def srtp_protect(context: object, packet: object, length: object) -> int:
            return 1 if context in refused else int(library.srtp_protect(context, packet, length))

    monkeypatch.setattr(srtp, "lib", Refusing())
    room.play(0)
    monkeypatch.undo()
    assert [far.heard for far in ears] == [[b"house"], [], [], [b"house"], []]
    assert room.stream.broken == [2, 3, 5]
    assert room.stream.press.packets == 2


@pytest.mark.parametrize(("problem", "full", "failed"), [(errno.EAGAIN, 1, 0), (errno.EPERM, 0, 1)])
def test_a_packet_that_finds_no_room_is_counted_and_the_others_are_sent(
    room: Room, monkeypatch: pytest.MonkeyPatch, problem: int, full: int, failed: int
) -> None:
    ears = [room.listen(f"seat {number}") for number in range(4)]
    really = datagrams._sendmmsg
    calls = iter([1, -1, 2])  # one is sent, the second is refused, the others are sent

    def refusing(out: int, at: int, count: int, flags: int) -> int:
        wanted = next(calls)
        if wanted < 0:
            ctypes.set_errno(problem)
            return -1
        return int(really(out, at, wanted, flags))

    monkeypatch.setattr(datagrams, "_sendmmsg", refusing)
    room.play(0)
    monkeypatch.undo()
    room.play(1)
    assert [far.heard for far in ears] == [[b"house"] * 2, [b"house"], [b"house"] * 2, [b"house"] * 2]
    assert (room.stream.press.sheet.full, room.stream.press.sheet.failed) == (full, failed)


def test_a_key_of_a_wrong_length_is_refused(room: Room) -> None:
    with pytest.raises(srtp.Broken):
        srtp.open_sending(srtp.PROFILES[0], b"short", ssrc=SSRC)


@pytest.mark.parametrize("profile", srtp.PROFILES)
def test_a_report_is_read_with_its_index_and_nobody_elses_is(profile: srtp.Profile) -> None:
    secret = bytes(profile.secret_bytes)
    policy = pylibsrtp.Policy(
        key=secret,
        ssrc_type=pylibsrtp.Policy.SSRC_ANY_OUTBOUND,
        srtp_profile=PUBLIC_PROFILES[profile.number],
    )
    sender = pylibsrtp.Session(policy)
    said = b"\x80\xc9\x00\x01" + bytes(4)
    datagrams_said = [sender.protect_rtcp(said) for _ in range(3)]
    assert [srtp.rtcp_index(profile, one) for one in datagrams_said] == [1, 2, 3]
    assert {srtp.read_rtcp(profile, secret, one) for one in datagrams_said} == {said}
    assert srtp.read_rtcp(profile, b"\x01" * profile.secret_bytes, datagrams_said[0]) is None
    assert srtp.read_rtcp(profile, secret, datagrams_said[0][:-1]) is None
    assert srtp.rtcp_index(profile, said) is None
