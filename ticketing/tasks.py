import structlog
from celery import shared_task
from django.utils.timezone import now

from core import pieces
from ticketing import held_too_long, holding, missed, money_back, programme, promises

log = structlog.get_logger(__name__)


class SalesBroken(Exception):
    """A promise of the sale does not hold."""


@shared_task
def release_stale_holds() -> None:
    held_too_long.release_stale(at=now())


@shared_task
def give_money_back() -> None:
    """Give back until nothing is left to give just now, or for two minutes: the next one goes on."""
    pieces.until_done(lambda at: money_back.give(at=at))


@shared_task
def forget_networks() -> None:
    holding.forget_networks(at=now())


@shared_task
def end_missed_events() -> None:
    programme.end_missed(at=now())


@shared_task
def wind_up_missed_events() -> None:
    """Tell people of evenings that did not take place, and give their money back after the deadline."""
    missed.tell(at=now())
    missed.refund_due(at=now())


@shared_task
def check_seats() -> None:
    """Check every promise of the sale; a broken one fails the task, and nothing is corrected unseen."""
    broken = promises.check()
    for one in broken:
        log.error("sale_promise_broken", promise=one.promise, where=one.where)
    if broken:
        raise SalesBroken("; ".join(f"{one.promise}: {one.where}" for one in broken))
