"""The inbox: Stripe's events come in once, and are answered until that has succeeded.

An event is only a signal that something about an object is new. The object is read from Stripe anew, so the
order and the number of events do not matter. What belongs to money alone is answered here; what was bought is
answered by the app that sold it, which registers with @answers in its own `stripe_events.py`.
"""

from collections import deque
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from functools import partial
from itertools import islice
from typing import Any

import structlog
from celery.exceptions import SoftTimeLimitExceeded
from django.db import transaction
from django.utils.translation import gettext as _

from core import retries
from payments import (
    cases,
    charges,
    checkouts,
    disputes,
    payees,
    payouts,
    refunds,
    stripe_gateway,
    subscriptions,
)
from payments.answers import answers, who_answers
from payments.models import Case, Charge, Payee, Payout, Refund, StripeEvent, Subscription
from payments.nudges import nudge
from payments.states import move
from payments.stripe_gateway import InvalidSignature, WrongVersion
from payments.stripe_records import CheckoutState, InvoiceState, Paid, SignedEvent, SubscriptionState

__all__ = [
    "InvalidSignature",
    "WrongVersion",
    "answers",
    "fetch_undelivered",
    "handle",
    "handle_due",
    "receive",
]

log = structlog.get_logger(__name__)

AT_ONCE = 200
NUDGE_LEAD = timedelta(seconds=15)  # the task comes first, the sweep only if it did not
Status = StripeEvent.Status
Deed = Callable[[], Any]  # what follows from an event, in one transaction with the event's own row


@transaction.atomic
def receive(*, payload: bytes, signature: str, at: datetime) -> StripeEvent:
    """Return the inbox's row of a webhook; the same event again returns the first. Handled after commit.

    Raise InvalidSignature, WrongVersion.
    """
    return _keep(stripe_gateway.read_event(payload, signature), at=at)


def _keep(event: SignedEvent, *, at: datetime) -> StripeEvent:
    row, is_new = StripeEvent.objects.get_or_create(
        stripe_id=event.id,
        defaults={
            "kind": event.kind,
            "account": event.account,
            "api_version": event.api_version,
            "body": event.body,
            "received_at": at,
            "next_attempt_at": at + NUDGE_LEAD,
        },
    )
    if is_new or (row.status == Status.RECEIVED and row.attempts == 0):
        nudge("payments.tasks.handle_event", row.pk)
    return row


def handle(*, event: StripeEvent, at: datetime) -> None:
    """Do what follows from an event, once, however many try at the same time. Asks Stripe.

    If that fails, nothing of it stands; the row keeps the error and when to try again, and the error goes on.
    """
    if event.status != Status.RECEIVED or not retries.claim(event, at=at):
        return
    try:
        _take_in(event, at=at)
    except SoftTimeLimitExceeded:
        raise
    except Exception as error:
        retries.postpone(event, error, at=at, give_up=partial(_dead_letter, at=at))
        raise


def _take_in(event: StripeEvent, *, at: datetime) -> None:
    deed = _deed(event, at=at)  # 1. read the object, outside any transaction
    with transaction.atomic():
        # 2. of many, one at a time from here on; 3. whoever comes second finds it done
        row = StripeEvent.objects.select_for_update(of=("self",), no_key=True).get(pk=event.pk)
        if row.status == Status.RECEIVED:
            if deed is not None:
                deed()  # 4. all that follows; 5. the mark, in the same transaction
            done = Status.IGNORED if deed is None else Status.HANDLED
            move(row, done, handled_at=at, last_error="")
            cases.it_worked(cause=_cause(event), note=_("It was taken in when it was tried again."), at=at)
    event.refresh_from_db()


def handle_due(*, at: datetime) -> int:
    """Handle what nobody woke, and what failed and is due again; return how many were handled."""
    return retries.work(
        StripeEvent.objects.filter(status=Status.RECEIVED),
        partial(_take_in, at=at),
        at=at,
        at_once=AT_ONCE,
        give_up=partial(_dead_letter, at=at),
    )


def _dead_letter(event: StripeEvent, error: Exception, *, at: datetime) -> None:
    cases.report(
        kind=Case.Kind.EVENT,
        cause=_cause(event),
        what=_(
            "Stripe told us of “%(kind)s”, and it could not be taken in, however often it was tried. "
            "The books may lack what it tells of. The last error: %(error)s"
        )
        % {"kind": event.kind, "error": str(error)[:300] or type(error).__name__},
        subject=event,
        stripe_id=event.stripe_id,
        at=at,
    )


def _cause(event: StripeEvent) -> str:
    return f"event-{event.stripe_id}"


def fetch_undelivered(*, at: datetime) -> int:
    """Bring in what Stripe could not deliver, oldest first; return how many events were new. Asks Stripe.

    A batch per call, the oldest that we do not have: the next call brings what came after them.
    """
    new: deque[SignedEvent] = deque(maxlen=AT_ONCE)
    missed = stripe_gateway.undelivered_events()
    while batch := list(islice(missed, AT_ONCE)):
        ids = [event.id for event in batch if event.api_version == stripe_gateway.API_VERSION]
        known = StripeEvent.objects.filter(stripe_id__in=ids).values_list("stripe_id", flat=True)
        wanted = set(ids) - set(known)
        new.extend(event for event in batch if event.id in wanted)
    for event in reversed(new):
        with transaction.atomic():
            _keep(event, at=at)
    return len(new)


# Whose event it is: each reads the object and returns what follows from it, or None if it is not ours.


