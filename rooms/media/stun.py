"""STUN binding requests and their answers, as ICE uses them (RFC 8489, RFC 8445). Pure functions.

Both halves: an ICE-lite house reads requests and answers them, a listening client asks and reads answers.
"""

import base64
import hmac
import secrets
import socket
import struct
import zlib
from dataclasses import dataclass
from typing import Final

Address = tuple[str, int] | tuple[str, int, int, int]  # as `recvfrom` gives it for AF_INET and AF_INET6

TRANSACTION_BYTES: Final = 12
MOST_BYTES: Final = 1_280  # no ICE check comes near it; what is larger is none
MOST_ADDRESSES: Final = 4  # of one peer at a time
_REMEMBERED: Final = 32 * TRANSACTION_BYTES  # requests, a minute or two of them

_REQUEST: Final = 0x0001
_SUCCESS: Final = 0x0101
_COOKIE: Final = 0x2112A442
_COOKIE_BYTES: Final = _COOKIE.to_bytes(4, "big")
_USERNAME: Final = 0x0006
_INTEGRITY: Final = 0x0008
_MAPPED: Final = 0x0020  # XOR-MAPPED-ADDRESS
_PRIORITY: Final = 0x0024
_USE_CANDIDATE: Final = 0x0025
_FINGERPRINT: Final = 0x8028
_CONTROLLED: Final = 0x8029
_CONTROLLING: Final = 0x802A
_OPTIONAL: Final = 0x8000  # from here on an unknown attribute may be passed over
_FINGERPRINT_XOR: Final = 0x5354554E
_V4_IN_V6: Final = b"\x00" * 10 + b"\xff\xff"

_HEAD: Final = struct.Struct("!HHI12s")  # type, length without this head, cookie, transaction
_ATTRIBUTE: Final = struct.Struct("!HH")
_INTEGRITY_SIZE: Final = 24
_FINGERPRINT_SIZE: Final = 8


@dataclass(frozen=True, slots=True)
class Request:
    """A binding request that is whole, but whose sender has yet to be proved with `is_signed`."""

    transaction: bytes  # 12 bytes
    us: str  # our half of USERNAME: the ICE user fragment of whom it is for
    them: str  # their half
    priority: int  # of the path it came by, 32 bits
    nominates: bool  # USE-CANDIDATE: the path it came by is the one to use
    integrity_at: int  # where MESSAGE-INTEGRITY begins in the datagram


@dataclass(frozen=True, slots=True)
class Answer:
    """A success answer whose signature is right, and where it says the request came from."""

    transaction: bytes
    address: tuple[str, int]


def new_name() -> str:
    """Return a random ICE user fragment: 8 characters, 48 bits."""
    return _letters(6)


def new_password() -> str:
    """Return a random ICE password: 24 characters, 144 bits."""
    return _letters(18)


def read_request(datagram: bytes) -> Request | None:
    """Return the binding request that `datagram` holds, or None if it is anything else.

    USERNAME, PRIORITY, MESSAGE-INTEGRITY and FINGERPRINT must be there, as RFC 8445 wants of every check; so
    an answer, which needs fewer bytes, is never larger than what it answers.
    """
    found = _read(datagram, _REQUEST)
    if found is None:
        return None
    attributes, integrity_at = found
    priority = attributes.get(_PRIORITY, b"")
    if len(priority) != 4 or attributes.get(_USE_CANDIDATE):
        return None
    us, colon, them = attributes.get(_USERNAME, b"").partition(b":")
    if not colon or not us.isascii() or not them.isascii():
        return None
    return Request(
        transaction=datagram[8:20],
        us=us.decode("ascii"),
        them=them.decode("ascii"),
        priority=int.from_bytes(priority, "big"),
        nominates=_USE_CANDIDATE in attributes,
        integrity_at=integrity_at,
    )


def remember(transaction: bytes, recent: bytes) -> bytes:
    """Return the last transactions of a peer, the newest first: `recent` with this one before it.

    Whoever recorded one may say it again from elsewhere; `transaction in recent` tells.
    """
    return (transaction + recent)[:_REMEMBERED]


def is_signed(datagram: bytes, *, integrity_at: int, password: bytes) -> bool:
    """Return whether MESSAGE-INTEGRITY at `integrity_at` was made with `password` (RFC 8489 §14.5)."""
    # The length counts up to the integrity itself, whatever follows it.
    length = integrity_at + _INTEGRITY_SIZE - _HEAD.size
    signed = datagram[:2] + length.to_bytes(2, "big") + datagram[4:integrity_at]
    given = datagram[integrity_at + 4 : integrity_at + _INTEGRITY_SIZE]
    return hmac.compare_digest(given, hmac.digest(password, signed, "sha1"))


def answer(transaction: bytes, *, address: Address, password: bytes) -> bytes:
    """Return the success answer to a request that came from `address`, signed with our own `password`.

    64 bytes for IPv4, 76 for IPv6. An IPv4 address in IPv6's clothes is told as IPv4.
    """
    return _sealed(_SUCCESS, transaction, _mapped(address, transaction), password)


def ask(
    *,
    name: str,
    password: bytes,
    transaction: bytes,
    priority: int,
    tie_breaker: int,
    nominate: bool,
) -> bytes:
    """Return a binding request of a controlling client, signed with the far side's `password`.

    `name` is "their fragment:our fragment". `priority` has 32 bits (RFC 8445 §5.1.2), `tie_breaker` 64.
    """
    body = [
        _attribute(_USERNAME, name.encode("ascii")),
        _attribute(_PRIORITY, priority.to_bytes(4, "big")),
        _attribute(_CONTROLLING, tie_breaker.to_bytes(8, "big")),
    ]
    if nominate:
        body.append(_attribute(_USE_CANDIDATE, b""))
    return _sealed(_REQUEST, transaction, b"".join(body), password)


