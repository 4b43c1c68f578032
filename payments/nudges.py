"""Waking a worker when there is a row to be worked on. If a nudge is lost, a sweep finds the row."""

import structlog
from celery import current_app
from kombu.exceptions import OperationalError

from accounts.afterwards import once_committed

log = structlog.get_logger(__name__)


def nudge(task: str, *args: str | int) -> None:
    """Send `task` once the caller's transaction is committed. Without a broker nothing is lost but time."""
    once_committed(_send, task, args)


def _send(task: str, args: tuple[str | int, ...]) -> None:
    try:
        current_app.send_task(task, args=args, retry=False)
    except OperationalError:
        log.warning("nudge_lost", task=task)
