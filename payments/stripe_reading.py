"""From Stripe's objects, as the SDK gives them, to our records. Only `stripe_gateway` reads here."""

from datetime import UTC, datetime
from typing import Any

from payments.money import Money
from payments.stripe_records import (
    AccountState,
    CheckoutState,
    DisputeState,
    Movement,
    Paid,
    Payment,
    RefundState,
    SignedEvent,
    SubscriptionState,
    TransferState,
)


def payment(intent: Any) -> Payment | None:
    """Return a payment, expanded down to the booking of its fee; None if it did not succeed."""
    if intent.status != "succeeded":
        return None
    charge = intent.latest_charge
    booked = charge.balance_transaction
    return Payment(
        payment_intent=intent.id,
        reference=label(intent, "reference"),
        charge=charge.id,
        amount=money(charge.amount, charge.currency),
        stripe_fee=money(booked.fee, booked.currency) if booked else None,
    )


def dispute(dispute: Any) -> DisputeState:
    movements = dispute.balance_transactions
    settled_in = {one.currency for one in movements} or {dispute.currency}
    return DisputeState(
        id=dispute.id,
        payment_intent=id_of(dispute.payment_intent),
        amount=money(dispute.amount, dispute.currency),
        status=dispute.status,
        reason=dispute.reason or "",
        is_withdrawn=any(one.amount < 0 for one in movements),
        is_reinstated=any(one.amount > 0 for one in movements),
        stripe_fee=money(sum(one.fee for one in movements), *settled_in),
    )


def movement(line: Any) -> Movement:
    return Movement(
        id=line.id,
        type=line.type,
        source=id_of(line.source),
        amount=money(line.amount, line.currency),
        fee=money(line.fee, line.currency),
        made_at=datetime.fromtimestamp(line.created, UTC),
    )


def checkout(session: Any) -> CheckoutState:
    is_paid = session.status == "complete" and session.payment_status != "unpaid"
    state = Paid.PAID if is_paid else Paid.EXPIRED if session.status == "expired" else Paid.OPEN
    has_total = session.amount_total is not None
    return CheckoutState(
        id=session.id,
        state=state,
        url=session.url or "",
        payment_intent=id_of(session.payment_intent),
        subscription=id_of(session.subscription),
        kind=label(session, "kind"),
        reference=label(session, "reference"),
        amount=money(session.amount_total, session.currency) if has_total else None,
    )


def refund(refund: Any) -> RefundState:
    return RefundState(
        id=refund.id,
        status=refund.status or "pending",
        reference=label(refund, "reference"),
        failure=refund.failure_reason or "",
    )


def subscription(subscription: Any) -> SubscriptionState:
    ends = [item.current_period_end for item in subscription["items"].data]
    return SubscriptionState(
        id=subscription.id,
        status=subscription.status,
        paid_until=datetime.fromtimestamp(max(ends), UTC) if ends else None,
        ends_at_period_end=subscription.cancel_at_period_end,
        reference=label(subscription, "reference"),
        kind=label(subscription, "kind"),
    )


def account(account: Any) -> AccountState:
    capabilities, requirements = account.capabilities, account.requirements
    return AccountState(
        id=account.id,
        details_submitted=bool(account.details_submitted),
        transfers_active=bool(capabilities) and getattr(capabilities, "transfers", None) == "active",
        requirements=list(requirements.currently_due or []) if requirements else [],
    )


def transfer(transfer: Any) -> TransferState:
    return TransferState(
        id=transfer.id,
        destination=id_of(transfer.destination),
        amount=money(transfer.amount, transfer.currency),
        reference=label(transfer, "reference"),
    )


def event(event: Any) -> SignedEvent:
    return SignedEvent(
        id=event.id,
        kind=event.type,
        account=getattr(event, "account", None) or "",
        api_version=event.api_version or "",
        body=event.to_dict(for_json=True),
    )


def label(thing: Any, name: str) -> str:
    metadata = thing.metadata
    return str(metadata[name]) if metadata and name in metadata else ""


def money(minor: int, currency: str) -> Money:
    return Money(minor, currency.upper())


def id_of(thing: Any) -> str:
    """Return the id of what may be an id, an expanded object or nothing."""
    return thing if isinstance(thing, str) else getattr(thing, "id", "") or ""
