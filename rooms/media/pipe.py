"""What an edge and its sender tell each other, one message in each packet of a SEQPACKET pair of sockets."""

import dataclasses
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

MOST_BYTES: Final = 65_536
MOST_NUMBERS: Final = 8_000  # in one message
_FIGURES: Final = 11


class BadMessage(Exception):
    """The packet is none of ours."""


@dataclass(frozen=True, slots=True)
class Add:
    """Edge: send this room to one listener more."""

    listener: int
    room: int
    ssrc: int
    payload_type: int
    profile: int  # RFC 5764's number
    secret: bytes  # key and salt
    name: bytes  # a struct sockaddr
    room_name: str
    seat: str
    cname: str


@dataclass(frozen=True, slots=True)
class Move:
    """Edge: the listener is somewhere else now."""

    listener: int
    name: bytes


@dataclass(frozen=True, slots=True)
class Remove:
    """Edge: send nothing more than RTCP's goodbye and `last_words`, a DTLS record."""

    listener: int
    last_words: bytes


@dataclass(frozen=True, slots=True)
class Ping:
    """Edge: say so when all that was told before has been done."""

    token: int


@dataclass(frozen=True, slots=True)
class Pong:
    """Sender: all that was told before this Ping has been done."""

    token: int


@dataclass(frozen=True, slots=True)
class Ready:
    """Sender: mixes are taken at this abstract address."""

    feed_name: str


@dataclass(frozen=True, slots=True)
class Flowing:
    """Sender: these listeners have been sent their first packet."""

    listeners: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Lost:
    """Sender: these listeners' packets cannot be protected any more."""

    listeners: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Figures:
    """What the sender has done since it began, and what it weighs."""

    packets: int = 0
    control_packets: int = 0
    octets: int = 0
    full: int = 0  # packets left out because the socket had no room (EAGAIN)
    failed: int = 0  # packets that the kernel refused
    late_5ms: int = 0  # ticks sent out later than this after the quickest
    late_20ms: int = 0
    late_40ms: int = 0
    unread: int = 0  # datagrams of a mixer that were no tick, or of no room here
    cpu_ms: int = 0
    rss_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Beat:
    """Sender, once a second: its figures, and the rooms whose mix has come since the last beat."""

    figures: Figures
    fed: tuple[int, ...]


Message: TypeAlias = Add | Move | Remove | Ping | Pong | Ready | Flowing | Lost | Beat


def pack(message: Message) -> bytes:
    """Return the packet for `message`."""
    match message:
        case Add():
            packed = b"A" + _add(message)
        case Move():
            packed = b"M" + _NUMBER.pack(message.listener) + _parts(message.name)
        case Remove():
            packed = b"R" + _NUMBER.pack(message.listener) + _parts(message.last_words)
        case Ping() | Pong():
            packed = (b"P" if isinstance(message, Ping) else b"p") + _NUMBER.pack(message.token)
        case Ready():
            packed = b"r" + _parts(message.feed_name.encode())
        case Flowing() | Lost():
            packed = (b"f" if isinstance(message, Flowing) else b"l") + _numbers(message.listeners)
        case Beat():
            packed = b"b" + _BEAT.pack(*dataclasses.astuple(message.figures)) + _numbers(message.fed)
    return packed


def unpack(packet: bytes) -> Message:
    """Return the message in `packet`. Raises BadMessage."""
    read = _READERS.get(packet[:1])
    if read is None:
        raise BadMessage("The packet is of no known kind.")
    try:
        return read(packet)
    except (struct.error, UnicodeDecodeError, ValueError) as wrong:
        raise BadMessage("The packet is cut short, or longer than it says.") from wrong


_ADD: Final = struct.Struct("!IIIBH")
_NUMBER: Final = struct.Struct("!I")
_LENGTH: Final = struct.Struct("!H")
_BEAT: Final = struct.Struct(f"!{_FIGURES}Q")


def _parts(*parts: bytes) -> bytes:
    return b"".join(_LENGTH.pack(len(part)) + part for part in parts)


def _read_parts(packet: bytes, at: int, count: int) -> list[bytes]:
    parts = []
    for _ in range(count):
        (length,) = _LENGTH.unpack_from(packet, at)
        at += _LENGTH.size
        parts.append(packet[at : at + length])
        at += length
    if at != len(packet):
        raise BadMessage("The packet is cut short, or longer than it says.")
    return parts


def _add(add: Add) -> bytes:
    head = _ADD.pack(add.listener, add.room, add.ssrc, add.payload_type, add.profile)
    names = (add.room_name.encode(), add.seat.encode(), add.cname.encode())
    return head + _parts(add.secret, add.name, *names)


def _numbers(numbers: Sequence[int]) -> bytes:
    return struct.pack(f"!{len(numbers)}I", *numbers)


def _read_numbers(packet: bytes, at: int) -> tuple[int, ...]:
    count, rest = divmod(len(packet) - at, 4)
    if rest:
        raise BadMessage("The packet is cut short.")
    return struct.unpack_from(f"!{count}I", packet, at)


def _number(packet: bytes) -> int:
    if len(packet) != 5:
        raise BadMessage("The packet is cut short, or longer than it says.")
    return int.from_bytes(packet[1:], "big")


def _read_add(packet: bytes) -> Add:
    secret, name, room_name, seat, cname = _read_parts(packet, 1 + _ADD.size, 5)
    listener, room, ssrc, payload_type, profile = _ADD.unpack_from(packet, 1)
    names = (room_name.decode(), seat.decode(), cname.decode())
    return Add(listener, room, ssrc, payload_type, profile, secret, name, *names)


def _read_move(packet: bytes) -> Move:
    return Move(*_NUMBER.unpack_from(packet, 1), *_read_parts(packet, 5, 1))


def _read_remove(packet: bytes) -> Remove:
    return Remove(*_NUMBER.unpack_from(packet, 1), *_read_parts(packet, 5, 1))


def _read_beat(packet: bytes) -> Beat:
    figures = Figures(*_BEAT.unpack_from(packet, 1))
    return Beat(figures, _read_numbers(packet, 1 + _BEAT.size))


_READERS: Final[dict[bytes, Callable[[bytes], Message]]] = {
    b"A": _read_add,
    b"M": _read_move,
    b"R": _read_remove,
    b"P": lambda packet: Ping(_number(packet)),
    b"p": lambda packet: Pong(_number(packet)),
    b"r": lambda packet: Ready(_read_parts(packet, 1, 1)[0].decode()),
    b"f": lambda packet: Flowing(_read_numbers(packet, 1)),
    b"l": lambda packet: Lost(_read_numbers(packet, 1)),
    b"b": _read_beat,
}
