"""What the timetable wakes up. The stagehand does the same within seconds; these are for when it is down."""

from celery import shared_task
from django.utils.timezone import now

from core import pieces
from rooms import delivery, rounds


@shared_task
def make_rounds() -> None:
    rounds.make(at=now())


@shared_task
def release_money() -> None:
    """Release the money of events that took place and whose holding days are over; then forget who heard."""
    pieces.until_done(lambda at: delivery.release_due(at=at))
    pieces.until_done(lambda at: delivery.forget_who_heard(at=at))
