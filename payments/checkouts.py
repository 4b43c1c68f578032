"""Stripe's pages on which a charge, or a subscription's first month, is paid: one attempt after another.

An attempt is what Stripe is asked for, word for word, under a key that names row and attempt: asked again,
it gives the same page. It holds a moment, its deadline, and ends with it, or with a definite no. The next one
asks anew, of what the row says then, once nobody can pay on the page before. Functions here ask Stripe.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import structlog
from django.db.models import F

from payments import stripe_gateway
from payments.models import Charge, Subscription
from payments.stripe_gateway import StripeRefused
from payments.stripe_records import CheckoutState, Paid, Purchase

log = structlog.get_logger(__name__)

# Stripe keeps a page open for 30 minutes at least and 24 hours at most; some room, because clocks differ.
SHORTEST = timedelta(minutes=31)
TIME_TO_PAY = timedelta(minutes=1)  # a page that shuts sooner is not worth going to
_FIELDS = ["checkout_attempt", "checkout_request", "checkout_expires_at", "checkout_id", "checkout_url"]


def page(row: Charge | Subscription, purchase: Purchase, *, at: datetime) -> CheckoutState:
    """Return the page on which the row can be paid now: the one that is open, or a new one.

    Return it PAID if somebody has paid. Of two callers at once both get the same page. Raise
    StripeUnavailable; or StripeRefused: there is no page, nothing was charged, the next call asks anew.
    """
    row.refresh_from_db(fields=_FIELDS)
    if row.checkout_request:
        last = _last_page(row, at=at)
        if last.state is not Paid.EXPIRED:
            return last
        _end_attempt(row)
    return _next_page(row, purchase)


def shut(row: Charge | Subscription) -> CheckoutState:
    """Make sure that nobody can pay on the row's page: EXPIRED, or PAID if somebody was quicker.

    Raise StripeUnavailable: then it may still be paid.
    """
    row.refresh_from_db(fields=_FIELDS)
    return _shut(row)


def _shut(row: Charge | Subscription) -> CheckoutState:
    """Shut the page of the attempt that the caller has seen, not one begun meanwhile."""
    nowhere = CheckoutState(id="", state=Paid.EXPIRED, reference=row.reference)
    if not row.checkout_id and row.checkout_request:
        try:
            _open(row)  # Stripe may have made it, and its answer was lost
        except StripeRefused:
            return nowhere  # it never did, and now it is too late to
    return _known(row, stripe_gateway.expire_checkout) if row.checkout_id else nowhere


def _known(row: Charge | Subscription, ask: Callable[[str], CheckoutState]) -> CheckoutState:
    """Ask about the row's page; one that Stripe does not know is one on which nobody can pay."""
    try:
        return ask(row.checkout_id or "")
    except StripeRefused as no:
        if no.code != "resource_missing":
            raise
        log.warning("checkout_unknown_to_stripe", row=str(row.pk), checkout=row.checkout_id)
        return CheckoutState(id="", state=Paid.EXPIRED, reference=row.reference)


def is_of_an_earlier_attempt(row: Charge | Subscription, state: CheckoutState) -> bool:
    """Say whether a page was followed by another, so that its end means nothing."""
    return 0 < state.attempt < row.checkout_attempt


def _last_page(row: Charge | Subscription, *, at: datetime) -> CheckoutState:
    """Return how the row's page stands, which is not OPEN when too little of its time is left."""
    is_over = row.checkout_expires_at is not None and row.checkout_expires_at <= at + TIME_TO_PAY
    if is_over:
        return _shut(row)
    if row.checkout_id:
        return _known(row, stripe_gateway.read_checkout)
    return _open_or_end(row)


def _next_page(row: Charge | Subscription, purchase: Purchase) -> CheckoutState:
    purchase = replace(purchase, attempt=row.checkout_attempt)
    rows = type(row)._base_manager.filter(pk=row.pk)  # noqa: SLF001 -- the one manager that never filters
    rows.filter(checkout_request={}, checkout_attempt=purchase.attempt).update(
        checkout_request=stripe_gateway.checkout_request(purchase), checkout_expires_at=purchase.expires_at
    )
    row.refresh_from_db(fields=_FIELDS)
    return _open_or_end(row)


def _open_or_end(row: Charge | Subscription) -> CheckoutState:
    try:
        return _open(row)
    except StripeRefused:
        _end_attempt(row)
        raise


def _open(row: Charge | Subscription) -> CheckoutState:
    attempt = row.checkout_attempt
    state = stripe_gateway.create_checkout(request=row.checkout_request, key=f"checkout-{row.pk}-{attempt}")
    row.checkout_id, row.checkout_url = state.id, state.url
    rows = type(row)._base_manager.filter(pk=row.pk, checkout_attempt=attempt)  # noqa: SLF001 -- as above
    rows.update(checkout_id=state.id, checkout_url=state.url)
    return state


def _end_attempt(row: Charge | Subscription) -> None:
    """Let the next call ask anew. Of many callers one ends it; the others find the next attempt begun."""
    rows = type(row)._base_manager.filter(pk=row.pk, checkout_attempt=row.checkout_attempt)  # noqa: SLF001 -- as above
    rows.update(
        checkout_attempt=F("checkout_attempt") + 1,
        checkout_request={},
        checkout_expires_at=None,
        checkout_id=None,
        checkout_url="",
    )
    row.refresh_from_db(fields=_FIELDS)
