"""The limit: the same bytes to as many listeners through libsrtp and sendmmsg alone, in C, on the same clock.

    python -m benchmarks.limit --listeners 1000 --seconds 5

Prints one JSON object. `limit_us_per_listener_s` is the CPU (user and system) for each listener and second.
The receiving sockets have the swarm's kernel filter, so that loopback charges the same receiving half.
Raises OSError where there is no C compiler named gcc.
"""

import argparse
import ctypes
import json
import os
import resource
import secrets
import socket
import struct
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

import pylibsrtp
from pylibsrtp import Policy, Session, _binding

from benchmarks.swarm import sieve

_SSRC: Final = 0x5747_1234
_HEADER: Final = struct.Struct("!BBHII")
_GCM_128_KEY_AND_SALT: Final = 28  # bytes, RFC 7714
OPUS_BYTES: Final = 80  # 20 ms at 32 kb/s


class _Result(ctypes.Structure):
    _fields_ = [
        ("cpu", ctypes.c_double),
        ("wall", ctypes.c_double),
        ("longest", ctypes.c_double),
        ("sent", ctypes.c_uint64),
        ("refused", ctypes.c_uint64),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description="The cost of the same packets in C alone.")
    parser.add_argument("--listeners", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--ptime", type=int, default=20, choices=(20, 40, 60))
    parser.add_argument("--bytes", type=int, default=OPUS_BYTES, help="payload of each packet")
    given = parser.parse_args()
    figures = run(
        listeners=given.listeners,
        seconds=given.seconds,
        ptime=given.ptime,
        payload=secrets.token_bytes(given.bytes),
    )
    print(json.dumps(figures, indent=2))


def measure(*, listeners: int, seconds: float, ptime: int, payload_bytes: int) -> dict[str, Any]:
    """Return what a process of its own finds, so that its memory holds nothing but sessions."""
    command = [
        sys.executable, "-m", "benchmarks.limit", "--listeners", str(listeners),
        "--seconds", str(seconds), "--ptime", str(ptime), "--bytes", str(payload_bytes),
    ]  # fmt: skip
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, timeout=seconds + 60)  # noqa: S603 -- ours
    figures: dict[str, Any] = json.loads(done.stdout)
    return figures


def run(*, listeners: int, seconds: float, ptime: int, payload: bytes) -> dict[str, object]:
    """Send for `seconds` from this process and return the figures."""
    room_for_files(listeners + 64)
    sessions = [_session() for _ in range(listeners)]
    receivers = [_receiver() for _ in range(listeners)]
    addresses = b"".join(_sockaddr(one) for one in receivers)
    packet = _HEADER.pack(0x80, 111, 0, 0, _SSRC) + payload
    ticks = round(seconds * 1000 / ptime)
    result = _Result()
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.bind(("127.0.0.1", 0))
        failed = _built(Path(folder))(
            _protect(), _pointers(sessions), addresses, listeners, sender.fileno(),
            packet, len(packet), ptime * 1_000_000, ticks, ctypes.byref(result),
        )  # fmt: skip
    if failed:
        raise MemoryError("there is no memory for so many listeners")
    return {
        "listeners": listeners,
        "ptime_ms": ptime,
        "limit_us_per_listener_s": round(result.cpu / result.wall / listeners * 1e6, 1),
        "ns_per_packet": round(result.cpu / max(result.sent, 1) * 1e9),
        "share_of_a_core": round(result.cpu / result.wall, 4),
        "packets_per_s": round(result.sent / result.wall),
        "refused": result.refused,
        "reached_the_filter": sum(map(sieve.dropped, receivers)),
        "longest_tick_ms": round(result.longest * 1000, 2),
        "packet_bytes": len(packet) + 16,
        "libsrtp": f"pylibsrtp {pylibsrtp.__version__}, AEAD_AES_128_GCM",
    }


def room_for_files(wanted: int) -> None:
    """Raise this process's limit of open files to `wanted` as far as it may."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(max(wanted, 1024), most), most))


def _session() -> Session:
    return Session(
        Policy(
            key=os.urandom(_GCM_128_KEY_AND_SALT),
            ssrc_type=Policy.SSRC_ANY_OUTBOUND,
            srtp_profile=Policy.SRTP_PROFILE_AEAD_AES_128_GCM,
        )
    )


def _pointers(sessions: list[Session]) -> Any:
    # The handle inside a Session is what srtp_protect takes; there is no public name for it.
    of = [int(_binding.ffi.cast("uintptr_t", one._srtp[0])) for one in sessions]  # noqa: SLF001 -- see above
    return (ctypes.c_void_p * len(of))(*of)


def _protect() -> ctypes.c_void_p:
    """Return where srtp_protect stands in pylibsrtp's own library."""
    library = ctypes.CDLL(_binding.__file__)
    return ctypes.c_void_p(ctypes.cast(library.srtp_protect, ctypes.c_void_p).value)


def _receiver() -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sieve.drop_rtp(sock)
    sock.bind(("127.0.0.1", 0))
    return sock


def _sockaddr(sock: socket.socket) -> bytes:
    host, port = sock.getsockname()
    return struct.pack("@H", socket.AF_INET) + struct.pack("!H", port) + socket.inet_aton(host) + bytes(8)


def _built(folder: Path) -> Any:
    source, library = Path(__file__).with_name("limit.c"), folder / "limit.so"
    subprocess.run(  # noqa: S603 -- our own source
        ["gcc", "-O2", "-Wall", "-shared", "-fPIC", "-o", str(library), str(source)],  # noqa: S607 -- as installed
        check=True,
    )
    run_it = ctypes.CDLL(str(library)).limit_run
    run_it.argtypes = [
        ctypes.c_void_p, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, ctypes.c_int,
        ctypes.c_char_p, ctypes.c_int, ctypes.c_uint64, ctypes.c_int, ctypes.c_void_p,
    ]  # fmt: skip
    return run_it


if __name__ == "__main__":
    main()
