"""A kernel filter that drops RTP on a socket, and the kernel's own count of what it dropped (Linux)."""

import ctypes
import socket
import struct
from typing import Final

_SO_ATTACH_FILTER: Final = 26  # Python gives these numbers of asm-generic/socket.h no names
_SO_MEMINFO: Final = 55
_DROPS: Final = struct.Struct("@9I")  # SK_MEMINFO_VARS counters, of which the last is SK_MEMINFO_DROPS

# Classic BPF over the UDP datagram: (code, jump if true, jump if false, operand). RFC 7983 and RFC 5761.
_DROP_RTP: Final = (
    (0x30, 0, 0, 8),  # the first octet after the UDP header
    (0x54, 0, 0, 0xC0),
    (0x15, 0, 4, 0x80),  # not 10……: STUN or DTLS, pass
    (0x30, 0, 0, 9),  # the second octet
    (0x35, 0, 1, 192),  # below 192: RTP, drop
    (0x35, 0, 1, 224),  # below 224: RTCP, pass
    (0x06, 0, 0, 0),  # drop
    (0x06, 0, 0, 0xFFFF),  # pass
)
_PROGRAM: Final = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in _DROP_RTP))
_WANTED: Final = struct.pack("HL", len(_DROP_RTP), ctypes.addressof(_PROGRAM))


def drop_rtp(sock: socket.socket) -> None:
    """Let the kernel drop and count what is RTP; STUN, DTLS and RTCP still arrive."""
    sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, _WANTED)


def dropped(sock: socket.socket) -> int:
    """Return how many datagrams the kernel dropped on `sock`: by the filter, or because it was full."""
    counters: tuple[int, ...] = _DROPS.unpack(sock.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, _DROPS.size))
    return counters[-1]
