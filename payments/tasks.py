from uuid import UUID

from celery import shared_task
from django.utils.timezone import now

from payments import books, comparison, payouts, reconcile, refunds, stripe_events, subscriptions
from payments.models import Payout, Refund, StripeEvent


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
    """Check every promise of the books; a broken one fails the task. That nobody compares is one, too."""
    broken = [f"{one.promise}: {one.where}" for one in books.check()]
    since = comparison.overdue(at=now())
    if since is not None:
        broken.append(f"{comparison.FINISHES}: none since {since.isoformat()}")
    if broken:
        raise BooksBroken("; ".join(broken))


@shared_task
def compare_with_stripe() -> None:
    """Compare the books with Stripe's once a night, a piece each time; a difference fails the task."""
    row = comparison.go_on(at=now())
    if row is not None and row.differences:
        raise BooksBroken(f"{comparison.AGREES}: {row.differences} differences; finance has a case for each")
