"""A status has its moves beside it, and one function takes them.

Each model with a status names its moves in a class attribute MOVES, {from: {to, …}}. Nobody assigns `.status`.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Protocol, TypeVar, cast

from django.db import models


class WrongState(Exception):
    """The row is no longer where this move starts: somebody else moved it first, or it never was there."""


class Stateful(Protocol):
    MOVES: ClassVar[Mapping[Any, set[Any]]]
    status: Any
    pk: Any


Row = TypeVar("Row", bound=Stateful)


def move(row: Row, to: Any, **fields: Any) -> Row:
    """Move `row` to status `to`, and set `fields` in the same UPDATE. Raise WrongState if another was first.

    One conditional UPDATE over all statuses from which `to` may be reached: of many workers one wins. The row
    in hand is brought up to date, only in what was written.
    """
    model = cast("type[models.Model]", type(row))
    starts = [start for start, ends in row.MOVES.items() if to in ends]
    moved = model._base_manager.filter(pk=row.pk, status__in=starts).update(status=to, **fields)  # noqa: SLF001 -- the one manager that never filters
    if not moved:
        raise WrongState(f"{model.__name__} {row.pk} cannot become {to}.")
    row.status = to
    for name, value in fields.items():
        setattr(row, name, value)
    return row
