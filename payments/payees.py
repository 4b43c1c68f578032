"""Who is owed money: their account at Stripe, and what Stripe still wants to know of them."""

from datetime import datetime, timedelta
from functools import partial

from django.db.models import Q
from django.utils.translation import gettext as _

from core import retries
from payments import cases, stripe_gateway
from payments.models import Case, Payee
from payments.stripe_records import AccountState

ASKED_AT_ONCE = 50
TURN_OF_THE_WAITING = timedelta(minutes=5)
TURN_OF_THE_ACTIVE = timedelta(hours=6)


def onboard(*, payee: Payee, return_url: str, refresh_url: str, at: datetime) -> str:
    """Return a page of Stripe's where the payee says who they are; it works once. Asks Stripe.

    The first call makes their account. Raise StripeUnavailable, StripeRefused.
    """
    if not payee.stripe_account_id:
        account = stripe_gateway.create_account(
            email=payee.email, reference=f"payee-{payee.pk}", key=f"account-{payee.pk}"
        )
        # An account made meanwhile stays: who reviewed a payout has seen that one.
        Payee.objects.filter(pk=payee.pk, stripe_account_id="").update(stripe_account_id=account.id)
        payee.refresh_from_db()
        heed(payee=payee, state=account, at=at)
    return stripe_gateway.onboarding_link(
        account_id=payee.stripe_account_id, return_url=return_url, refresh_url=refresh_url
    )


def refresh(*, payee: Payee, at: datetime) -> None:
    """Ask Stripe how the payee's account stands. Asks Stripe. Raise StripeUnavailable, StripeRefused."""
    if payee.stripe_account_id:
        heed(payee=payee, state=stripe_gateway.read_account(payee.stripe_account_id), at=at)


def ask_in_turn(*, at: datetime) -> int:
    """Ask Stripe how accounts stand, those asked longest ago first; return how many answered. Asks Stripe.

    Active ones, too: the news that one was taken away may be lost.
    """
    return retries.work(
        Payee.objects.exclude(stripe_account_id=""),
        lambda payee: refresh(payee=payee, at=at),
        at=at,
        at_once=ASKED_AT_ONCE,
        give_up=partial(_account_unknown, at=at),
    )


def _account_unknown(payee: Payee, error: Exception, *, at: datetime) -> None:
    cases.report(
        kind=Case.Kind.PAYEE,
        cause=f"payee-{payee.pk}-unknown",
        what=_(
            "Stripe does not tell how the account of %(payee)s stands, however often it was asked. "
            "The last answer: %(error)s"
        )
        % {"payee": payee.name, "error": str(error)[:300] or type(error).__name__},
        subject=payee,
        stripe_id=payee.stripe_account_id,
        at=at,
    )


def heed(*, payee: Payee, state: AccountState, at: datetime) -> None:
    """Take over how the account stands. `at` is when Stripe was asked: an older answer changes nothing."""
    is_newer = Q(asked_stripe_at=None) | Q(asked_stripe_at__lte=at)
    Payee.objects.filter(is_newer, pk=payee.pk, stripe_account_id=state.id).update(
        details_submitted=state.details_submitted,
        transfers_active=state.transfers_active,
        requirements=state.requirements,
        asked_stripe_at=at,
    )
    payee.refresh_from_db()
    retries.rest(payee, until=at + (TURN_OF_THE_ACTIVE if payee.can_be_paid else TURN_OF_THE_WAITING))
    cases.it_worked(cause=f"payee-{payee.pk}-unknown", note=_("Stripe answered after all."), at=at)
