"""What becomes of a membership when Stripe tells of its subscription. payments has done its part before."""

from datetime import datetime

from clubs import memberships
from payments.models import StripeEvent, Subscription
from payments.stripe_events import answers


@answers("subscription.paid", kind=memberships.KIND)
def subscription_paid(*, subscription: Subscription, event: StripeEvent, at: datetime) -> None:
    del event
    memberships.renew(subscription=subscription, at=at)


@answers("subscription.changed", kind=memberships.KIND)
def subscription_changed(*, subscription: Subscription, event: StripeEvent, at: datetime) -> None:
    del event, at
    memberships.follow(subscription=subscription)


@answers("subscription.ended", kind=memberships.KIND)
def subscription_ended(*, subscription: Subscription, event: StripeEvent, at: datetime) -> None:
    del event
    memberships.end(subscription=subscription, at=at)
