"""Evenings that did not take place as they were sold: all are told, and the money goes back by itself.

The verdict sets the deadline (programme.set_delivery). Until then the club may give the money back itself.
What happens here follows from the row, by whoever comes; a letter has a key, so it is written once.
"""

from contextlib import suppress
from datetime import datetime
from functools import partial
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from accounts.models import User
from clubs import officers
from clubs.models import Club
from core import retries
from payments import cases
from payments.models import Case
from ticketing import aftersales, letters
from ticketing.models import Event, Order

LETTERS_AT_ONCE = 200
EVENTS_AT_ONCE = 50


def tell(*, at: datetime) -> int:
    """Write to the hosts and buyers of evenings that did not take place. Return of how many evenings."""
    missed = Event.objects.filter(
        status=Event.Status.ENDED, delivery=Event.Delivery.NOT_DELIVERED, missed_told_at=None
    )
    waiting = missed.select_related("club")
    return retries.work(
        waiting, partial(_tell, at=at), at=at, at_once=EVENTS_AT_ONCE, give_up=partial(_give_up, at=at)
    )


def _tell(event: Event, *, at: datetime) -> None:
    _tell_buyers(event, at=at)
    with transaction.atomic():
        for host in hosts(event.club):
            letters.evening_missed_host(event=event, to=host, at=at)
        told = {"missed_told_at": at, **aftersales.UNTRIED}
        Event.objects.filter(pk=event.pk, missed_told_at=None).update(**told)


def refund_due(*, at: datetime) -> int:
    """Begin to give everybody's money back whose deadline has passed. Return for how many evenings."""
    due = Event.objects.filter(refund_by__lte=at, refunding_since=None, status=Event.Status.ENDED)
    return retries.work(
        due, partial(_refund, at=at), at=at, at_once=EVENTS_AT_ONCE, give_up=partial(_give_up, at=at)
    )


def _refund(event: Event, *, at: datetime) -> None:
    reason = _("The evening did not take place as it was sold.")
    with suppress(aftersales.NothingToRefund):  # somebody at the club was quicker
        aftersales.refund_everyone(event=event, by=None, reason=reason, at=at)
    retries.rest(event, until=at)  # what comes next is another work


def _give_up(event: Event, error: Exception, *, at: datetime) -> None:
    cases.report(
        kind=Case.Kind.OTHER,
        cause=f"event-{event.pk}-missed",
        what=_(
            "“%(title)s” did not take place as it was sold, and its buyers could not be told or given their "
            "money back, however often it was tried. The last error: %(error)s"
        )
        % {"title": event.title, "error": str(error)[:300] or type(error).__name__},
        subject=event,
        at=at,
    )


def hosts(club: Club) -> QuerySet[User]:
    """Return those who may open the doors of the club's rooms."""
    return User.objects.filter(
        is_active=True, offices__club=club, offices__role__in=officers.HOSTING
    ).order_by("pk")


def _tell_buyers(event: Event, *, at: datetime) -> None:
    bought = Order.objects.filter(event=event, status=Order.Status.PAID).select_related(
        "buyer", "event__club"
    )
    last = UUID(int=0)
    while batch := list(bought.filter(pk__gt=last).order_by("pk")[:LETTERS_AT_ONCE]):
        with transaction.atomic():
            for order in batch:
                letters.evening_missed(order=order, at=at)
        last = batch[-1].pk
