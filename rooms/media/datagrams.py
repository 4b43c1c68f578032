"""Datagrams in bulk: one UDP socket for everybody, and `sendmmsg` for many packets at once (Linux)."""

import ctypes
import errno
import socket
import struct
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from rooms.media.stun import Address

CHUNK: Final = 512  # packets made and sent at a time: what they fill stays in the processor's cache
ROW: Final = 1_536  # bytes for one packet, with room for what its protection adds
NAME_BYTES: Final = 28  # of a struct sockaddr_in6; a sockaddr_in fits too
BUFFER: Final = 4 << 20  # bytes: one packet for each of some thousand listeners, until the card has them
_FORCE_SEND, _FORCE_RECEIVE = 32, 33  # SO_SNDBUFFORCE, SO_RCVBUFFORCE (socket(7)), which Python does not name
_V4_IN_V6: Final = b"\x00" * 10 + b"\xff\xff"

Names = npt.NDArray[np.uint8]  # shape (count, NAME_BYTES)

# struct iovec and struct mmsghdr of 64-bit Linux (recvmmsg(2)), padding as the compiler puts it.
_VECTOR: Final = np.dtype([("base", np.uint64), ("length", np.uint64)])
_HEADER: Final = np.dtype(
    {
        "names": ["name", "name_length", "vector", "vectors"],
        "formats": [np.uint64, np.uint32, np.uint64, np.uint64],
        "offsets": [0, 8, 16, 24],
        "itemsize": 64,
    }
)
_libc: Final = ctypes.CDLL(None, use_errno=True)
_sendmmsg: Final = _libc.sendmmsg
_sendmmsg.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int]
_sendmmsg.restype = ctypes.c_int


def open_socket(*, bind: str | None, port: int) -> socket.socket:
    """Return a UDP socket that never waits. Without `bind` it has every address, IPv6's too if any."""
    family = socket.AF_INET6 if bind is None or ":" in bind else socket.AF_INET
    try:
        return _bound(family, bind or "::", port)
    except OSError:
        if bind is not None:
            raise
        return _bound(socket.AF_INET, "0.0.0.0", port)  # noqa: S104 -- a kernel without IPv6


def pack_name(address: Address, family: int) -> bytes:
    """Return `address` as the kernel reads it: a struct sockaddr of `family`, padded to 28 bytes."""
    host, port = address[0], address[1]
    if family == socket.AF_INET:
        head = struct.pack("=H", family) + struct.pack("!H", port) + socket.inet_aton(host)
        return head.ljust(NAME_BYTES, b"\x00")
    scope = address[3] if len(address) == 4 else 0
    packed = (
        socket.inet_pton(socket.AF_INET6, host.partition("%")[0])
        if ":" in host
        else _V4_IN_V6 + socket.inet_aton(host)
    )
    return struct.pack("=H", family) + struct.pack("!HI16s", port, 0, packed) + struct.pack("=I", scope)


class Sheet:
    """Memory for one chunk of packets on their way out, used again for each chunk.

    `rows` has the shape (CHUNK, ROW) and one packet in each row, `lengths` (CHUNK,) says how long each is.
    """

    def __init__(self, family: int) -> None:
        self.rows: npt.NDArray[np.uint8] = np.zeros((CHUNK, ROW), np.uint8)
        self.lengths: npt.NDArray[np.int32] = np.zeros(CHUNK, np.int32)
        self.plain_lengths: npt.NDArray[np.int32] = np.zeros(CHUNK, np.int32)  # as they were written
        self.full = 0  # packets that the socket had no room for
        self.failed = 0  # packets that the kernel refused for another reason
        self._names: Names = np.zeros((CHUNK, NAME_BYTES), np.uint8)
        self._vectors: npt.NDArray[Any] = np.zeros(CHUNK, _VECTOR)
        self._headers: npt.NDArray[Any] = np.zeros(CHUNK, _HEADER)
        every = np.arange(CHUNK, dtype=np.uint64)
        self._vectors["base"] = self.rows.ctypes.data + every * ROW
        self._headers["name"] = self._names.ctypes.data + every * NAME_BYTES
        self._headers["name_length"] = 16 if family == socket.AF_INET else NAME_BYTES
        self._headers["vector"] = self._vectors.ctypes.data + every * _VECTOR.itemsize
        self._headers["vectors"] = 1
        self._headers_at = self._headers.ctypes.data
        self._vector_lengths = self._vectors["length"]

    def fill(self, packet: bytes, count: int) -> None:
        """Write the same `packet` into the first `count` rows."""
        size = len(packet)
        self.rows[:count, :size] = np.frombuffer(packet, np.uint8)
        self.lengths[:count] = self.plain_lengths[:count] = size

    def put(self, row: int, packet: bytes) -> None:
        """Write `packet` into one row."""
        self.rows[row, : len(packet)] = np.frombuffer(packet, np.uint8)
        self.lengths[row] = self.plain_lengths[row] = len(packet)

    def address(self, names: Names) -> None:
        """Say where the first rows go, one name for each."""
        self._names[: len(names)] = names

    def send(self, out: int, start: int, end: int) -> None:
        """Send rows `start` … `end` - 1 by the socket `out`, without ever waiting.

        A packet that finds no room is counted and left out: the next one matters more.
        """
        self._vector_lengths[start:end] = self.lengths[start:end]
        while start < end:
            at = self._headers_at + start * _HEADER.itemsize
            sent = _sendmmsg(out, at, end - start, socket.MSG_DONTWAIT)
            if sent > 0:
                start += sent
                continue
            problem = ctypes.get_errno()
            if problem == errno.EINTR:
                continue
            if problem in {errno.EAGAIN, errno.ENOBUFS}:
                self.full += 1
            else:
                self.failed += 1
            start += 1


def _enlarge(opened: socket.socket, forced: int, option: int) -> None:
    """Give the socket a large buffer: beyond net.core.wmem_max and rmem_max where we may, else up to them."""
    try:
        opened.setsockopt(socket.SOL_SOCKET, forced, BUFFER)
    except PermissionError:
        opened.setsockopt(socket.SOL_SOCKET, option, BUFFER)


def _bound(family: int, host: str, port: int) -> socket.socket:
    opened = socket.socket(family, socket.SOCK_DGRAM)
    try:
        opened.setblocking(False)
        if family == socket.AF_INET6:
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        for forced, option in ((_FORCE_SEND, socket.SO_SNDBUF), (_FORCE_RECEIVE, socket.SO_RCVBUF)):
            _enlarge(opened, forced, option)
        opened.bind((host, port))
    except OSError:
        opened.close()
        raise
    return opened
