"""How much memory a process occupies, and what becomes of it (Linux, glibc, CPython)."""

import ctypes
import gc
import resource
from typing import Final

_trim: Final = getattr(ctypes.CDLL(None), "malloc_trim", None)  # not every libc has it


def resident_bytes() -> int:
    """Return how much memory this process occupies."""
    with open("/proc/self/statm", "rb") as pages:  # noqa: PTH123 -- once a second, without an object for it
        return int(pages.read().split()[1]) * resource.getpagesize()


def set_aside() -> None:
    """Leave all that is here by now out of Python's collections from now on: modules, which never go.

    Looked through again with each full collection they would hold the sound up for many milliseconds; and as
    one is due only when a quarter more has come, what sessions leave behind would lie around for hours.
    """
    gc.collect()
    gc.freeze()


def give_back() -> None:
    """Return to the kernel what nobody uses any more, circles among it: after `set_aside` a matter of 1 ms.

    Otherwise circles wait for thousands of others (30 kB for each speaker who has left), and libc keeps what
    has been freed (50 kB for each handshake of a storm).
    """
    gc.collect()
    if _trim is not None:
        _trim(0)