def new_transaction() -> bytes:
    """Return a random transaction id of 12 bytes."""
    return secrets.token_bytes(TRANSACTION_BYTES)


def read_answer(datagram: bytes, *, password: bytes) -> Answer | None:
    """Return the success answer that `datagram` holds, if it is signed with the `password` we asked with."""
    found = _read(datagram, _SUCCESS)
    if found is None:
        return None
    attributes, integrity_at = found
    if not is_signed(datagram, integrity_at=integrity_at, password=password):
        return None
    address = _unmapped(attributes.get(_MAPPED, b""), datagram[8:20])
    return None if address is None else Answer(transaction=datagram[8:20], address=address)


def _read(datagram: bytes, kind: int) -> tuple[dict[int, bytes], int] | None:
    """Return the attributes and where MESSAGE-INTEGRITY begins, or None.

    What stands behind MESSAGE-INTEGRITY is not signed, so only FINGERPRINT is read there, and it ends it.
    """
    size = len(datagram)
    if not _HEAD.size <= size <= MOST_BYTES:
        return None
    said, length, cookie, _ = _HEAD.unpack_from(datagram)
    if said != kind or cookie != _COOKIE or length + _HEAD.size != size or length % 4:
        return None
    attributes: dict[int, bytes] = {}
    integrity_at = 0
    at = _HEAD.size
    while at + 4 <= size:
        name, length = _ATTRIBUTE.unpack_from(datagram, at)
        if at + 4 + length > size:
            break
        if name == _FINGERPRINT:
            whole = length == 4 and at + _FINGERPRINT_SIZE == size and integrity_at > 0
            return (attributes, integrity_at) if whole and _is_whole(datagram, at) else None
        if name == _INTEGRITY:
            if length != _INTEGRITY_SIZE - 4 or integrity_at:
                return None
            integrity_at = at
        elif not integrity_at and not _take(attributes, name, datagram[at + 4 : at + 4 + length]):
            return None
        at += 4 + (length + 3 & ~3)
    return None


def _take(attributes: dict[int, bytes], name: int, value: bytes) -> bool:
    """Keep one attribute we know, the first of its name. False if it is unknown and must be understood."""
    if name in {_USERNAME, _PRIORITY, _USE_CANDIDATE, _MAPPED}:
        attributes.setdefault(name, value)
        return True
    return name >= _OPTIONAL


def _is_whole(datagram: bytes, fingerprint_at: int) -> bool:
    said = int.from_bytes(datagram[fingerprint_at + 4 :], "big")
    return said == zlib.crc32(datagram[:fingerprint_at]) ^ _FINGERPRINT_XOR


def _attribute(name: int, value: bytes) -> bytes:
    return _ATTRIBUTE.pack(name, len(value)) + value + b"\x00" * (-len(value) % 4)


def _sealed(kind: int, transaction: bytes, body: bytes, password: bytes) -> bytes:
    """Return the message with MESSAGE-INTEGRITY and FINGERPRINT behind `body`."""
    signed = _HEAD.pack(kind, len(body) + _INTEGRITY_SIZE, _COOKIE, transaction) + body
    seal = _ATTRIBUTE.pack(_INTEGRITY, 20) + hmac.digest(password, signed, "sha1")
    length = len(body) + _INTEGRITY_SIZE + _FINGERPRINT_SIZE
    message = _HEAD.pack(kind, length, _COOKIE, transaction) + body + seal
    return (
        message
        + _ATTRIBUTE.pack(_FINGERPRINT, 4)
        + (zlib.crc32(message) ^ _FINGERPRINT_XOR).to_bytes(4, "big")
    )


def _mapped(address: Address, transaction: bytes) -> bytes:
    host, port = address[0], address[1]
    if ":" in host:
        packed = socket.inet_pton(socket.AF_INET6, host.partition("%")[0])
        if packed.startswith(_V4_IN_V6):
            packed = packed[12:]
    else:
        packed = socket.inet_aton(host)
    family = 1 if len(packed) == 4 else 2
    value = struct.pack("!xBH", family, port ^ _COOKIE >> 16) + _xor(packed, transaction)
    return _ATTRIBUTE.pack(_MAPPED, len(value)) + value


def _unmapped(value: bytes, transaction: bytes) -> tuple[str, int] | None:
    family, size = value[1:2], len(value)
    if (family, size) not in {(b"\x01", 8), (b"\x02", 20)}:
        return None
    port = int.from_bytes(value[2:4], "big") ^ _COOKIE >> 16
    kind = socket.AF_INET if size == 8 else socket.AF_INET6
    return socket.inet_ntop(kind, _xor(value[4:], transaction)), port


def _xor(packed: bytes, transaction: bytes) -> bytes:
    mask = (_COOKIE_BYTES + transaction)[: len(packed)]
    return (int.from_bytes(packed, "big") ^ int.from_bytes(mask, "big")).to_bytes(len(packed), "big")


def _letters(count: int) -> str:
    # The letters of base64 are exactly those that ICE allows (RFC 8839 §5.4).
    return base64.b64encode(secrets.token_bytes(count)).decode("ascii")
