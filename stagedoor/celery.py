"""Celery, and the whole timetable in one place. A task is a nudge; the row is the truth."""

import os
from typing import Any

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "stagedoor.settings")

SECOND, MINUTE, HOUR, DAY = 1.0, 60.0, 3600.0, 86_400.0

TIMETABLE = {
    # what somebody waits for
    "accounts.tasks.send_letters": 5 * SECOND,
    "payments.tasks.handle_due": 5 * SECOND,
    "payments.tasks.send_due": 15 * SECOND,
    "ticketing.tasks.release_stale_holds": 30 * SECOND,
    "rooms.tasks.make_rounds": 30 * SECOND,
    "rooms.tasks.release_money": 10 * SECOND,
    # what must come to an end
    "payments.tasks.ask_about_the_unknown": 5 * MINUTE,
    "payments.tasks.release_memberships": HOUR,
    "ticketing.tasks.give_money_back": MINUTE,
    "ticketing.tasks.end_missed_events": 5 * MINUTE,
    # what is checked
    "payments.tasks.check_books": HOUR,
    "ticketing.tasks.check_seats": HOUR,
    # what is tidied up
    "accounts.tasks.tidy_up": DAY,
}
BEATS: dict[str, dict[str, Any]] = {
    # A nudge that nobody took before the next one is not needed any more.
    task: {"task": task, "schedule": pause, "options": {"expires": pause}}
    for task, pause in TIMETABLE.items()
}

app = Celery("stagedoor", changes={"beat_schedule": BEATS})
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
