"""What a hostile network may bring: datagrams from length zero up, some crafted to pass for something."""

import struct
import zlib
from dataclasses import dataclass
from typing import Final

from hypothesis import strategies as st

from rooms.media import stun

_COOKIE: Final = 0x2112A442


def stun_message(
    kind: int, attributes: bytes, *, transaction: bytes = b"t" * 12, whole: bool = False
) -> bytes:
    """Return a STUN message with these attributes, with a right FINGERPRINT behind them if `whole`."""
    length = len(attributes) + 8 * whole
    said = struct.pack("!HHI12s", kind, length, _COOKIE, transaction) + attributes
    if not whole:
        return said
    return said + b"\x80\x28\x00\x04" + (zlib.crc32(said) ^ 0x5354554E).to_bytes(4, "big")


def attribute(name: int, value: bytes) -> bytes:
    return struct.pack("!HH", name, len(value)) + value + b"\x00" * (-len(value) % 4)


def forged_request(name: str = "nobody:here") -> bytes:
    """Return a binding request that lacks nothing but the right password."""
    return stun.ask(
        name=name,
        password=b"a wrong password",
        transaction=stun.new_transaction(),
        priority=1,
        tie_breaker=1,
        nominate=True,
    )


# Each of these was answered, or made a traceback, before mixers looked who speaks.
STUN_ODDITIES: Final = (
    stun_message(0x0001, b""),  # 20 bytes, answered with 48
    stun_message(0x0001, attribute(0x0024, b"")),  # a priority of no length
    stun_message(0x0001, attribute(0x0024, b"\x01")),  # 28 bytes that cost 1.1 kB of log
    stun_message(0x0001, attribute(0x8029, b"\x01")),
    stun_message(0x0001, attribute(0x0009, b"")),
    stun_message(0x0101, attribute(0x000C, b"")),
    stun_message(0x0011, b""),
    stun_message(0x0003, b""),  # Allocate, to no TURN server
    stun_message(0x0001, attribute(0x0006, b"\xff\xfe") + attribute(0x0008, bytes(20)), whole=True),
    forged_request(),
)

# A DTLS 1.2 ClientHello by its head, and nonsense where its body should be.
CLIENT_HELLO: Final = bytes.fromhex("16feff0000000000000000005a") + b"\x01" * 90


@dataclass(frozen=True)
class Spoken:
    """One datagram, and whether it pretends to come from the peer's own address."""

    datagram: bytes
    spoofed: bool


_KINDS: Final = st.sampled_from([0x0001, 0x0101, 0x0111, 0x0011, 0x0003, 0x0113, 0x3FFF])
_NAMES: Final = st.sampled_from(
    [
        0x0001,
        0x0006,
        0x0008,
        0x0009,
        0x000C,
        0x0014,
        0x0020,
        0x0024,
        0x0025,
        0x8022,
        0x8028,
        0x8029,
        0x802A,
        0x802B,
    ]
)
_ATTRIBUTES: Final = st.lists(st.builds(attribute, _NAMES, st.binary(max_size=24)), max_size=4).map(b"".join)
_RECORD_TYPES: Final = st.sampled_from([20, 21, 22, 23, 24, 25, 63])


def _record(kind: int, epoch: int, body: bytes, said: int | None) -> bytes:
    """Return a DTLS record; `said` is the length it claims, if not its own."""
    length = len(body) if said is None else said
    return struct.pack("!BHHHIH", kind, 0xFEFD, epoch, 0, 1, length) + body


def datagrams() -> st.SearchStrategy[Spoken]:
    """Return random and crafted datagrams of every kind that shares a socket (RFC 7983), from length zero."""
    crafted_stun = st.builds(
        lambda kind, attributes, whole: stun_message(kind, attributes, whole=whole),
        _KINDS,
        _ATTRIBUTES,
        st.booleans(),
    )
    dtls = st.builds(
        _record,
        _RECORD_TYPES,
        st.integers(0, 2),
        st.binary(max_size=120),
        st.none() | st.integers(0, 65_535),
    )
    rtp = st.builds(
        lambda first, second, rest: bytes([first, second]) + rest,
        st.integers(128, 191),
        st.integers(0, 255),
        st.binary(max_size=160),
    )
    first_bytes = st.builds(
        lambda first, rest: bytes([first]) + rest, st.integers(0, 255), st.binary(max_size=40)
    )
    large = st.integers(1_200, 4_500).flatmap(
        lambda size: st.sampled_from([0, 1, 22, 128, 200, 255]).map(lambda first: bytes([first]) * size)
    )
    cut = st.builds(lambda whole, at: whole[:at], st.just(forged_request()), st.integers(0, 100))
    return st.builds(
        Spoken,
        st.one_of(
            st.just(b""), st.binary(max_size=64), first_bytes, crafted_stun, dtls, rtp, large, cut,
            st.sampled_from([*STUN_ODDITIES, CLIENT_HELLO]),
        ),
        st.booleans(),
    )  # fmt: skip
