"""A refund that did not reach the buyer: tried anew where that can help, else a case for finance.

What the buyer is owed is promised again in the same transaction, so that it stays out of the creator's
balance until the buyer has it, or a person has decided otherwise.
"""

from datetime import datetime, timedelta

from django.db import transaction
from django.utils.translation import gettext as _

from accounts import audit
from accounts.models import User
from payments import cases, letters, refund_postings
from payments.models import Case, Charge, Refund
from payments.states import move

Status = Refund.Status
# What may be over by the next try. To a card that is lost or expired no try ever comes through.
PASSES = {"balance_insufficient", "declined", "insufficient_funds", "processing_error", "unknown"}
PAUSES = (timedelta(hours=1), timedelta(days=1), timedelta(days=3))
BANK_DECIDES = "charge_disputed"


class NotWaiting(Exception):
    """The refund does not wait for a person: it is on its way, done, or ended."""


def next_attempt(refund: Refund, *, at: datetime) -> Refund | None:
    """Return the row that takes a failed refund's place, in the caller's transaction; it is not posted yet.

    None where the buyer has gone to the bank: the bank decides, and the money must not go back twice. Where
    another try cannot help, the row waits for a person, and a case says so. The buyer is told, once.
    """
    if refund.failure == BANK_DECIDES:
        _report(refund, subject=refund, at=at)
        return None
    tries = _tries(refund)
    helps = refund.failure in PASSES and tries <= len(PAUSES)
    anew = Refund.objects.create(
        charge=refund.charge,
        amount_minor=refund.amount_minor,
        fee_minor=refund.fee_minor,
        currency=refund.currency,
        reason=refund.reason,
        asked_by=refund.asked_by,
        created_at=at,
        follows=refund,
        next_attempt_at=at + PAUSES[tries - 1] if helps else None,
        given_up_at=None if helps else at,
        last_error="" if helps else refund.failure,
    )
    if refund.follows_id is None:
        letters.refund_late(refund=anew, at=at)
    else:
        cases.it_worked(cause=_cause(refund.follows), note=_("Tried again, and it failed again."), at=at)
    if not helps:
        _report(refund, subject=anew, at=at)
    return anew


def _tries(refund: Refund) -> int:
    tries, before = 1, refund.follows
    while before is not None:
        tries, before = tries + 1, before.follows
    return tries


def _cause(failed: Refund | None) -> str:
    return f"{failed.cause}-failed" if failed else ""


def _report(refund: Refund, *, subject: Refund, at: datetime) -> None:
    words = {"amount": refund.amount.shown, "why": refund.failure}
    if subject == refund:
        what = _(
            "A refund of %(amount)s was refused, since the buyer has gone to the bank. The bank decides. "
            "Look whether the dispute covers what was promised."
        )
    else:
        what = _(
            "A refund of %(amount)s did not reach the buyer (%(why)s), and trying again will not help. "
            "The money is kept back from the creator. Ask the buyer where it may go, or try it again."
        )
    cases.report(
        kind=Case.Kind.REFUND,
        cause=_cause(refund),
        what=what % words,
        subject=subject,
        stripe_id=refund.stripe_id or refund.charge.payment_intent_id or "",
        at=at,
    )


@transaction.atomic
def set_aside(refund: Refund, *, at: datetime) -> None:
    """Let a person look at a refund that Stripe says was made before, though not by us. One transaction.

    It is not undone: the buyer may have the money.
    """
    waiting = Refund.objects.filter(pk=refund.pk, status=Status.WANTED, given_up_at=None)
    if not waiting.update(given_up_at=at, last_error="charge_already_refunded"):
        return
    cases.report(
        kind=Case.Kind.REFUND,
        cause=f"{refund.cause}-already",
        what=_(
            "Stripe says that a sale of which %(amount)s were to be given back is refunded already, but not "
            "by this refund. Look at Stripe who did it. If the buyer has the money, say that it was given "
            "back by hand; if another row says so already, say that it is not owed."
        )
        % {"amount": refund.amount.shown},
        subject=refund,
        stripe_id=refund.charge.payment_intent_id or "",
        at=at,
    )


def came_through(refund: Refund, *, at: datetime) -> None:
    """Tell the buyer that it came after all, and settle the case, in the caller's transaction."""
    cases.it_worked(cause=f"{refund.cause}-already", note=_("Stripe has made it after all."), at=at)
    if refund.follows is not None:
        cases.it_worked(cause=_cause(refund.follows), note=_("The buyer has the money now."), at=at)
        letters.refund_came_through(refund=refund, at=at)


@transaction.atomic
def given_by_hand(*, refund: Refund, by: User, note: str, at: datetime) -> None:
    """Take in that the buyer has the money by another way than Stripe. One transaction. Raise NotWaiting."""
    row = _waiting(refund)
    move(row, Status.BY_HAND, done_at=at, given_up_at=None, next_attempt_at=None)
    audit.record(actor=by, verb="refund-given-by-hand", subject=row, reason=note, at=at)
    letters.refund_came_through(refund=row, at=at)
    _settle(row, by=by, note=note, at=at)


@transaction.atomic
def not_owed(*, refund: Refund, by: User, note: str, at: datetime) -> None:
    """Take a promise back that nobody is owed any more; the money is the creator's. One transaction.

    Raise NotWaiting.
    """
    row = _waiting(refund)
    move(row, Status.FAILED, failure=note[:200], given_up_at=None, next_attempt_at=None)
    refund_postings.post(undone=[row], at=at)
    audit.record(actor=by, verb="refund-not-owed", subject=row, reason=note, at=at)
    _settle(row, by=by, note=note, at=at)


def _waiting(refund: Refund) -> Refund:
    charge = Charge.objects.select_for_update(of=("self",), no_key=True).get(pk=refund.charge_id)
    row = Refund.objects.select_for_update(of=("self",), no_key=True).get(pk=refund.pk)
    row.charge = charge
    if row.status != Status.WANTED or row.given_up_at is None:
        raise NotWaiting
    return row


def _settle(refund: Refund, *, by: User, note: str, at: datetime) -> None:
    for case in Case.objects.filter(Case.OPEN, subject_kind="payments.refund", subject_id=str(refund.pk)):
        try:
            cases.settle(case=case, by=by, note=note, at=at)
        except cases.AlreadySettled:
            continue
