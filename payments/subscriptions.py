"""A charge that comes again every month. Stripe keeps the calendar; we keep the books and follow.

Functions that ask Stripe say so, and must not run in a transaction.
"""

from datetime import datetime, timedelta
from functools import partial

from django.conf import settings
from django.db import transaction
from django.db.models import Max, Q
from django.utils.translation import gettext as _

from accounts import audit
from accounts.models import User
from core import retries
from payments import cases, charges, checkouts, releases, stripe_gateway
from payments.models import Case, Charge, PaidPeriod, Payee, Subscription
from payments.money import Money
from payments.states import WrongState, move
from payments.stripe_records import InvoiceState, Paid, Purchase, SubscriptionState

CHECKOUT_LASTS = timedelta(hours=1)
RELEASES_AT_ONCE = 200
Status = Subscription.Status
FOLLOWS = {
    "active": Status.RUNNING,
    "trialing": Status.RUNNING,
    "past_due": Status.OVERDUE,
    "unpaid": Status.OVERDUE,
    "paused": Status.OVERDUE,
    "canceled": Status.ENDED,
    "incomplete_expired": Status.ENDED,
}  # "incomplete" is where it begins: nothing is paid yet


class NotAtStripe(Exception):
    """The subscription was never paid for, so there is nothing to cancel or resume."""


def ask(
    *, payee: Payee, buyer: User, reference: str, description: str, amount: Money, at: datetime
) -> Subscription:
    """Return a subscription that waits for its first payment, in the caller's transaction."""
    return Subscription.objects.create(
        payee=payee,
        buyer=buyer,
        reference=reference,
        description=description,
        amount_minor=amount.minor,
        currency=amount.currency,
        created_at=at,
    )


def start_checkout(
    *, subscription: Subscription, success_url: str, cancel_url: str, kind: str, at: datetime
) -> str:
    """Return the address of Stripe's page for the first month. Asks Stripe.

    The same page as long as it is open, `success_url` once it is paid. Raise StripeUnavailable,
    StripeRefused.
    """
    purchase = Purchase(
        kind=kind,
        reference=subscription.reference,
        description=subscription.description,
        amount=subscription.amount,
        email=subscription.buyer.email,
        success_url=success_url,
        cancel_url=cancel_url,
        expires_at=at + CHECKOUT_LASTS,
        monthly=True,
    )
    page = checkouts.page(subscription, purchase, at=at)
    return page.url if page.state is Paid.OPEN and page.url else success_url


def cancel_at_period_end(*, subscription: Subscription, by: User, at: datetime) -> None:
    """Let it end with the paid month. Asks Stripe. Raise NotAtStripe, StripeUnavailable, StripeRefused."""
    _turn(subscription, ends=True, by=by, at=at)


def resume(*, subscription: Subscription, by: User, at: datetime) -> None:
    """Let it go on after all. Asks Stripe. Raise NotAtStripe, StripeUnavailable, StripeRefused."""
    _turn(subscription, ends=False, by=by, at=at)


def _turn(subscription: Subscription, *, ends: bool, by: User, at: datetime) -> None:
    if not subscription.stripe_id:
        raise NotAtStripe
    # The wish is harmless to repeat, but a key may not outlive the opposite wish: so it carries the moment.
    verb = "cancel" if ends else "resume"
    try:
        state = stripe_gateway.end_with_period(
            subscription_id=subscription.stripe_id,
            ends=ends,
            key=f"{verb}-{subscription.pk}-{int(at.timestamp())}",
        )
    except stripe_gateway.StripeRefused:
        state = stripe_gateway.read_subscription(subscription.stripe_id)
        follow(subscription=subscription, state=state, at=at)
        if not (ends and subscription.status == Status.ENDED):
            raise  # who wanted it to end has what they wanted; anybody else is told the no
    with transaction.atomic():
        audit.record(actor=by, verb=f"subscription-{verb}", subject=subscription, at=at)
        follow(subscription=subscription, state=state, at=at)


@transaction.atomic
def follow(*, subscription: Subscription, state: SubscriptionState, at: datetime) -> set[str]:
    """Take over how a subscription stands at Stripe; return what is new: "changed", "ended". One transaction.

    `at` is when Stripe was asked: an older answer changes nothing, and an end is never undone.
    """
    row = Subscription.objects.select_for_update(of=("self",), no_key=True).get(pk=subscription.pk)
    is_stale = row.asked_stripe_at is not None and row.asked_stripe_at > at
    status = FOLLOWS.get(state.status)
    if (is_stale and status is not Status.ENDED) or row.status == Status.ENDED:
        return set()
    news = set()
    facts = {"stripe_id": state.id, "ends_at_period_end": state.ends_at_period_end}
    if any(getattr(row, name) != value for name, value in facts.items()):
        news.add("changed")
    if status is not None and status != row.status:
        ended = {"ended_at": at} if status is Status.ENDED else {}
        move(row, status, **ended)
        news.add("ended" if ended else "changed")
    Subscription.objects.filter(pk=row.pk).update(**facts, asked_stripe_at=at)
    subscription.refresh_from_db()
    return news


