"""How much memory a process occupies, and giving back what it no longer needs (Linux, glibc)."""

import ctypes
import resource
from typing import Final

_trim: Final = getattr(ctypes.CDLL(None), "malloc_trim", None)  # not every libc has it


def resident_bytes() -> int:
    """Return how much memory this process occupies."""
    with open("/proc/self/statm", "rb") as pages:  # noqa: PTH123 -- once a second, without an object for it
        return int(pages.read().split()[1]) * resource.getpagesize()


def give_back() -> None:
    """Return freed memory to the kernel. libc keeps it otherwise: 50 kB for each handshake of a storm."""
    if _trim is not None:
        _trim(0)
