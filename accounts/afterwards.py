"""What happens once a transaction is committed, and must not undo it by failing."""

from collections.abc import Callable
from typing import ParamSpec

from django.db import transaction

Arguments = ParamSpec("Arguments")


def once_committed(
    do: Callable[Arguments, object], *args: Arguments.args, **kwargs: Arguments.kwargs
) -> None:
    """Call `do` with these arguments, as they are now, after the commit. What it raises is logged."""

    def call() -> None:  # a function with a name: Django logs that, and a partial has none
        do(*args, **kwargs)

    call.__qualname__ = getattr(do, "__qualname__", repr(do))
    transaction.on_commit(call, robust=True)
