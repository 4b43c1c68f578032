"""Money in: ask a buyer, send them to Checkout, and take in what was paid.

That a buyer paid is told by a webhook, by the buyer coming back, or by a sweep: all of them end in settle(),
which one of them wins. Functions that ask Stripe say so, and must not run in a transaction.
"""

from datetime import datetime, timedelta
from functools import partial

import structlog
from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

from accounts.models import User
from core import retries
from payments import cases, checkouts, ledger, pots, stripe_gateway
from payments.models import Case, Charge, FeeQuestion, LedgerAccount, Payee, Subscription
from payments.money import Money
from payments.states import WrongState, move
from payments.stripe_records import CheckoutState, Paid, Payment, Purchase

log = structlog.get_logger(__name__)
Kind = LedgerAccount.Kind
FEES_AT_ONCE = 100
# Stripe books most fees at once, and some when the money settles, days later.
FEES_TAKE = retries.Patience(
    pauses=(timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=30), timedelta(hours=6)), most=30
)


class NotBookedYet(Exception):
    """Stripe has not said yet what it kept of a payment."""


class AlreadyPaid(Exception):
    """The charge is paid, or will be as soon as Stripe's news is taken in: there is nothing to check out."""


def ask(
    *,
    payee: Payee,
    buyer: User,
    reference: str,
    description: str,
    amount: Money,
    subscription: Subscription | None = None,
    at: datetime,
) -> Charge:
    """Return the charge that asks `buyer` for `amount`, in the caller's transaction. Stripe is not asked.

    `reference` names what it is for, like order-<id>, and is unique. The platform's fee is fixed now.
    """
    fee, _rest = amount.split(basis_points=settings.PLATFORM_FEE_BASIS_POINTS)
    return Charge.objects.create(
        payee=payee,
        buyer=buyer,
        subscription=subscription,
        reference=reference,
        description=description,
        amount_minor=amount.minor,
        fee_minor=fee.minor,
        currency=amount.currency,
        created_at=at,
    )


def start_checkout(
    *, charge: Charge, success_url: str, cancel_url: str, kind: str, expires_at: datetime, at: datetime
) -> str:
    """Return the address of Stripe's page for this charge; the same one as long as it is open. Asks Stripe.

    The page takes no payment after `expires_at`, which is moved to half an hour from now if it is earlier.
    Raise AlreadyPaid, StripeUnavailable, StripeRefused.
    """
    charge.refresh_from_db(fields=["status"])
    if charge.status == Charge.Status.PAID:
        raise AlreadyPaid
    purchase = Purchase(
        kind=kind,
        reference=charge.reference,
        description=charge.description,
        amount=charge.amount,
        email=charge.buyer.email,
        success_url=success_url,
        cancel_url=cancel_url,
        expires_at=max(expires_at, at + checkouts.SHORTEST),
    )
    page = checkouts.page(charge, purchase, at=at)
    if page.state is Paid.PAID or not page.url:  # without an address it is paid for, and the bank is slow
        _learn_from(charge, page, at=at)
        raise AlreadyPaid
    return page.url


@transaction.atomic
def settle(*, charge: Charge, payment_intent: str, at: datetime) -> bool:
    """Take in that the charge was paid: mark it, and post sale, fee and Stripe's fee. One transaction.

    True only for the one who did it.
    """
    try:
        move(charge, Charge.Status.PAID, paid_at=at, payment_intent_id=payment_intent)
    except WrongState:
        return False
    charge.refresh_from_db(fields=["stripe_charge_id", "stripe_fee_minor", "stripe_fee_currency", "payee"])
    buyers = ledger.account(kind=Kind.BUYERS, currency=charge.currency)
    fees = ledger.account(kind=Kind.FEES, currency=charge.currency)
    pot, cause = pots.of_charge(charge), charge.cause
    ledger.post(source=buyers, target=pot, amount=charge.amount, reason="sale", reference=cause, at=at)
    ledger.post(source=pot, target=fees, amount=charge.fee, reason="fee", reference=cause, at=at)
    _post_stripes_fee(charge, at=at)
    if charge.stripe_fee_minor is None:
        FeeQuestion.objects.get_or_create(
            charge=charge, defaults={"next_attempt_at": at + FEES_TAKE.pauses[0]}
        )
    if charge.payee.below_zero_since:
        pots.notice_debt(pots.lock(charge.payee_id), at=at)
    return True


def drop(*, charge: Charge, at: datetime) -> bool:
    """Give up on a charge that nobody can pay now, in the caller's transaction. False if it is not open."""
    del at  # nothing in the books changes
    try:
        move(charge, Charge.Status.DROPPED)
    except WrongState:
        return False
    return True


