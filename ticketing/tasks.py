from celery import shared_task
from django.utils.timezone import now

from ticketing import aftersales, programme, sales


@shared_task
def release_stale_holds() -> None:
    sales.release_stale(at=now())


@shared_task
def give_money_back() -> None:
    aftersales.give_money_back(at=now())


@shared_task
def end_missed_events() -> None:
    programme.end_missed(at=now())
