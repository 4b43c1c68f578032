"""A buyer goes to their bank: the bank takes the money from us at once, and gives it back if we win."""

from datetime import datetime

from django.db import transaction

from accounts import audit
from payments import failed_refunds, ledger, pots
from payments.models import Charge, Dispute, LedgerAccount
from payments.money import Money
from payments.stripe_records import DisputeState

Kind = LedgerAccount.Kind


@transaction.atomic
def heed(*, charge: Charge, state: DisputeState, at: datetime) -> Dispute:
    """Take in how a dispute stands, and post what it did to our money, each once. One transaction.

    It may come before the news that the charge was paid: then the payee's pot is below zero until that comes.
    `at` is when Stripe was asked; an older answer changes no status any more.
    """
    charge = Charge.objects.select_for_update(of=("self",), no_key=True).get(pk=charge.pk)
    dispute, is_new = Dispute.objects.get_or_create(
        stripe_id=state.id,
        defaults={
            "charge": charge,
            "amount_minor": state.amount.minor,
            "currency": state.amount.currency,
            "stripe_status": state.status,
            "reason": state.reason[:60],
            "created_at": at,
            "asked_stripe_at": at,
        },
    )
    if is_new:
        audit.record(actor=None, verb="charge-disputed", subject=charge, reason=state.reason, at=at)
    elif dispute.asked_stripe_at is None or dispute.asked_stripe_at <= at:
        dispute.stripe_status, dispute.asked_stripe_at = state.status, at
    if state.is_withdrawn and dispute.withdrawn_at is None:
        _withdraw(dispute, charge, state.stripe_fee, at=at)
    if state.is_reinstated and dispute.reinstated_at is None:
        _reinstate(dispute, charge, at=at)
    dispute.save()
    failed_refunds.bank_decided(charge, at=at)
    return dispute


def _withdraw(dispute: Dispute, charge: Charge, stripe_fee: Money, *, at: datetime) -> None:
    left = charge.remainder()
    fee = left.fee.prorate(part=dispute.amount, whole=max(left.amount, dispute.amount))
    dispute.is_withdrawn, dispute.withdrawn_at = True, at
    dispute.fee_minor = fee.minor
    dispute.stripe_fee_minor, dispute.stripe_fee_currency = stripe_fee.minor, stripe_fee.currency
    fees = ledger.account(kind=Kind.FEES, currency=charge.currency)
    buyers = ledger.account(kind=Kind.BUYERS, currency=charge.currency)
    payee, pot, cause = pots.lock(charge.payee_id), pots.of_charge(charge), dispute.cause
    ledger.post(source=fees, target=pot, amount=fee, reason="dispute-fee", reference=cause, at=at)
    ledger.post(source=pot, target=buyers, amount=dispute.amount, reason="dispute", reference=cause, at=at)
    # The platform bears what Stripe takes for it, and Stripe keeps that even if we win.
    ledger.post(
        source=ledger.account(kind=Kind.FEES, currency=stripe_fee.currency),
        target=ledger.account(kind=Kind.STRIPE_FEES, currency=stripe_fee.currency),
        amount=stripe_fee,
        reason="dispute-stripe-fee",
        reference=cause,
        at=at,
    )
    pots.notice_debt(payee, at=at)


def _reinstate(dispute: Dispute, charge: Charge, *, at: datetime) -> None:
    dispute.is_withdrawn, dispute.reinstated_at = False, at
    fees = ledger.account(kind=Kind.FEES, currency=charge.currency)
    buyers = ledger.account(kind=Kind.BUYERS, currency=charge.currency)
    payee, pot, cause = pots.lock(charge.payee_id), pots.of_charge(charge), dispute.cause
    ledger.post(
        source=buyers, target=pot, amount=dispute.amount, reason="dispute-undone", reference=cause, at=at
    )
    ledger.post(
        source=pot, target=fees, amount=dispute.fee, reason="dispute-fee-undone", reference=cause, at=at
    )
    pots.notice_debt(payee, at=at)
