"""Celery: the whole timetable in one place, and who works on what. A task is a nudge, the row the truth."""

import os
from dataclasses import dataclass
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
    "ticketing.tasks.wind_up_missed_events": MINUTE,
    # what is checked
    "payments.tasks.check_books": HOUR,
    "payments.tasks.compare_with_stripe": 10 * MINUTE,
    "ticketing.tasks.check_seats": HOUR,
    # what is tidied up
    "accounts.tasks.tidy_up": DAY,
    "ticketing.tasks.forget_networks": HOUR,
}
BEATS: dict[str, dict[str, Any]] = {
    # A nudge that nobody took before the next one is not needed any more.
    task: {"task": task, "schedule": pause, "options": {"expires": pause}}
    for task, pause in TIMETABLE.items()
}

# Acts on many rows, and whatever reads whole tables: minutes may pass, and nobody stands and waits.
MASS = (
    "accounts.tasks.tidy_up",
    "payments.tasks.check_books",
    "payments.tasks.compare_with_stripe",
    "payments.tasks.release_memberships",
    "rooms.tasks.release_money",
    "ticketing.tasks.check_seats",
    "ticketing.tasks.end_missed_events",
    "ticketing.tasks.forget_networks",
    "ticketing.tasks.give_money_back",
    "ticketing.tasks.wind_up_missed_events",
)
# The first pattern that fits names the queue. What asks Stripe may have to wait: nothing else waits for it.
ROUTES = {
    **{task: {"queue": "mass"} for task in MASS},
    "accounts.tasks.*": {"queue": "letters"},
    "rooms.tasks.*": {"queue": "rooms"},
    "payments.tasks.handle_*": {"queue": "webhooks"},
    "payments.tasks.*": {"queue": "stripe"},
    "ticketing.tasks.*": {"queue": "stripe"},
}


@dataclass(frozen=True)
class Crew:
    """One worker process: which queues it takes from, and how many tasks it carries out at once."""

    queues: tuple[str, ...]
    hands: int

    @property
    def arguments(self) -> list[str]:
        return ["worker", "--queues", ",".join(self.queues), "--concurrency", str(self.hands)]


# No letter and no webhook waits behind an evening that is called off, nor behind its thousands of refunds.
CREWS = {
    "worker-letters": Crew(("letters", "rooms"), 2),
    "worker-webhooks": Crew(("webhooks",), 2),
    "worker-mass": Crew(("mass", "stripe"), 2),
}

app = Celery("stagedoor", changes={"beat_schedule": BEATS, "task_routes": ROUTES})
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


def queue_of(task: str) -> str:
    """Return the queue that a task goes to."""
    return str(app.amqp.router.route({}, task)["queue"].name)
