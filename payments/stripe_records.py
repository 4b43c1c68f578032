"""What we know of Stripe's objects: small frozen records, so that no other module meets a StripeObject."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from payments.money import Money


class Paid(StrEnum):
    """How it stands with a page of Stripe's Checkout."""

    OPEN = "open"
    PAID = "paid"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Purchase:
    """What a Checkout page sells."""

    kind: str
    reference: str
    description: str
    amount: Money
    email: str
    success_url: str
    cancel_url: str
    expires_at: datetime
    monthly: bool = False
    attempt: int = 1


@dataclass(frozen=True, slots=True)
class CheckoutState:
    """A Checkout page as it stands now. Without `kind` and `reference` it is not of our making."""

    id: str
    state: Paid
    url: str = ""
    payment_intent: str = ""
    subscription: str = ""
    kind: str = ""
    reference: str = ""
    amount: Money | None = None
    attempt: int = 0


@dataclass(frozen=True, slots=True)
class Payment:
    """A payment that succeeded: its charge, and what Stripe kept of it once that is known."""

    payment_intent: str
    reference: str
    charge: str
    amount: Money
    stripe_fee: Money | None  # in the currency that Stripe settles in
    settled: Money | None = None  # what came into our balance for it, before the fee


@dataclass(frozen=True, slots=True)
class RefundState:
    """Money on its way back. Without `reference` it was made at Stripe itself."""

    id: str
    status: str  # pending, requires_action, succeeded, failed, canceled
    reference: str = ""
    failure: str = ""
    payment_intent: str = ""
    amount: Money | None = None


@dataclass(frozen=True, slots=True)
class DisputeState:
    """A dispute, and what it did to our balance: each of the two happens once at most."""

    id: str
    payment_intent: str
    amount: Money
    status: str
    reason: str
    is_withdrawn: bool
    is_reinstated: bool
    stripe_fee: Money


@dataclass(frozen=True, slots=True)
class SubscriptionState:
    id: str
    status: str  # active, trialing, past_due, unpaid, canceled, incomplete, incomplete_expired, paused
    ends_at_period_end: bool
    reference: str
    kind: str


@dataclass(frozen=True, slots=True)
class InvoiceState:
    """An invoice of a subscription: which time it is for, and what was paid for that.

    It has a payment once it is paid, unless it came to nothing or was marked as paid outside Stripe.
    """

    id: str
    subscription: str
    is_paid: bool
    payment: Payment | None
    due: Money | None = None
    starts_at: datetime | None = None
    ends_at: datetime | None = None

    @property
    def was_paid_elsewhere(self) -> bool:
        return self.is_paid and self.payment is None and self.due is not None and self.due.minor > 0


@dataclass(frozen=True, slots=True)
class AccountState:
    """A payee's account at Stripe."""

    id: str
    details_submitted: bool
    transfers_active: bool
    payouts_enabled: bool = False
    reference: str = ""
    requirements: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class TransferState:
    """Money that went to a payee's account. `reference` is ours; empty means that it is not of our making."""

    id: str
    destination: str
    amount: Money
    reference: str


@dataclass(frozen=True, slots=True)
class ReversalState:
    """A transfer, or a part of it, taken back from the payee's account."""

    id: str
    amount: Money


@dataclass(frozen=True, slots=True)
class BankPayoutState:
    """Money on its way from a payee's account at Stripe to their bank."""

    id: str
    status: str  # pending, in_transit, paid, failed, canceled
    amount: Money
    made_at: datetime
    failure: str = ""


@dataclass(frozen=True, slots=True)
class Movement:
    """One line of our balance at Stripe: `amount` came in (or left, below zero), less `fee`."""

    id: str
    type: str  # charge, payment, refund, refund_failure, adjustment, transfer, …
    source: str
    amount: Money
    fee: Money
    made_at: datetime


@dataclass(frozen=True, slots=True)
class SignedEvent:
    """An event that is surely Stripe's."""

    id: str
    kind: str
    account: str
    api_version: str
    body: dict[str, Any]
