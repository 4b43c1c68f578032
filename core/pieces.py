"""Work on very many rows: in pieces with a commit each, for a while, and whoever comes next goes on."""

import time
from collections.abc import Callable
from datetime import datetime

from django.utils.timezone import now

LONG_ENOUGH_SECONDS = 120.0  # a task is killed after 300: the last piece begun has the rest of it


def until_done(piece: Callable[[datetime], int], *, seconds: float = LONG_ENOUGH_SECONDS) -> bool:
    """Call `piece` with the moment until it did nothing, or the time is over. True if all is done.

    Nothing is kept here: each piece finds its rows itself, so a worker that dies leaves only its last piece.
    """
    end = time.monotonic() + seconds
    while piece(now()):
        if time.monotonic() >= end:
            return False
    return True
