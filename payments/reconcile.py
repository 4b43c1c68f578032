"""Ask Stripe about whatever is still unknown: events that never came, fees not told, papers under way.

Each payee and subscription is asked about in turn, so that what changed is found when no event is left of it.

Refunds and payouts without an answer ask for themselves, in `send_due`.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial

import structlog
from celery.exceptions import SoftTimeLimitExceeded
from django.db import transaction
from django.utils.translation import gettext as _

from core import retries
from payments import cases, charges, checkouts, dispatch, payees, stripe_events, stripe_gateway, subscriptions
from payments.models import Case, Subscription
from payments.stripe_records import CheckoutState, InvoiceState, Paid, SubscriptionState

log = structlog.get_logger(__name__)
SUBSCRIPTIONS_AT_ONCE = 100
SUBSCRIPTIONS_TURN = timedelta(days=1)
AFTER_THE_MONTH = timedelta(hours=1)


def run(*, at: datetime) -> None:
    """Ask everything; a question without an answer is asked again the next time. Asks Stripe."""
    _try("undelivered events", partial(stripe_events.fetch_undelivered, at=at))
    _try("missing fees", partial(charges.learn_missing_fees, at=at))
    _try("payees", partial(payees.ask_in_turn, at=at))
    _try("subscriptions", partial(ask_subscriptions_in_turn, at=at))


def ask_subscriptions_in_turn(*, at: datetime) -> int:
    """Ask how subscriptions stand and what was paid, those asked longest ago first; return how many answered.

    Asks Stripe. The first time is an hour after the month that is paid: then it has renewed, or should have.
    """
    alive = Subscription.objects.exclude(status=Subscription.Status.ENDED).exclude(checkout_request={})
    return retries.work(
        alive,
        partial(_ask_subscription, at=at),
        at=at,
        at_once=SUBSCRIPTIONS_AT_ONCE,
        give_up=partial(_subscription_unknown, at=at),
    )


def _ask_subscription(subscription: Subscription, *, at: datetime) -> None:
    stripe_id = subscription.stripe_id
    if not stripe_id and subscription.checkout_id:
        session = stripe_gateway.read_checkout(subscription.checkout_id)
        stripe_id = session.subscription
        if not stripe_id and session.state is Paid.EXPIRED:
            _end_unpaid(subscription, session, at=at)
    if stripe_id:
        state = stripe_gateway.read_subscription(stripe_id)
        known = set(subscription.periods.values_list("invoice_id", flat=True))
        missed = [one for one in stripe_gateway.paid_invoices(stripe_id) if one.id not in known]
        _catch_up(subscription, state, missed, at=at)
    retries.rest(subscription, until=_next_turn(subscription, at=at))
    cases.it_worked(cause=f"subscription-{subscription.pk}", note=_("Stripe answered after all."), at=at)


@transaction.atomic
def _end_unpaid(subscription: Subscription, session: CheckoutState, *, at: datetime) -> None:
    subscription.refresh_from_db(fields=["checkout_attempt"])
    if checkouts.is_of_an_earlier_attempt(subscription, session):
        return  # they came back meanwhile, and have another page
    news = subscriptions.give_up(subscription=subscription, at=at)
    dispatch.tell(news, event=None, subscription=subscription, kind=session.kind, at=at)


@transaction.atomic
def _catch_up(
    subscription: Subscription, state: SubscriptionState, missed: list[InvoiceState], *, at: datetime
) -> None:
    news = subscriptions.follow(subscription=subscription, state=state, at=at)
    for invoice in reversed(missed):  # the oldest first
        news |= subscriptions.take_payment(subscription=subscription, invoice=invoice, at=at)
    dispatch.tell(news, event=None, subscription=subscription, kind=state.kind, at=at)


def _next_turn(subscription: Subscription, *, at: datetime) -> datetime:
    """Return when to ask again: an hour after its month, when it should have renewed; daily at least."""
    due = (subscription.paid_until or at) + AFTER_THE_MONTH
    return min(max(due, at + AFTER_THE_MONTH), at + SUBSCRIPTIONS_TURN)


def _subscription_unknown(subscription: Subscription, error: Exception, *, at: datetime) -> None:
    cases.report(
        kind=Case.Kind.SUBSCRIPTION,
        cause=f"subscription-{subscription.pk}",
        what=_(
            "Stripe does not tell how “%(description)s” stands, however often it was asked. "
            "The last answer: %(error)s"
        )
        % {"description": subscription.description, "error": str(error)[:300] or type(error).__name__},
        subject=subscription,
        stripe_id=subscription.stripe_id or subscription.checkout_id or "",
        at=at,
    )


def _try(what: str, question: Callable[[], object]) -> None:
    try:
        question()
    except SoftTimeLimitExceeded:
        raise
    except Exception:  # one question that fails keeps no other from being asked
        log.exception("question_not_asked", question=what)
