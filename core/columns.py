"""Columns that follow from another column of the same row."""

import itertools
from typing import Any

from django.db import models

from core import seen


class SkeletonField(models.TextField):  # type: ignore[type-arg]  # the stubs' parameters are not Django's
    """What is seen of the text in column `of`, written whenever the row is saved.

    A save that names its columns has to name this one too, or what is seen stays as it was.
    """

    def __init__(self, *, of: str, **kwargs: Any) -> None:
        kwargs |= {"editable": False, "default": ""}
        super().__init__(**kwargs)
        self.of = of

    def deconstruct(self) -> Any:
        name, path, args, kwargs = super().deconstruct()
        del kwargs["editable"], kwargs["default"]
        return name, path, args, kwargs | {"of": self.of}

    def pre_save(self, model_instance: models.Model, add: bool) -> str:  # noqa: ARG002, FBT001 -- Django's signature
        skeleton = seen.skeleton(getattr(model_instance, self.of))
        setattr(model_instance, self.attname, skeleton)
        return skeleton


def tell_apart(rows: models.QuerySet[Any], *, of: str, otherwise: str, within: str = "") -> None:
    """Fill `seen_name` of rows written before there was one, so that no two within the same show the same.

    The later of names that look alike gets a figure behind it; one that shows nothing is called `otherwise`.
    """

    def key(row: Any, name: str) -> tuple[Any, str]:
        return (getattr(row, within) if within else None, seen.skeleton(name))

    longest = rows.model._meta.get_field(of).max_length  # noqa: SLF001 -- public in all but its name
    taken: set[tuple[Any, str]] = set()
    alike = []
    for row in rows:
        place, skeleton = key(row, getattr(row, of))
        if not skeleton or (place, skeleton) in taken:
            alike.append(row)
            continue
        taken.add((place, skeleton))
        rows.filter(pk=row.pk).update(seen_name=skeleton)
    for row in alike:
        name = getattr(row, of) if seen.skeleton(getattr(row, of)) else otherwise
        names = (name if n == 1 else f"{name[: longest - len(f' {n}')]} {n}" for n in itertools.count(1))
        fresh = next(one for one in names if key(row, one) not in taken)
        taken.add(key(row, fresh))
        rows.filter(pk=row.pk).update(**{of: fresh, "seen_name": seen.skeleton(fresh)})
