"""One runner for every sweep: each row on its own, its error kept on the row, an end after so many tries.

A row says itself how often it was tried, when it is due again and what went wrong. A sweep names the rows
that wait for something and what to do with one of them; that one row fails never keeps the others waiting.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar, cast

import structlog
from celery.exceptions import SoftTimeLimitExceeded
from django.db import models, transaction
from django.db.models import F, Q, QuerySet

log = structlog.get_logger(__name__)

LONGEST_ERROR = 2000


class Retried(models.Model):
    """What a row has that is tried again: of many workers one takes it, and what went wrong stays on it."""

    attempts = models.PositiveSmallIntegerField(default=0)
    next_attempt_at = models.DateTimeField(null=True, blank=True)
    last_error = models.TextField(blank=True, default="")
    given_up_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        abstract = True


Row = TypeVar("Row", bound=models.Model)


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait after each try, and how many there are. The last pause stands for all later ones."""

    pauses: Sequence[timedelta]
    most: int

    def pause(self, attempts: int) -> timedelta:
        """Return how long to wait after the try of this number; the first is 1."""
        return self.pauses[min(attempts, len(self.pauses)) - 1]


PATIENT = Patience(
    pauses=(
        timedelta(seconds=15),
        timedelta(minutes=1),
        timedelta(minutes=5),
        timedelta(minutes=30),
        timedelta(hours=3),
    ),
    most=16,  # about a day and a half
)


def work(
    waiting: QuerySet[Row],
    do: Callable[[Row], object],
    *,
    at: datetime,
    patience: Patience = PATIENT,
    at_once: int = 100,
    give_up: Callable[[Row, Exception], object] | None = None,
) -> int:
    """Do `do` for each row that waits and is due, the longest due first; return how many succeeded.

    The model is a Retried one. A row is claimed before, so that of many workers one does it. What `do` raises
    is kept on the row, which is due again after a pause; after the last try `given_up_at` is set and
    `give_up` is called, in one transaction.
    """
    due = waiting.filter(Q(next_attempt_at=None) | Q(next_attempt_at__lte=at), given_up_at=None)
    rows = list(due.order_by(F("next_attempt_at").asc(nulls_first=True), "pk")[:at_once])
    return sum(work_on(row, do, at=at, patience=patience, give_up=give_up) for row in rows)


def work_on(
    row: Row,
    do: Callable[[Row], object],
    *,
    at: datetime,
    patience: Patience = PATIENT,
    give_up: Callable[[Row, Exception], object] | None = None,
) -> bool:
    """Do `do` for one row, if it is due and nobody else has it: what a nudge brings. True if it succeeded."""
    known = cast("Any", row)
    is_due = known.next_attempt_at is None or known.next_attempt_at <= at
    if not is_due or not claim(row, at=at, patience=patience):
        return False
    try:
        do(row)
    except SoftTimeLimitExceeded:
        raise
    except Exception as error:  # noqa: BLE001 -- one odd row never stops a sweep; it is kept and logged
        postpone(row, error, at=at, patience=patience, give_up=give_up)
        return False
    return True


def claim(row: Row, *, at: datetime, patience: Patience = PATIENT) -> bool:
    """Take the next try of a row, committed before anybody is asked. False if another worker has it."""
    known = cast("Any", row)
    taken = _rows(row).filter(next_attempt_at=known.next_attempt_at, given_up_at=None)
    due_again = at + patience.pause(known.attempts + 1)
    if not taken.update(attempts=F("attempts") + 1, next_attempt_at=due_again):
        return False
    known.attempts += 1
    known.next_attempt_at = due_again
    return True


def postpone(
    row: Row,
    error: Exception,
    *,
    at: datetime,
    patience: Patience = PATIENT,
    give_up: Callable[[Row, Exception], object] | None = None,
) -> None:
    """Keep on a claimed row what went wrong; after the last try, give it up."""
    known = cast("Any", row)
    name = type(row).__name__
    known.last_error = f"{type(error).__name__}: {error}".replace("\0", "")[:LONGEST_ERROR]
    _rows(row).update(last_error=known.last_error)
    if known.attempts < patience.most:
        log.warning("will_try_again", row=name, pk=str(row.pk), attempts=known.attempts, exc_info=error)
        return
    log.error("given_up", row=name, pk=str(row.pk), attempts=known.attempts, exc_info=error)
    try:
        with transaction.atomic():  # given up exactly if it was told
            if _rows(row).filter(given_up_at=None).update(given_up_at=at):
                known.given_up_at = at
                if give_up is not None:
                    give_up(row, error)
    except SoftTimeLimitExceeded:
        raise
    except Exception:
        known.given_up_at = None
        log.exception("given_up_untold", row=name, pk=str(row.pk))


def rest(row: Row, *, until: datetime | None) -> None:
    """Put a row away that was answered: what went wrong is over, and its next turn comes at `until`."""
    known = cast("Any", row)
    _rows(row).update(attempts=0, next_attempt_at=until, last_error="", given_up_at=None)
    known.attempts, known.next_attempt_at, known.last_error, known.given_up_at = 0, until, "", None


def try_again(row: Row, *, at: datetime) -> None:
    """Put a row that was given up back among those that wait: somebody asked for it by hand."""
    known = cast("Any", row)
    _rows(row).update(attempts=0, next_attempt_at=at, given_up_at=None)
    known.attempts, known.next_attempt_at, known.given_up_at = 0, at, None


def _rows(row: Row) -> QuerySet[Row]:
    return type(row)._base_manager.filter(pk=row.pk)  # noqa: SLF001 -- the one manager that never filters
