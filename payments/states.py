"""A status has its moves beside it, and one function takes them.

Each model with a status names its moves in a class attribute MOVES, {from: {to, …}}. Nobody else assigns it.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Protocol, TypeVar, cast

from django.db import models
from django.db.models import QuerySet


class WrongState(Exception):
    """The row is no longer where this move starts: somebody else moved it first, or it never was there."""


class Stateful(Protocol):
    """What every model with a status has."""

    MOVES: ClassVar[Mapping[Any, set[Any]]]
    status: Any


Row = TypeVar("Row", bound=models.Model)


def move(row: Row, to: Any, **fields: Any) -> Row:
    """Move `row` to status `to`, and set `fields` in the same UPDATE. Raise WrongState if another was first.

    One conditional UPDATE over all statuses from which `to` may be reached: of many workers one wins. The row
    in hand is brought up to date, only in what was written.
    """
    stateful = cast("Stateful", row)
    starts = [start for start, ends in stateful.MOVES.items() if to in ends]
    rows = type(row)._base_manager.filter(pk=row.pk, status__in=starts)  # noqa: SLF001 -- the one manager that never filters
    if not rows.update(status=to, **fields):
        raise WrongState(f"{type(row).__name__} {row.pk} cannot become {to}.")
    stateful.status = to
    for name, value in fields.items():
        setattr(row, name, value)
    return row


def move_all(rows: QuerySet[Row], to: Any, **fields: Any) -> int:
    """Move those of `rows` to status `to` from which it may be reached; return how many. One UPDATE."""
    stateful = cast("Stateful", rows.model)
    starts = [start for start, ends in stateful.MOVES.items() if to in ends]
    return rows.filter(status__in=starts).update(status=to, **fields)
