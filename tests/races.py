"""Real threads, each with its own connection, that start at the same moment."""

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from types import ModuleType
from typing import Any, TypeVar

import pytest
from django.db import connection, transaction

Answer = TypeVar("Answer")
PATIENCE_SECONDS = 60.0
MOMENT_SECONDS = 3.0
HELD_OPEN_SECONDS = 0.7


def together(*acts: Callable[[], Answer]) -> list[Answer | Exception]:
    """Run all acts at once; return what each returned or raised, in their order."""
    start = threading.Barrier(len(acts))
    answers: list[Answer | Exception] = [TimeoutError("it never ended")] * len(acts)

    def run(place: int) -> None:
        try:
            connection.ensure_connection()
            start.wait(PATIENCE_SECONDS)
            answers[place] = acts[place]()
        except Exception as error:  # noqa: BLE001 -- the test looks at it
            answers[place] = error
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(place,)) for place in range(len(acts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_SECONDS)
    return answers


def overtaken(first: Callable[[], Answer], second: Callable[[], Answer]) -> list[Answer | Exception]:
    """Let `second` begin while `first` is done and not committed yet; return what each returned or raised."""
    is_done = threading.Event()

    def hold_open() -> Answer:
        try:
            with transaction.atomic():
                answer = first()
                is_done.set()
                time.sleep(HELD_OPEN_SECONDS)
                return answer
        finally:
            is_done.set()

    def begin() -> Answer:
        is_done.wait(PATIENCE_SECONDS)
        return second()

    return together(hold_open, begin)


def meet(monkeypatch: pytest.MonkeyPatch, module: ModuleType, name: str, *, count: int = 2) -> None:
    """Make everybody who calls this function wait there for the others, so that the race is sure to happen.

    Where a lock lets one after another pass, the others do not come, and who waits goes on after a moment.
    """
    function, place = getattr(module, name), threading.Barrier(count)

    def waiting(*args: Any, **kwargs: Any) -> Any:
        with suppress(threading.BrokenBarrierError):
            place.wait(MOMENT_SECONDS)
        return function(*args, **kwargs)

    monkeypatch.setattr(module, name, waiting)


def kinds(answers: Sequence[object]) -> list[str]:
    """Return the names of what came, sorted: to compare without caring who was first."""
    return sorted(type(answer).__name__ for answer in answers)