def _deed(event: StripeEvent, *, at: datetime) -> Deed | None:
    if event.account and event.kind != "account.updated":
        return None  # what payees do with their own accounts is theirs
    read = next((read for name, read in _FAMILIES.items() if event.kind.startswith(name)), None)
    return read(event, at) if read else None


def _checkout(event: StripeEvent, at: datetime) -> Deed | None:
    session = stripe_gateway.read_checkout(event.object_id)
    subscription = (
        Subscription.objects.filter(reference=session.reference).first() if session.reference else None
    )
    if subscription is not None:
        return _of_subscription(event, subscription, session, at)
    charge = Charge.objects.filter(reference=session.reference).first() if session.reference else None
    if charge is not None and _is_over_long_ago(charge, session):
        return None
    if charge is not None and session.state is Paid.PAID:
        charges.learn_payment(
            charge=charge, payment=stripe_gateway.read_payment(session.payment_intent), at=at
        )
    answer = who_answers(event.kind, session.kind)
    return partial(answer, event=event, session=session, at=at) if answer else None


def _is_over_long_ago(row: Charge | Subscription, session: CheckoutState) -> bool:
    return session.state is Paid.EXPIRED and checkouts.is_of_an_earlier_attempt(row, session)


def _of_subscription(
    event: StripeEvent, subscription: Subscription, session: CheckoutState, at: datetime
) -> Deed | None:
    if session.subscription:
        state = stripe_gateway.read_subscription(session.subscription)
        return partial(_follow, event, subscription, state, None, at)
    if session.state is Paid.EXPIRED and not _is_over_long_ago(subscription, session):

        def give_up() -> None:
            news = subscriptions.give_up(subscription=subscription, at=at)
            _tell(news, event=event, subscription=subscription, kind=session.kind, at=at)

        return give_up
    return None


def _invoice(event: StripeEvent, at: datetime) -> Deed | None:
    invoice = stripe_gateway.read_invoice(event.object_id)
    if not invoice.subscription:
        return None
    return _subscribed(event, stripe_gateway.read_subscription(invoice.subscription), invoice, at)


def _subscription(event: StripeEvent, at: datetime) -> Deed | None:
    return _subscribed(event, stripe_gateway.read_subscription(event.object_id), None, at)


def _subscribed(
    event: StripeEvent, state: SubscriptionState, invoice: InvoiceState | None, at: datetime
) -> Deed | None:
    subscription = Subscription.objects.filter(reference=state.reference).first() if state.reference else None
    return partial(_follow, event, subscription, state, invoice, at) if subscription else None


def _follow(
    event: StripeEvent,
    subscription: Subscription,
    state: SubscriptionState,
    invoice: InvoiceState | None,
    at: datetime,
) -> None:
    news = subscriptions.follow(subscription=subscription, state=state, at=at)
    if invoice is not None:
        news |= subscriptions.take_payment(subscription=subscription, invoice=invoice, at=at)
    _tell(news, event=event, subscription=subscription, kind=state.kind, at=at)


def _tell(
    news: Iterable[str], *, event: StripeEvent, subscription: Subscription, kind: str, at: datetime
) -> None:
    for name in sorted(news, key=["paid", "changed", "ended"].index):
        answer = who_answers(f"subscription.{name}", kind)
        if answer is not None:
            answer(event=event, subscription=subscription, at=at)


def _refund(event: StripeEvent, at: datetime) -> Deed | None:
    state = stripe_gateway.read_refund(event.object_id)
    refund = _named(Refund, "refund", state.reference)
    if refund is None:
        log.warning("refund_of_unknown_making", stripe_id=state.id)
        return None
    return partial(refunds.heed, refund=refund, state=state, at=at)


def _dispute(event: StripeEvent, at: datetime) -> Deed | None:
    state = stripe_gateway.read_dispute(event.object_id)
    charge = Charge.objects.filter(payment_intent_id=state.payment_intent).first()
    if charge is None:  # it may come before the news that the charge was paid
        payment = stripe_gateway.read_payment(state.payment_intent)
        charge = Charge.objects.filter(reference=payment.reference).first() if payment else None
    return partial(disputes.heed, charge=charge, state=state, at=at) if charge else None


def _transfer(event: StripeEvent, at: datetime) -> Deed | None:
    transfer = stripe_gateway.read_transfer(event.object_id)
    payout = _named(Payout, "payout", transfer.reference)
    return partial(payouts.confirm, payout=payout, transfer=transfer, at=at) if payout else None


def _account(event: StripeEvent, at: datetime) -> Deed | None:
    payee = Payee.objects.filter(stripe_account_id=event.object_id).first()
    if payee is None:
        return None
    return partial(payees.heed, payee=payee, state=stripe_gateway.read_account(event.object_id), at=at)


def _named(model: type[Any], noun: str, reference: str) -> Any:
    """Return the row that we named so when we asked Stripe: like refund-<id>."""
    beginning, _, identity = reference.partition("-")
    return model.objects.filter(pk=identity).first() if beginning == noun and identity else None


_FAMILIES: dict[str, Callable[[StripeEvent, datetime], Deed | None]] = {
    "checkout.session.": _checkout,
    "invoice.paid": _invoice,
    "invoice.payment_failed": _invoice,
    "customer.subscription.": _subscription,
    "refund.": _refund,
    "charge.dispute.": _dispute,
    "transfer.created": _transfer,
    "account.updated": _account,
}
