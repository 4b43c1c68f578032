"""Whether each line of the timetable finds somebody: noted when a worker takes it, told when none did.

The notes are in Redis, with the clock's own start. If they are lost, everybody has as long again as then.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import redis
import structlog
from celery.signals import beat_init, before_task_publish, task_prerun
from django.conf import settings
from django.utils.timezone import now

from stagedoor.celery import CREWS, TIMETABLE, queue_of

log = structlog.get_logger(__name__)

TAKEN = "stagedoor:timetable:taken"
SINCE = "stagedoor:timetable:since"
ROUNDS = 3  # so many beats may be missed
LEAST = timedelta(minutes=1)
# A mass act works for minutes, and the next one waits for it.
LEAST_BEHIND_MASS = timedelta(minutes=15)


def allowance(task: str) -> timedelta:
    """Return for how long a line of the timetable may find nobody before somebody should look."""
    is_behind_mass = queue_of(task) in CREWS["worker-mass"].queues
    return max(ROUNDS * timedelta(seconds=TIMETABLE[task]), LEAST_BEHIND_MASS if is_behind_mass else LEAST)


def note(*, task: str, at: datetime) -> None:
    """Write down that a worker took this line of the timetable."""
    with _notes() as notes:
        notes.hset(TAKEN, task, at.timestamp())


def missed(*, at: datetime) -> dict[str, int]:
    """Return the lines that nobody took for longer than they may wait, with the seconds since somebody did.

    Raise redis.RedisError.
    """
    with _notes() as notes:
        notes.set(SINCE, at.timestamp(), nx=True)
        since = float(notes.get(SINCE) or at.timestamp())
        taken: Mapping[bytes, bytes] = notes.hgetall(TAKEN)
    waited = {
        task: timedelta(seconds=at.timestamp() - float(taken.get(task.encode(), since))) for task in TIMETABLE
    }
    return {task: round(pause.total_seconds()) for task, pause in waited.items() if pause > allowance(task)}


def begin(*, at: datetime) -> None:
    """Count from now: the clock has just started, and nobody could take anything before."""
    with _notes() as notes:
        notes.set(SINCE, at.timestamp())
        notes.delete(TAKEN)


def _notes() -> "redis.Redis":
    return redis.Redis.from_url(settings.REDIS_URL, socket_timeout=2.0)


@task_prerun.connect
def _taken(task: Any = None, **_rest: Any) -> None:
    if task is not None and task.name in TIMETABLE:
        try:
            note(task=task.name, at=now())
        except redis.RedisError as trouble:
            log.warning("beat_not_noted", task=task.name, trouble=str(trouble))


@beat_init.connect
def _clock_starts(**_rest: Any) -> None:
    """From here on the clock says so in its log when a beat before this one found nobody."""
    begin(at=now())
    before_task_publish.connect(_look_back)


def _look_back(sender: str = "", **_rest: Any) -> None:
    try:
        waited = missed(at=now()).get(sender)
    except redis.RedisError:
        return  # the broker is the same server: that the clock says itself
    if waited is not None:
        log.error("beat_not_taken", task=sender, seconds=waited)
