"""What follows when Stripe tells of a checkout that sold tickets."""

from datetime import datetime

import structlog

from payments.models import Charge, StripeEvent
from payments.stripe_events import answers
from payments.stripe_records import CheckoutState
from ticketing import aftersales, sales
from ticketing.models import Order

log = structlog.get_logger(__name__)


@answers(
    "checkout.session.completed",
    "checkout.session.async_payment_succeeded",
    "checkout.session.async_payment_failed",
    "checkout.session.expired",
    kind="order",
)
def checkout_told(*, event: StripeEvent, session: CheckoutState, at: datetime) -> None:
    """Follow the checkout as it stands at Stripe now, however many events tell of it, in whatever order."""
    order = Order.objects.filter(charge__reference=session.reference).select_related("charge").first()
    if order is None:
        # Another installation may share the Stripe account; what it sells is not ours to seat.
        log.warning("unknown_order", reference=session.reference, stripe_event=event.stripe_id)
        return
    sales.heed(order=order, checkout=session, at=at)


@answers("charge.returning", kind="order")
def charge_returning(*, charge: Charge) -> None:
    """Lock the order before its charge, as everybody does."""
    Order.objects.select_for_update(of=("self",), no_key=True).filter(charge=charge).first()


@answers("charge.returned", kind="order")
def charge_returned(*, event: StripeEvent, charge: Charge, at: datetime) -> None:
    """End the tickets of an order whose whole money is with its buyer again, whoever gave it back."""
    del event
    order = Order.objects.filter(charge=charge).first()
    if order is not None:
        aftersales.end_returned(order=order, at=at)
