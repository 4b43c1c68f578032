"""Columns that follow from another column of the same row."""

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
