"""Protection of sound on its way (RFC 3711, RFC 7714): libsrtp, by the functions inside pylibsrtp.

The one place that touches pylibsrtp's private binding: its public `protect` copies each packet three times.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

from pylibsrtp._binding import ffi, lib

Pointer = Any  # a cffi pointer
Protect = Callable[[Iterable[Pointer], Iterable[Pointer], Iterable[Pointer]], bool]
MOST_TRAILER: Final = 16 + 4 + 144  # tag, SRTCP index, and what libsrtp may write behind them


class Broken(Exception):
    """libsrtp refuses the key or the packet."""


@dataclass(frozen=True, slots=True)
class Profile:
    """One way of protecting, as DTLS agrees on it (RFC 5764 §4.1.2, RFC 7714 §14.2)."""

    number: int  # as written on the wire, 16 bits
    openssl_name: bytes
    key_bytes: int
    salt_bytes: int
    tag_bytes: int
    native: int  # libsrtp's own number

    @property
    def secret_bytes(self) -> int:
        """How long a key and its salt are together."""
        return self.key_bytes + self.salt_bytes


# In the order in which we like them: GCM costs two thirds of CM and has the longer tag.
PROFILES: Final = (
    Profile(0x0007, b"SRTP_AEAD_AES_128_GCM", 16, 12, 16, lib.srtp_profile_aead_aes_128_gcm),
    Profile(0x0001, b"SRTP_AES128_CM_SHA1_80", 16, 14, 10, lib.srtp_profile_aes128_cm_sha1_80),
)
BY_NUMBER: Final = {profile.number: profile for profile in PROFILES}


def open_sending(profile: Profile, secret: bytes, *, ssrc: int) -> Pointer:
    """Return a new context that protects the one stream `ssrc`, to be given back with `close`.

    Naming the stream, instead of any, keeps libsrtp from holding a second one as a template.
    """
    return _create(profile, secret, kind=lib.ssrc_specific, ssrc=ssrc)


def close(context: Pointer) -> None:
    """Give back a context and wipe its keys."""
    lib.srtp_dealloc(context)


def pointers(address: int, *, count: int, apart: int) -> list[Pointer]:
    """Return pointers to `count` places in memory, the first at `address`, then every `apart` bytes."""
    return [ffi.cast("unsigned char *", address + number * apart) for number in range(count)]


def int_pointers(address: int, *, count: int) -> list[Pointer]:
    """Return pointers to `count` C ints that lie one behind the other."""
    return [ffi.cast("int *", address + 4 * number) for number in range(count)]


def protect(contexts: Iterable[Pointer], packets: Iterable[Pointer], lengths: Iterable[Pointer]) -> bool:
    """Protect RTP packets in place, each for one context; False if one failed, and those behind it are bare.

    Each length is replaced by that of the protected packet.
    """
    return not any(map(lib.srtp_protect, contexts, packets, lengths))


def protect_rtcp(contexts: Iterable[Pointer], packets: Iterable[Pointer], lengths: Iterable[Pointer]) -> bool:
    """Protect RTCP packets as `protect` does RTP."""
    return not any(map(lib.srtp_protect_rtcp, contexts, packets, lengths))


def read_rtcp(profile: Profile, secret: bytes, datagram: bytes) -> bytes | None:
    """Return the RTCP inside `datagram`, or None if its sender does not have the secret.

    Nothing is remembered, so the caller must refuse an index it has seen: `rtcp_index`.
    """
    context = _create(profile, secret, kind=lib.ssrc_any_inbound, ssrc=0)
    try:
        packet = ffi.new("unsigned char[]", datagram)
        length = ffi.new("int *", len(datagram))
        if lib.srtp_unprotect_rtcp(context, packet, length):
            return None
        return bytes(ffi.buffer(packet, length[0]))
    finally:
        close(context)


def rtcp_index(profile: Profile, datagram: bytes) -> int | None:
    """Return the sender's own count of its RTCP packets, or None if the packet is too short or bare.

    RFC 3711 §3.4 puts the index before the tag, RFC 7714 §9.2 behind it.
    """
    end = len(datagram) if profile.tag_bytes == 16 else len(datagram) - profile.tag_bytes
    if end < 12:
        return None
    word = int.from_bytes(datagram[end - 4 : end], "big")
    return word & 0x7FFF_FFFF if word >> 31 else None


def _create(profile: Profile, secret: bytes, *, kind: int, ssrc: int) -> Pointer:
    if len(secret) != profile.secret_bytes:
        raise Broken("The key has another length than its profile wants.")
    policy = ffi.new("srtp_policy_t *")
    lib.srtp_crypto_policy_set_from_profile_for_rtp(ffi.addressof(policy, "rtp"), profile.native)
    lib.srtp_crypto_policy_set_from_profile_for_rtcp(ffi.addressof(policy, "rtcp"), profile.native)
    policy.ssrc.type, policy.ssrc.value = kind, ssrc
    key = ffi.new("unsigned char[]", secret)
    policy.key = key
    context = ffi.new("srtp_t *")
    if lib.srtp_create(context, policy):
        raise Broken("libsrtp does not take this key.")
    return context[0]
