"""Real threads, each with its own connection, that start at the same moment."""

import threading
from collections.abc import Callable, Sequence
from typing import TypeVar

from django.db import connection

Answer = TypeVar("Answer")
PATIENCE_SECONDS = 60.0


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


def kinds(answers: Sequence[object]) -> list[str]:
    """Return the names of what came, sorted: to compare without caring who was first."""
    return sorted(type(answer).__name__ for answer in answers)
