"""From Stripe's objects, as the SDK gives them, to our records. Only `stripe_gateway` reads here.

Stripe leaves many fields out while they are unset, and the SDK has no attribute then: whatever its types call
optional is read with `said`. tests/payments/test_stripe_reading.py leaves out each field of each answer.
"""

from datetime import UTC, datetime
from typing import Any

from payments.money import Money
from payments.stripe_records import (
    AccountState,
    BankPayoutState,
    CheckoutState,
    DisputeState,
    InvoiceState,
    Movement,
    Paid,
    Payment,
    RefundState,
    ReversalState,
    SignedEvent,
    SubscriptionState,
    TransferState,
)


def said(thing: Any, *names: str) -> Any:
    """Return a field that Stripe may leave out or null, or one inside such fields; None if it did."""
    for name in names:
        thing = getattr(thing, name, None)
    return thing


def payment(intent: Any) -> Payment | None:
    """Return a payment, expanded down to the booking of its fee; None if it did not succeed."""
    charge = said(intent, "latest_charge")
    if intent.status != "succeeded" or charge is None:
        return None
    booked = said(charge, "balance_transaction")
    return Payment(
        payment_intent=intent.id,
        reference=label(intent, "reference"),
        charge=charge.id,
        amount=money(charge.amount, charge.currency),
        stripe_fee=money(booked.fee, booked.currency) if booked else None,
        settled=money(booked.amount, booked.currency) if booked else None,
    )


def dispute(dispute: Any) -> DisputeState:
    movements = dispute.balance_transactions
    settled_in = movements[0].currency if movements else dispute.currency
    return DisputeState(
        id=dispute.id,
        payment_intent=id_of(said(dispute, "payment_intent")),
        amount=money(dispute.amount, dispute.currency),
        status=dispute.status,
        reason=said(dispute, "reason") or "",
        is_withdrawn=any(one.amount < 0 for one in movements),
        is_reinstated=any(one.amount > 0 for one in movements),
        stripe_fee=money(sum(one.fee for one in movements), settled_in),
    )


def movement(line: Any) -> Movement:
    return Movement(
        id=line.id,
        type=line.type,
        source=id_of(said(line, "source")),
        amount=money(line.amount, line.currency),
        fee=money(line.fee, line.currency),
        made_at=moment(line.created),
    )


def checkout(session: Any) -> CheckoutState:
    status, total, currency = (said(session, name) for name in ("status", "amount_total", "currency"))
    attempt = label(session, "attempt")
    is_paid = status == "complete" and session.payment_status != "unpaid"
    state = Paid.PAID if is_paid else Paid.EXPIRED if status == "expired" else Paid.OPEN
    return CheckoutState(
        id=session.id,
        state=state,
        url=said(session, "url") or "",
        payment_intent=id_of(said(session, "payment_intent")),
        subscription=id_of(said(session, "subscription")),
        kind=label(session, "kind"),
        reference=label(session, "reference"),
        amount=money(total, currency) if total is not None and currency else None,
        attempt=int(attempt) if attempt.isdecimal() and len(attempt) < 6 else 0,
    )


def refund(refund: Any) -> RefundState:
    return RefundState(
        id=refund.id,
        status=said(refund, "status") or "pending",
        reference=label(refund, "reference"),
        failure=said(refund, "failure_reason") or "",
        payment_intent=id_of(said(refund, "payment_intent")),
        amount=money(refund.amount, refund.currency),
    )


def subscription(subscription: Any) -> SubscriptionState:
    return SubscriptionState(
        id=subscription.id,
        status=subscription.status,
        ends_at_period_end=subscription.cancel_at_period_end,
        reference=label(subscription, "reference"),
        kind=label(subscription, "kind"),
    )


def account(account: Any) -> AccountState:
    return AccountState(
        id=account.id,
        details_submitted=bool(said(account, "details_submitted")),
        transfers_active=said(account, "capabilities", "transfers") == "active",
        payouts_enabled=bool(said(account, "payouts_enabled")),
        reference=label(account, "reference"),
        requirements=list(said(account, "requirements", "currently_due") or []),
    )


def transfer(transfer: Any) -> TransferState:
    return TransferState(
        id=transfer.id,
        destination=id_of(said(transfer, "destination")),
        amount=money(transfer.amount, transfer.currency),
        reference=label(transfer, "reference"),
    )


def invoice(invoice: Any, payment: Payment | None) -> InvoiceState:
    periods = [line.period for line in invoice.lines.data]
    return InvoiceState(
        id=invoice.id,
        subscription=id_of(said(invoice, "parent", "subscription_details", "subscription")),
        is_paid=said(invoice, "status") == "paid",
        payment=payment,
        due=money(invoice.amount_due, invoice.currency),
        starts_at=moment(min(each.start for each in periods)) if periods else None,
        ends_at=moment(max(each.end for each in periods)) if periods else None,
    )


def reversal(reversal: Any) -> ReversalState:
    return ReversalState(id=reversal.id, amount=money(reversal.amount, reversal.currency))


def bank_payout(payout: Any) -> BankPayoutState:
    return BankPayoutState(
        id=payout.id,
        status=payout.status,
        amount=money(payout.amount, payout.currency),
        made_at=moment(payout.created),
        failure=said(payout, "failure_message") or said(payout, "failure_code") or "",
    )


def event(event: Any) -> SignedEvent:
    """Return what we keep of an event: whose it is and what about. What it says of people is not kept."""
    about = said(event, "data", "object")
    return SignedEvent(
        id=event.id,
        kind=event.type,
        account=said(event, "account") or "",
        api_version=said(event, "api_version") or "",
        body={"data": {"object": {"id": id_of(about), "object": said(about, "object") or ""}}},
    )


def label(thing: Any, name: str) -> str:
    metadata = said(thing, "metadata")
    return str(metadata[name]) if metadata and name in metadata else ""


def moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def money(minor: int, currency: str) -> Money:
    return Money(minor, currency.upper())


def id_of(thing: Any) -> str:
    """Return the id of what may be an id, an expanded object or nothing."""
    return thing if isinstance(thing, str) else getattr(thing, "id", "") or ""
