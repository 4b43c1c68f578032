"""Who is owed money: their account at Stripe, and what Stripe still wants to know of them."""

from datetime import datetime, timedelta
from functools import partial
from hashlib import sha256

from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext as _

from accounts import audit
from core import retries
from payments import cases, letters, stripe_gateway
from payments.models import Case, Payee
from payments.stripe_gateway import StripeRefused
from payments.stripe_records import AccountState, BankPayoutState

ASKED_AT_ONCE = 50
TURN_OF_THE_WAITING = timedelta(minutes=5)
TURN_OF_THE_ACTIVE = timedelta(hours=6)


def onboard(*, payee: Payee, return_url: str, refresh_url: str, at: datetime) -> str:
    """Return a page of Stripe's where the payee says who they are; it works once. Asks Stripe.

    The first call makes their account. Raise StripeUnavailable, StripeRefused.
    """
    if not payee.stripe_account_id:
        # Who parted from us gets another account, so the key counts how often that was.
        left = len(payee.accounts_left)
        # Stripe fixes the country with the account: who chose another one asks for another account. And the
        # key names whatever else is asked for, so that a corrected address is another request.
        asked_for = sha256(f"{payee.country} {payee.email}".encode()).hexdigest()[:12]
        account = stripe_gateway.create_account(
            email=payee.email,
            country=payee.country,
            reference=f"payee-{payee.pk}",
            key=f"account-{payee.pk}-{left}-{asked_for}",
        )
        # An account made meanwhile stays: who reviewed a payout has seen that one.
        _connect(payee, account.id, at=at)
        payee.refresh_from_db()
        heed(payee=payee, state=account, at=at)
    return stripe_gateway.onboarding_link(
        account_id=payee.stripe_account_id, return_url=return_url, refresh_url=refresh_url
    )


@transaction.atomic
def _connect(payee: Payee, account_id: str, *, at: datetime) -> None:
    """Pay into this account from now on, if there is none, and tell all who manage the payee."""
    if Payee.objects.filter(pk=payee.pk, stripe_account_id="").update(stripe_account_id=account_id):
        letters.account_connected(payee=payee, account_id=account_id, at=at)


def choose_country(*, payee: Payee, country: str) -> None:
    """Keep where the payee lives, as long as they have no account: afterwards Stripe does not change it."""
    Payee.objects.filter(pk=payee.pk, stripe_account_id="").update(country=country)
    payee.refresh_from_db(fields=["country", "stripe_account_id"])


def refresh(*, payee: Payee, at: datetime) -> None:
    """Ask Stripe how the payee's account stands. Asks Stripe. Raise StripeUnavailable, StripeRefused.

    An account that Stripe says is not ours to look at is paid nothing; that alone does not part it from us,
    for a wrong key of ours would get the same answer.
    """
    if not payee.stripe_account_id:
        return
    try:
        state = stripe_gateway.read_account(payee.stripe_account_id)
    except StripeRefused:
        Payee.objects.filter(pk=payee.pk).update(transfers_active=False, payouts_enabled=False)
        payee.refresh_from_db()
        raise
    heed(payee=payee, state=state, at=at)


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
    if state.reference == f"payee-{payee.pk}":  # made for them, and the answer was lost
        _connect(payee, state.id, at=at)
    Payee.objects.filter(is_newer, pk=payee.pk, stripe_account_id=state.id).update(
        details_submitted=state.details_submitted,
        transfers_active=state.transfers_active,
        payouts_enabled=state.payouts_enabled,
        requirements=state.requirements,
        asked_stripe_at=at,
    )
    payee.refresh_from_db()
    retries.rest(payee, until=at + (TURN_OF_THE_ACTIVE if payee.can_be_paid else TURN_OF_THE_WAITING))
    cases.it_worked(cause=f"payee-{payee.pk}-unknown", note=_("Stripe answered after all."), at=at)


@transaction.atomic
def leave(*, payee: Payee, at: datetime) -> None:
    """Take in that the payee's account parted from the platform, or was deleted. One transaction.

    Nothing can be sent to it any more; the payee may make another one.
    """
    payee = Payee.objects.select_for_update(of=("self",), no_key=True).get(pk=payee.pk)
    account = payee.stripe_account_id
    left = Payee.objects.filter(pk=payee.pk, stripe_account_id=account).exclude(stripe_account_id="")
    if not left.update(
        stripe_account_id="",
        accounts_left=[*payee.accounts_left, account],
        details_submitted=False,
        transfers_active=False,
        payouts_enabled=False,
        requirements=[],
        asked_stripe_at=at,
    ):
        return
    payee.refresh_from_db()
    audit.record(actor=None, verb="payee-left-stripe", subject=payee, details={"account": account}, at=at)
    cases.report(
        kind=Case.Kind.PAYEE,
        cause=f"payee-left-{account}",
        what=_(
            "The account of %(payee)s at Stripe was parted from us, or deleted. Nothing can be paid to it; "
            "payouts approved for it are reviewed again. They can connect another one on their page."
        )
        % {"payee": payee.name},
        subject=payee,
        stripe_id=account,
        at=at,
    )


@transaction.atomic
def heed_bank(*, payee: Payee, state: BankPayoutState, at: datetime) -> None:
    """Take in what the payee's bank did with their money; older news changes nothing. One transaction."""
    is_newer = Q(bank_payout_made_at=None) | Q(bank_payout_made_at__lte=state.made_at)
    failure = state.failure or _("Their bank gave no reason.") if state.status == "failed" else ""
    rows = Payee.objects.filter(is_newer, pk=payee.pk)
    if not rows.update(bank_failure=failure[:300], bank_payout_made_at=state.made_at) or not failure:
        return
    payee.refresh_from_db()
    letters.bank_refused(payee=payee, payout_id=state.id, amount=state.amount, failure=failure, at=at)
    cases.report(
        kind=Case.Kind.BANK,
        cause=f"bank-{state.id}",
        what=_(
            "The bank of %(payee)s did not take %(amount)s: %(failure)s. The money is in their account at "
            "Stripe; they were told to look at their bank details there."
        )
        % {"payee": payee.name, "amount": state.amount.shown, "failure": failure},
        subject=payee,
        stripe_id=state.id,
        at=at,
    )
