"""What a mixer tells every edge of a room, one datagram for each packet of sound."""

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

MOST_BYTES: Final = 65_536
_HEAD: Final = struct.Struct("!BBQQBHB")  # version, name's length, source, number, frames, house, own mixes
_OWN: Final = struct.Struct("!BH")  # seat's length, packet's length
_VERSION: Final = 1


class BadTick(Exception):
    """The datagram is not one a mixer of this version sends."""


@dataclass(frozen=True)
class Tick:
    """One Opus packet for everybody in a room, and the packets of those who hear something else.

    `source` is random and changes when another mixer takes the room; `number` counts the 20 ms since that
    source began, and a jump in it is a hole in time. `frames` says how many times 20 ms the packets last.
    """

    room: str
    source: int  # 0 … 2**64 - 1
    number: int  # 0 … 2**64 - 1
    frames: int  # 1, 2 or 3
    house: bytes
    own: Mapping[str, bytes] = field(default_factory=dict)  # seat -> the mix without themselves


def pack(tick: Tick) -> bytes:
    """Return the datagram for `tick`."""
    room = tick.room.encode()
    parts = [
        _HEAD.pack(
            _VERSION, len(room), tick.source, tick.number, tick.frames, len(tick.house), len(tick.own)
        ),
        room,
        tick.house,
    ]
    for seat, packet in tick.own.items():
        name = seat.encode()
        parts += [_OWN.pack(len(name), len(packet)), name, packet]
    return b"".join(parts)


def unpack(datagram: bytes) -> Tick:
    """Return the tick that `datagram` holds. Raises BadTick."""
    try:
        version, named, source, number, frames, length, owns = _HEAD.unpack_from(datagram)
        if version != _VERSION:
            raise BadTick("The datagram is of another version.")
        at = _HEAD.size
        room, at = datagram[at : at + named].decode(), at + named
        house, at = datagram[at : at + length], at + length
        own = {}
        for _ in range(owns):
            named, length = _OWN.unpack_from(datagram, at)
            at += _OWN.size
            seat, at = datagram[at : at + named].decode(), at + named
            own[seat], at = datagram[at : at + length], at + length
    except (struct.error, UnicodeDecodeError) as wrong:
        raise BadTick("The datagram is cut short or no tick at all.") from wrong
    if at != len(datagram):
        raise BadTick("The datagram is longer or shorter than it says.")
    return Tick(room=room, source=source, number=number, frames=frames, house=house, own=own)
