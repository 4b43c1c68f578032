"""Holds that end: shut the checkout at Stripe first, then give the seats back."""

from datetime import datetime
from functools import partial

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from core import retries
from payments import cases
from payments.models import Case
from ticketing import sales
from ticketing.models import Order

AT_ONCE = 200


def release_stale(*, at: datetime) -> int:
    """Let go of holds whose deadline has passed; return how many were. Asks Stripe, each first."""
    return let_go_of(Order.objects.filter(held_until__lte=at), at=at)


def let_go_of(orders: QuerySet[Order], *, at: datetime, at_once: int = AT_ONCE) -> int:
    """Let go of those of the orders that are held; return how many were. Asks Stripe, each first.

    One about which Stripe does not answer is tried again later, and keeps none of the others waiting.
    """
    held = orders.filter(status=Order.Status.HELD).select_related("charge")
    return retries.work(
        held, partial(_let_go_of_one, at=at), at=at, at_once=at_once, give_up=partial(_give_up, at=at)
    )


def _let_go_of_one(order: Order, *, at: datetime) -> None:
    sales.let_go(order=order, at=at)
    retries.rest(order, until=None)


def _give_up(order: Order, error: Exception, *, at: datetime) -> None:
    cases.report(
        kind=Case.Kind.OTHER,
        cause=f"order-{order.pk}-held",
        what=_("Stripe does not say whether order %(code)s was paid, so its seats stay held: %(error)s")
        % {"code": order.code, "error": f"{type(error).__name__}: {error}"[:300]},
        subject=order,
        at=at,
    )