@transaction.atomic
def give_up(*, subscription: Subscription, at: datetime) -> set[str]:
    """End a subscription whose checkout expired unpaid; return what is new: "ended". One transaction."""
    try:
        move(subscription, Status.ENDED, ended_at=at)
    except WrongState:
        return set()
    return {"ended"}


@transaction.atomic
def take_payment(*, subscription: Subscription, invoice: InvoiceState, at: datetime) -> set[str]:
    """Take in a paid month, once per invoice: its time, and a charge for what was paid through Stripe.

    What a subscription is paid for follows from these months alone: a declined renewal moves nothing.
    Return what is new: "paid", "changed". One transaction.
    """
    if not invoice.is_paid:
        return set()
    row = Subscription.objects.select_for_update(of=("self",), no_key=True).get(pk=subscription.pk)
    charge, is_first = _charge_for(row, invoice, at=at)
    if invoice.was_paid_elsewhere and invoice.due is not None:
        _report_paid_elsewhere(row, invoice, due=invoice.due, at=at)
    if invoice.starts_at is None or invoice.ends_at is None:
        return {"paid"} if is_first else set()
    times = {"starts_at": invoice.starts_at, "ends_at": invoice.ends_at}
    period, is_new = PaidPeriod.objects.get_or_create(
        invoice_id=invoice.id, defaults={"subscription": row, "charge": charge, **times}
    )
    if period.charge_id is None and charge is not None:
        PaidPeriod.objects.filter(pk=period.pk).update(charge=charge)
    news = recount(subscription=subscription, charge=charge, at=at)
    return news | {"paid"} if is_first or (is_new and charge is None) else news


def reference_of(invoice: InvoiceState) -> str:
    """Return how the charge of an invoice is called."""
    return f"invoice-{invoice.id}"


def _charge_for(
    subscription: Subscription, invoice: InvoiceState, *, at: datetime
) -> tuple[Charge | None, bool]:
    """Return the paid charge of an invoice, if money came through Stripe, and whether it is new."""
    payment = invoice.payment
    if payment is None:
        return None, False
    reference = reference_of(invoice)
    charge = Charge.objects.filter(reference=reference).first() or charges.ask(
        payee=subscription.payee,
        buyer=subscription.buyer,
        subscription=subscription,
        reference=reference,
        description=subscription.description,
        amount=payment.amount,
        at=at,
    )
    charges.learn_payment(charge=charge, payment=payment, at=at)
    is_first = charges.settle(charge=charge, payment_intent=payment.payment_intent, at=at)
    return charge, is_first


def _report_paid_elsewhere(
    subscription: Subscription, invoice: InvoiceState, *, due: Money, at: datetime
) -> None:
    cases.report(
        kind=Case.Kind.INVOICE,
        cause=reference_of(invoice),
        what=_(
            "A month of “%(description)s” (%(amount)s) was marked as paid outside Stripe. It counts as paid "
            "for the member; no money came, so there is none in the books for the creator."
        )
        % {"description": subscription.description, "amount": due.shown},
        subject=subscription,
        stripe_id=invoice.id,
        at=at,
    )


@transaction.atomic
def recount(*, subscription: Subscription, charge: Charge | None, at: datetime) -> set[str]:
    """Say anew until when a subscription is paid, after something of `charge` was paid, returned or taken.

    A month whose whole money is with the buyer again counts as not paid. Return what is new: "changed".
    One transaction.
    """
    row = Subscription.objects.select_for_update(of=("self",), no_key=True).get(pk=subscription.pk)
    if charge is not None:
        is_returned = charge.remainder().amount.minor <= 0
        months = PaidPeriod.objects.filter(charge=charge, returned_at__isnull=is_returned)
        months.update(returned_at=at if is_returned else None)
    until = row.periods.filter(returned_at=None).aggregate(until=Max("ends_at"))["until"]
    is_new = until != row.paid_until
    if is_new:
        Subscription.objects.filter(pk=row.pk).update(paid_until=until)
    subscription.refresh_from_db()
    return {"changed"} if is_new else set()


def release_due(*, at: datetime) -> int:
    """Make membership money available once the holding days are over; return how many charges that were."""
    held_until = at - timedelta(days=settings.HOLDING_DAYS)
    due = Charge.objects.filter(
        Q(subscription__isnull=False), status=Charge.Status.PAID, released_at=None, paid_at__lte=held_until
    )
    return retries.work(
        due,
        lambda charge: releases.release(charge=charge, at=at),
        at=at,
        at_once=RELEASES_AT_ONCE,
        give_up=partial(_cannot_release, at=at),
    )


def _cannot_release(charge: Charge, error: Exception, *, at: datetime) -> None:
    cases.report(
        kind=Case.Kind.RELEASE,
        cause=f"{charge.cause}-release",
        what=_(
            "The money of a paid month (%(amount)s) could not be made available to the creator, however "
            "often it was tried. The last error: %(error)s"
        )
        % {"amount": charge.amount.shown, "error": str(error)[:300] or type(error).__name__},
        subject=charge,
        stripe_id=charge.payment_intent_id or "",
        at=at,
    )
