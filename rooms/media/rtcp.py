"""The few control packets of a room's sound, before they are protected (RFC 3550 §6). Pure functions."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

SAMPLE_RATE: Final = 48_000
_SENDER_REPORT: Final = 200
_RECEIVER_REPORT: Final = 201
_DESCRIPTION: Final = 202
_GOODBYE: Final = 203
_HEAD: Final = struct.Struct("!BBH")  # version, padding and count; type; length in words, less one
_REPORT: Final = struct.Struct("!BBHIIIIII")
_BLOCK: Final = struct.Struct("!IIIIII")
_CNAME: Final = 1
_1900: Final = 2_208_988_800  # seconds from NTP's beginning to Unix's
_MOST_PACKETS: Final = 16  # in one datagram that we look at


@dataclass(frozen=True, slots=True)
class Report:
    """What a listener says of the sound it gets."""

    lost: float  # share of the packets since its last report, 0 … 1
    highest: int  # the last sequence number it has, with its wraps, 32 bits
    jitter: float  # seconds


@dataclass(frozen=True, slots=True)
class Said:
    """What a speaker's control packets say of their stream."""

    sent_at: int | None = None  # the middle 32 bits of the last sender report's NTP time
    left: bool = False  # whether they said goodbye


def sender_report(*, ssrc: int, cname: str, at: float, timestamp: int, packets: int, octets: int) -> bytes:
    """Return a sender report with its CNAME. `at` is unix seconds, `timestamp` RTP's at that moment."""
    seconds = int(at)
    body = _REPORT.pack(
        0x80,
        _SENDER_REPORT,
        6,
        ssrc,
        seconds + _1900 & 0xFFFF_FFFF,
        int((at - seconds) * (1 << 32)) & 0xFFFF_FFFF,
        timestamp & 0xFFFF_FFFF,
        packets & 0xFFFF_FFFF,
        octets & 0xFFFF_FFFF,
    )
    return body + _description(ssrc, cname)


def goodbye(*, ssrc: int, cname: str) -> bytes:
    """Return the last control packet of a stream: an empty report, its CNAME, and BYE."""
    report = _HEAD.pack(0x80, _RECEIVER_REPORT, 1) + ssrc.to_bytes(4, "big")
    return report + _description(ssrc, cname) + _HEAD.pack(0x81, _GOODBYE, 1) + ssrc.to_bytes(4, "big")


def read_report(packet: bytes, *, ssrc: int) -> Report | None:
    """Return the report on the stream `ssrc` inside a compound packet in the clear, or None."""
    for kind, count, body in _parts(packet):
        skip = {_RECEIVER_REPORT: 8, _SENDER_REPORT: 28}.get(kind)
        if skip is not None:
            found = _block(body[skip:], count, ssrc)
            if found is not None:
                return found
    return None


def read_speaker(packet: bytes, *, ssrc: int) -> Said:
    """Return what a compound packet in the clear says of the stream `ssrc`. What is cut says nothing."""
    sent_at, left = None, False
    for kind, count, body in _parts(packet):
        if kind == _SENDER_REPORT and len(body) >= _REPORT.size and int.from_bytes(body[4:8], "big") == ssrc:
            sent_at = int.from_bytes(body[10:14], "big")
        elif kind == _GOODBYE:
            sources = {int.from_bytes(body[at : at + 4], "big") for at in range(4, len(body) - 3, 4)[:count]}
            left = left or ssrc in sources
    return Said(sent_at, left)


def _parts(packet: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Yield (type, count, the whole part) of each part that is there whole; what follows is not looked at."""
    at = 0
    for _ in range(_MOST_PACKETS):
        if at + 8 > len(packet):
            return
        first, kind, words = _HEAD.unpack_from(packet, at)
        end = at + 4 * (words + 1)
        if first >> 6 != 2 or end > len(packet):
            return
        yield kind, first & 31, packet[at:end]
        at = end


def _block(blocks: bytes, count: int, ssrc: int) -> Report | None:
    for at in range(0, min(count * 24, len(blocks) - 23), 24):
        about, losses, highest, jitter, _, _ = _BLOCK.unpack_from(blocks, at)
        if about == ssrc:
            return Report(lost=(losses >> 24) / 256, highest=highest, jitter=jitter / SAMPLE_RATE)
    return None


def _description(ssrc: int, cname: str) -> bytes:
    name = cname.encode("ascii")
    items = bytes([_CNAME, len(name)]) + name
    # At least one zero ends the list, and zeros fill the last word (RFC 3550 §6.5).
    items += b"\x00" * (4 - len(items) % 4)
    return _HEAD.pack(0x81, _DESCRIPTION, 1 + len(items) // 4) + ssrc.to_bytes(4, "big") + items
