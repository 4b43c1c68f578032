"""RTP as it comes in (RFC 3550): one packet read, and what a receiver reports of many."""

from struct import Struct
from typing import Final, NamedTuple

from rooms.media.sound import SAMPLE_RATE

AUDIO_LEVEL: Final = "urn:ietf:params:rtp-hdrext:ssrc-audio-level"  # RFC 6464
_HEADER: Final = Struct("!BBHLL")
_PROFILE: Final = Struct("!HH")
_ONE_BYTE: Final = 0xBEDE  # RFC 8285 §4.2
_TWO_BYTE: Final = 0x1000  # §4.3, its last four bits being of no meaning here
_END: Final = 15  # a one-byte id at which reading stops


class Packet(NamedTuple):
    """What one packet says. `level` is in dBov (0 down to -127, RFC 6464), None where it is not told."""

    source: int
    sequence: int
    timestamp: int
    payload_type: int
    payload: bytes
    level: int | None


def is_rtp(datagram: bytes) -> bool:
    """Return whether a datagram is RTP, and neither RTCP nor STUN nor DTLS (RFC 7983, RFC 5761 §4)."""
    return len(datagram) > 1 and 128 <= datagram[0] < 192 and not 64 <= datagram[1] & 127 < 96


def parse(data: bytes, *, level_id: int | None) -> Packet | None:
    """Return the packet in `data`, decrypted; None for what is none. `level_id` is RFC 6464's extmap id."""
    if len(data) < _HEADER.size:
        return None
    first, second, sequence, timestamp, source = _HEADER.unpack_from(data)
    at = _HEADER.size + 4 * (first & 15)
    end = len(data) - (data[-1] if first & 32 else 0)
    level = None
    if first & 16:
        if len(data) < at + _PROFILE.size:
            return None
        profile, words = _PROFILE.unpack_from(data, at)
        extensions = data[at + _PROFILE.size : at + _PROFILE.size + 4 * words]
        at += _PROFILE.size + 4 * words
        if level_id is not None:
            level = _level(profile, extensions, level_id)
    if first >> 6 != 2 or at > end:
        return None
    return Packet(source, sequence, timestamp, second & 127, data[at:end], level)


def _level(profile: int, extensions: bytes, level_id: int) -> int | None:
    """Return RFC 6464's level out of a block of header extensions, None if it is not in there."""
    one_byte = profile == _ONE_BYTE
    if not one_byte and profile & 0xFFF0 != _TWO_BYTE:
        return None
    at = 0
    while at + 1 < len(extensions):
        first = extensions[at]
        if first == 0:  # padding
            at += 1
            continue
        number, length, start = (
            (first >> 4, (first & 15) + 1, at + 1) if one_byte else (first, extensions[at + 1], at + 2)
        )
        if one_byte and number == _END:
            return None
        if number == level_id and length and start < len(extensions):
            return -(extensions[start] & 127)
        at = start + length
    return None


class Report(NamedTuple):
    """A reception report block's numbers (RFC 3550 §6.4.1): what they mean and their units stand there."""

    fraction_lost: int
    packets_lost: int
    highest_sequence: int
    jitter: int


class Reception:
    """Counts the packets of one source, as RFC 3550, appendix A.3 and A.8, has it."""

    def __init__(self) -> None:
        self.received = 0
        self._first: int | None = None
        self._highest = 0  # with the cycles above its 16 bits
        self._jitter = 0.0
        self._transit: float | None = None
        self._expected_before = 0
        self._received_before = 0

    def note(self, packet: Packet, *, at: float) -> None:
        """Count a packet that came at `at`, in seconds of any clock."""
        self.received += 1
        if self._first is None:
            self._first = self._highest = packet.sequence
        ahead = (packet.sequence - self._highest + 0x8000 & 0xFFFF) - 0x8000
        self._highest = max(self._highest, self._highest + ahead)
        transit = at * SAMPLE_RATE - packet.timestamp
        if self._transit is not None:
            moved = abs(transit - self._transit)
            if moved < SAMPLE_RATE:  # from two timestamps on both sides of the wrap nothing can be learnt
                self._jitter += (moved - self._jitter) / 16
        self._transit = transit

    @property
    def expected(self) -> int:
        """How many packets the source has sent, as far as we know."""
        return 0 if self._first is None else self._highest - self._first + 1

    @property
    def lost(self) -> int:
        """How many of them are missing; below zero when some came twice."""
        return self.expected - self.received

    def report(self) -> Report:
        """Return what is to be told now. Its fraction is of the time since the last call."""
        expected = self.expected - self._expected_before
        lost = expected - (self.received - self._received_before)
        self._expected_before, self._received_before = self.expected, self.received
        return Report(
            fraction_lost=min(lost * 256 // expected, 255) if expected and lost > 0 else 0,
            packets_lost=max(-(1 << 23), min(self.lost, (1 << 23) - 1)),
            highest_sequence=self._highest & 0xFFFFFFFF,
            jitter=int(self._jitter),
        )
