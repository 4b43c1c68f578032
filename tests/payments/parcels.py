"""Something to sell that no app knows: parcels. What the sale does is written down in LETTERS."""

import secrets
from datetime import datetime
from typing import TYPE_CHECKING, Any

import stripe
from django.conf import settings

from accounts.models import User
from payments import charges, releases
from payments.answers import answers
from payments.models import Charge, Payee, StripeEvent, Subscription
from payments.money import Money
from payments.stripe_records import CheckoutState, Paid

if TYPE_CHECKING:
    from payments.sandbox.serve import StandIn

KIND = "parcel"
LETTERS: list[str] = []  # what each buyer would be told, to count that it is once


@answers(
    "checkout.session.completed",
    "checkout.session.async_payment_succeeded",
    "checkout.session.expired",
    kind=KIND,
)
def checkout_told(*, event: StripeEvent, session: CheckoutState, at: datetime) -> None:
    charge = Charge.objects.get(reference=session.reference)
    if session.state is Paid.EXPIRED:
        charges.drop(charge=charge, at=at)
    elif session.state is Paid.PAID and charges.settle(
        charge=charge, payment_intent=session.payment_intent, at=at
    ):
        LETTERS.append(session.reference)


@answers("subscription.paid", kind=KIND)
def subscription_paid(*, event: StripeEvent, subscription: Subscription, at: datetime) -> None:
    LETTERS.append(f"paid {subscription.reference}")


@answers("subscription.changed", kind=KIND)
def subscription_changed(*, event: StripeEvent, subscription: Subscription, at: datetime) -> None:
    LETTERS.append(f"changed {subscription.reference}")


@answers("subscription.ended", kind=KIND)
def subscription_ended(*, event: StripeEvent, subscription: Subscription, at: datetime) -> None:
    LETTERS.append(f"ended {subscription.reference}")


def asked(payee: Payee, buyer: User, minor: int, *, at: datetime) -> Charge:
    return charges.ask(
        payee=payee,
        buyer=buyer,
        reference=f"parcel-{secrets.token_hex(8)}",
        description="A parcel",
        amount=Money(minor, payee.currency),
        at=at,
    )


def sold(payee: Payee, buyer: User, minor: int, *, at: datetime, released: bool = False) -> Charge:
    charge = asked(payee, buyer, minor, at=at)
    assert charges.settle(charge=charge, payment_intent=f"pi_{secrets.token_hex(8)}", at=at)
    if released:
        releases.release(charge=charge, at=at)
    return charge


def foreign(stand_in: "StandIn", *, card: str = "4242424242424242") -> None:
    """Let another product on the same Stripe account sell something."""
    client = stripe.StripeClient(settings.STRIPE_SECRET_KEY, base_addresses={"api": stand_in.base_url})
    line: Any = {
        "price_data": {"currency": "eur", "unit_amount": 900, "product_data": {"name": "A book"}},
        "quantity": 1,
    }
    session = client.v1.checkout.sessions.create(
        {"mode": "payment", "success_url": "https://books.example/", "line_items": [line]}
    )
    stand_in.pay(session.id, card=card)
