from datetime import timedelta
from uuid import UUID

from celery import shared_task
from django.utils.timezone import now

from payments import books, payouts, reconcile, refunds, stripe_events, subscriptions
from payments.models import Payout, Refund, StripeEvent

NIGHT = 3  # o'clock, UTC: Stripe's whole list is read then


class BooksBroken(Exception):
    """A promise of the books does not hold."""


@shared_task
def handle_event(pk: int) -> None:
    stripe_events.handle(event=StripeEvent.objects.get(pk=pk), at=now())


@shared_task
def handle_due() -> None:
    stripe_events.handle_due(at=now())


@shared_task
def send_refund(pk: str) -> None:
    refunds.send(refund=Refund.objects.select_related("charge").get(pk=UUID(pk)), at=now())


@shared_task
def send_payout(pk: str) -> None:
    payouts.send(payout=Payout.objects.select_related("payee").get(pk=UUID(pk)), at=now())


@shared_task
def send_due() -> None:
    """Send what nobody woke: refunds and payouts."""
    try:
        refunds.send_due(at=now())
    finally:  # payouts never wait behind a refund
        payouts.send_due(at=now())


@shared_task
def release_memberships() -> None:
    subscriptions.release_due(at=now())


@shared_task
def ask_about_the_unknown() -> None:
    """Ask Stripe about whatever no webhook told."""
    reconcile.run(at=now())


@shared_task
def check_books() -> None:
    """Check every promise of the books, at night with Stripe's own; a broken one fails the task."""
    at = now()
    broken = books.check(ask_stripe=at.hour == NIGHT, settled_by=at - timedelta(hours=1))
    if broken:
        raise BooksBroken("; ".join(f"{one.promise}: {one.where}" for one in broken))
