"""The last five minutes of the stage, in memory alone, and sealed for somebody else's eyes when reported.

A sealed blob is, octet by octet:

    8    "STAGERG1"
    32   an X25519 public key made for this blob, whose private half is gone when `seal` returns (RFC 7748)
    12   nonce
    n    AES-256-GCM of the plaintext, its 16 octets of tag last; the first 52 octets are authenticated too

The key is HKDF-SHA256 (RFC 5869) of the shared secret, salted with both public keys, the blob's first. The
plaintext is an Opus packet log that needs nothing else to be played:

    4    length of the header, big-endian like all that follows
    n    header, JSON: {"version": 1, "speakers": [{"seat": str, "packets": int, "first": s, "last": s}, ...]}
    then for each speaker in that order, each packet: 8 time of arrival (double, the seconds given to `put`),
    4 RTP timestamp, 2 length, and the payload (RFC 6716)
"""

import json
import os
from struct import Struct
from typing import Final, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

SECONDS: Final = 300.0  # kept of each seat
MOST_BYTES: Final = 4 << 20  # of payload per seat: 300 s at 110 kb/s; a louder codec keeps less time
MOST_SEATS: Final = 64  # beyond that the seat that has been silent for longest is forgotten

_MAGIC: Final = b"STAGERG1"
_INFO: Final = b"stagedoor incident ring"
_NONCE_BYTES: Final = 12
_KEY_BYTES: Final = 32
_HEAD_BYTES: Final = len(_MAGIC) + _KEY_BYTES + _NONCE_BYTES
_LENGTH: Final = Struct("!I")
_PACKET: Final = Struct("!dIH")


class NotSealed(Exception):
    """The blob is none of ours, is damaged, or was sealed for another key."""


class Kept(NamedTuple):
    """One packet as it came."""

    at: float
    timestamp: int  # RTP's, 48 kHz
    payload: bytes


class Opened(NamedTuple):
    """What was in a sealed blob: each seat's packets, in the order in which they came."""

    speakers: dict[str, list[Kept]]


class Ring:
    """What was said on one room's stage. Nothing of it is ever written to disk by us."""

    def __init__(self) -> None:
        self._seats: dict[str, _Track] = {}  # the one that spoke last is last

    def put(self, seat: str, payload: bytes, *, timestamp: int, at: float) -> None:
        """Keep a packet of `seat` that came at `at`, in seconds of any clock that the room has in common."""
        track = self._seats.pop(seat, None) or _Track()
        self._seats[seat] = track
        track.put(payload, timestamp=timestamp, at=at)
        # Who has been silent for longest comes first, so that looking at one is enough.
        longest = next(iter(self._seats))
        self._seats[longest].trim(at)
        if len(self._seats) > MOST_SEATS or not self._seats[longest].log:
            del self._seats[longest]

    @property
    def octets(self) -> int:
        """How many octets are kept, with the fourteen that stand before each payload."""
        return sum(len(track.log) for track in self._seats.values())

    def trim(self, *, now: float) -> None:
        """Forget what is older than five minutes, also when nobody speaks any more."""
        for seat, track in list(self._seats.items()):
            track.trim(now)
            if not track.log:
                del self._seats[seat]

    def seal(self, public_key: bytes) -> bytes:
        """Return all that is kept, readable only with the private half of `public_key` (X25519, 32 octets).

        The ring itself goes on. Raises ValueError if `public_key` is no key.
        """
        own = X25519PrivateKey.generate()
        head = _MAGIC + own.public_key().public_bytes_raw() + os.urandom(_NONCE_BYTES)
        shared = own.exchange(X25519PublicKey.from_public_bytes(public_key))
        return head + _cipher(shared, head, public_key).encrypt(head[-_NONCE_BYTES:], self._plain(), head)

    def drop(self) -> None:
        """Forget everything."""
        self._seats.clear()

    def _plain(self) -> bytes:
        speakers = [
            {"seat": seat, "packets": track.packets, "first": track.first, "last": track.last}
            for seat, track in self._seats.items()
        ]
        header = json.dumps({"version": 1, "speakers": speakers}).encode()
        return b"".join([_LENGTH.pack(len(header)), header, *(track.log for track in self._seats.values())])


def open_sealed(private_key: bytes, blob: bytes) -> Opened:
    """Return what is in `blob`, sealed for the X25519 key of these 32 private octets. Raises NotSealed."""
    if len(blob) < _HEAD_BYTES or not blob.startswith(_MAGIC):
        raise NotSealed("This is no sealed ring.")
    own = X25519PrivateKey.from_private_bytes(private_key)
    head = blob[:_HEAD_BYTES]
    try:
        shared = own.exchange(X25519PublicKey.from_public_bytes(head[len(_MAGIC) : -_NONCE_BYTES]))
        cipher = _cipher(shared, head, own.public_key().public_bytes_raw())
        plain = cipher.decrypt(head[-_NONCE_BYTES:], blob[_HEAD_BYTES:], head)
    except (InvalidTag, ValueError) as wrong:
        raise NotSealed("It is damaged, or sealed for another key.") from wrong
    return _read(plain)


def _cipher(shared: bytes, head: bytes, public_key: bytes) -> AESGCM:
    salt = head[len(_MAGIC) : -_NONCE_BYTES] + public_key
    return AESGCM(HKDF(algorithm=hashes.SHA256(), length=32, salt=salt, info=_INFO).derive(shared))


def _read(plain: bytes) -> Opened:
    at = _LENGTH.size + _LENGTH.unpack_from(plain)[0]
    header = json.loads(plain[_LENGTH.size : at])
    speakers: dict[str, list[Kept]] = {}
    for speaker in header["speakers"]:
        packets = speakers[speaker["seat"]] = []
        for _ in range(speaker["packets"]):
            came, timestamp, length = _PACKET.unpack_from(plain, at)
            at += _PACKET.size
            packets.append(Kept(came, timestamp, plain[at : at + length]))
            at += length
    return Opened(speakers)


class _Track:
    """One seat's packets, oldest first, as they will be sealed.

    Not an object for each: an evening's rooms hold hundreds of thousands, and would make each of Python's
    collections long enough to be heard.
    """

    def __init__(self) -> None:
        self.log = bytearray()
        self.packets = 0
        self.last = 0.0

    @property
    def first(self) -> float:
        at: float = _PACKET.unpack_from(self.log)[0]
        return at

    def put(self, payload: bytes, *, timestamp: int, at: float) -> None:
        self.log += _PACKET.pack(at, timestamp, len(payload)) + payload
        self.packets += 1
        self.last = at
        self.trim(at)

    def trim(self, now: float) -> None:
        while self.log:
            at, _, length = _PACKET.unpack_from(self.log)
            if at >= now - SECONDS and len(self.log) <= MOST_BYTES:
                return
            del self.log[: _PACKET.size + length]  # moves where it begins, and not what follows
            self.packets -= 1