def cancel_checkout(*, charge: Charge, at: datetime) -> CheckoutState:
    """Make sure that nobody can pay this charge any more. Asks Stripe.

    Return it EXPIRED, or PAID if somebody was quicker. Raise StripeUnavailable: then it may still be paid.
    """
    return _learn_from(charge, checkouts.shut(charge), at=at)


def look_up(*, charge: Charge, at: datetime) -> CheckoutState:
    """Return how the charge's page stands at Stripe; OPEN if it was not begun yet. Asks Stripe."""
    charge.refresh_from_db(fields=["checkout_id"])
    if not charge.checkout_id:
        return CheckoutState(id="", state=Paid.OPEN, reference=charge.reference)
    return _learn_from(charge, stripe_gateway.read_checkout(charge.checkout_id), at=at)


def _learn_from(charge: Charge, checkout: CheckoutState, *, at: datetime) -> CheckoutState:
    if checkout.state is Paid.PAID:
        learn_payment(charge=charge, payment=stripe_gateway.read_payment(checkout.payment_intent), at=at)
    return checkout


@transaction.atomic
def learn_payment(*, charge: Charge, payment: Payment | None, at: datetime) -> None:
    """Keep what Stripe knows of a charge's payment, and post its fee if that is paid. One transaction."""
    if payment is None:
        return
    row = Charge.objects.select_for_update(of=("self",), no_key=True).get(pk=charge.pk)
    if payment.amount != row.amount:
        _report_other_amount(row, payment, at=at)
    row.stripe_charge_id = payment.charge
    if payment.settled is not None:
        row.settled_minor, row.settled_currency = payment.settled.minor, payment.settled.currency
    if payment.stripe_fee is not None:
        row.stripe_fee_minor, row.stripe_fee_currency = payment.stripe_fee.minor, payment.stripe_fee.currency
        FeeQuestion.objects.filter(charge=row, answered_at=None).update(answered_at=at)
        cases.it_worked(cause=f"{row.cause}-fee", note=_("Stripe said it after all."), at=at)
    row.save(
        update_fields=[
            "stripe_charge_id",
            "stripe_fee_minor",
            "stripe_fee_currency",
            "settled_minor",
            "settled_currency",
        ]
    )
    if row.paid_at is not None:
        _post_stripes_fee(row, at=row.paid_at)


def _report_other_amount(charge: Charge, payment: Payment, *, at: datetime) -> None:
    cases.report(
        kind=Case.Kind.AMOUNT,
        cause=f"{charge.cause}-amount",
        what=_(
            "A buyer was asked for %(asked)s, and Stripe took %(paid)s. The books say what was asked for, "
            "and so does the order. Give the difference back, or ask for it, and correct the books."
        )
        % {"asked": charge.amount.shown, "paid": payment.amount.shown},
        subject=charge,
        stripe_id=payment.payment_intent,
        at=at,
    )


def _post_stripes_fee(charge: Charge, *, at: datetime) -> None:
    # The platform bears it: it comes out of the fee, or out of the platform's own where that is too small.
    kept = charge.stripe_fee
    if kept is None:
        return
    ledger.post(
        source=ledger.account(kind=Kind.FEES, currency=kept.currency),
        target=ledger.account(kind=Kind.STRIPE_FEES, currency=kept.currency),
        amount=kept,
        reason="stripe-fee",
        reference=charge.cause,
        at=at,
    )


def learn_missing_fees(*, at: datetime) -> int:
    """Ask what Stripe kept of paid charges where it was not known yet; return of how many it is known now."""
    return retries.work(
        FeeQuestion.objects.filter(answered_at=None).select_related("charge"),
        partial(_ask_for_the_fee, at=at),
        at=at,
        patience=FEES_TAKE,
        at_once=FEES_AT_ONCE,
        give_up=partial(_fee_stays_unknown, at=at),
    )


def _ask_for_the_fee(question: FeeQuestion, *, at: datetime) -> None:
    payment = stripe_gateway.read_payment(question.charge.payment_intent_id or "")
    if payment is None or payment.stripe_fee is None:
        raise NotBookedYet("Stripe has not booked its fee yet.")
    learn_payment(charge=question.charge, payment=payment, at=at)


def _fee_stays_unknown(question: FeeQuestion, error: Exception, *, at: datetime) -> None:
    cases.report(
        kind=Case.Kind.FEE,
        cause=f"{question.charge.cause}-fee",
        what=_(
            "Stripe never said what it kept of a charge of %(amount)s. The books count no fee for it. "
            "The last answer: %(error)s"
        )
        % {"amount": question.charge.amount.shown, "error": str(error)[:300]},
        subject=question,
        stripe_id=question.charge.payment_intent_id or "",
        at=at,
    )
