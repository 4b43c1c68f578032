"""What people do at Stripe by hand with what is ours: taken into the books, or a case for finance."""

from collections.abc import Sequence
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from accounts import audit
from payments import cases, ledger, pots, refund_postings, refunds
from payments.models import Case, Charge, LedgerAccount, Payee, Payout, Refund, Reversal
from payments.stripe_records import RefundState, ReversalState, TransferState

Kind = LedgerAccount.Kind
GONE = {"failed", "canceled"}


@transaction.atomic
def refund(*, charge: Charge, state: RefundState, at: datetime) -> None:
    """Take a refund that was made at Stripe itself into the books: a row like one of ours. One transaction.

    If we were about to give the same back, it stands for ours. One that does not fit is a case.
    """
    charge = Charge.objects.select_for_update(of=("self",), no_key=True).get(pk=charge.pk)
    known = Refund.objects.filter(stripe_id=state.id).first() or _ours_for(charge, state)
    if known is not None:
        refunds.heed(refund=known, state=state, at=at)
        return
    if state.status in GONE or state.amount is None:
        return
    left = charge.remainder()
    if state.amount.currency != charge.currency or state.amount.minor > left.amount.minor:
        cases.report(
            kind=Case.Kind.FOREIGN_REFUND,
            cause=f"foreign-refund-{state.id}",
            what=_(
                "Somebody gave %(amount)s back at Stripe, and only %(left)s of that sale are left. "
                "It is not in the books. Look at Stripe, and undo one of the two."
            )
            % {"amount": state.amount.shown, "left": left.amount.shown},
            subject=charge,
            stripe_id=state.id,
            at=at,
        )
        return
    made = Refund.objects.create(
        charge=charge,
        amount_minor=state.amount.minor,
        fee_minor=left.fee.prorate(part=state.amount, whole=left.amount).minor,
        currency=charge.currency,
        reason=_("Given back at Stripe"),
        status=Refund.Status.SENT,
        stripe_id=state.id,
        asked_by=None,
        created_at=at,
        asked_stripe_at=at,
    )
    refund_postings.post([made], at=at)
    audit.record(
        actor=None, verb="refund-adopted", subject=made, details={"amount": str(state.amount)}, at=at
    )
    refunds.heed(refund=made, state=state, at=at)


def _ours_for(charge: Charge, state: RefundState) -> Refund | None:
    """Return a refund of ours that was not asked for yet, if this is the same money."""
    if state.amount is None or state.status in GONE or state.amount.currency != charge.currency:
        return None
    if state.amount.minor <= charge.remainder().amount.minor:
        return None
    waiting = charge.refunds.filter(
        status=Refund.Status.WANTED, stripe_id=None, amount_minor=state.amount.minor
    )
    return waiting.order_by("created_at").first()


@transaction.atomic
def reversals(*, payout: Payout, taken: Sequence[ReversalState], at: datetime) -> None:
    """Give what was taken back from a payee's account back to their balance, each once. One transaction."""
    payee = pots.lock(payout.payee_id)
    for state in taken:
        row, is_new = Reversal.objects.get_or_create(
            stripe_id=state.id,
            defaults={
                "payout": payout,
                "amount_minor": state.amount.minor,
                "currency": state.amount.currency,
                "at": at,
            },
        )
        if not is_new:
            continue
        ledger.post(
            source=ledger.account(kind=Kind.PAID_OUT, currency=row.currency, payee=payee),
            target=ledger.account(kind=Kind.AVAILABLE, currency=row.currency, payee=payee),
            amount=row.amount,
            reason="payout-reversed",
            reference=row.cause,
            at=at,
        )
        audit.record(
            actor=None, verb="payout-reversed", subject=payout, details={"amount": str(row.amount)}, at=at
        )
        cases.report(
            kind=Case.Kind.REVERSAL,
            cause=row.cause,
            what=_(
                "Somebody took %(amount)s of a payout to %(payee)s back at Stripe. "
                "It is in their balance again. Tell them why, or send it once more."
            )
            % {"amount": row.amount.shown, "payee": payee.name},
            subject=payout,
            stripe_id=payout.stripe_id or "",
            at=at,
        )
    pots.notice_debt(payee, at=at)


def transfer(*, payee: Payee, state: TransferState, at: datetime) -> None:
    """Open a case for money that somebody sent to a payee at Stripe: no payout of ours says so."""
    cases.report(
        kind=Case.Kind.PAYOUT,
        cause=f"foreign-transfer-{state.id}",
        what=_(
            "Somebody sent %(amount)s to %(payee)s at Stripe by hand. It is not in the books: "
            "take it back there, or keep it as the platform's own expense."
        )
        % {"amount": state.amount.shown, "payee": payee.name},
        subject=payee,
        stripe_id=state.id,
        at=at,
    )
