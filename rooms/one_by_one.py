"""What is done for many rooms: one that fails is logged, and keeps none of the others waiting."""

from collections.abc import Callable, Iterable
from typing import TypeVar

import structlog
from celery.exceptions import SoftTimeLimitExceeded
from django.db import InterfaceError, OperationalError

log = structlog.get_logger(__name__)

Thing = TypeVar("Thing")

AWAY = (InterfaceError, OperationalError, SoftTimeLimitExceeded)  # then the others would fail as well


def each(things: Iterable[Thing], do: Callable[[Thing], object]) -> int:
    """Do `do` for each; return how often it succeeded. The next round tries again what failed."""
    succeeded = 0
    for thing in things:
        try:
            do(thing)
        except AWAY:
            raise
        except Exception:
            log.exception("round_stumbled", over=str(thing))
        else:
            succeeded += 1
    return succeeded
