"""A refund that did not reach the buyer: tried anew where that can help, else a case for finance.

What the buyer is owed is promised again in the same transaction, so that it stays out of the creator's
balance until the buyer has it, or a person has decided otherwise.
"""

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.utils.translation import gettext as _

from accounts import audit
from accounts.models import User
from payments import cases, letters, refund_postings
from payments.models import Case, Charge, Dispute, Refund
from payments.money import Money
from payments.nudges import nudge
from payments.states import move

Status = Refund.Status
# What may be over by the next try. To a card that is lost or expired no try ever comes through.
PASSES = {"balance_insufficient", "declined", "insufficient_funds", "processing_error", "unknown"}
PAUSES = (timedelta(hours=1), timedelta(days=1), timedelta(days=3))
BANK_DECIDES = "charge_disputed"
GIVEN_MEANWHILE = "charge_disputed, and given back meanwhile"


class NotWaiting(Exception):
    """The refund does not wait for a person: it is on its way, done, or ended."""


def next_attempt(refund: Refund, *, at: datetime) -> Refund | None:
    """Return the row that takes a failed refund's place, in the caller's transaction; it is not posted yet.

    None where the buyer has gone to the bank: the bank decides, and the money must not go back twice; see
    `bank_decided` for what follows. Where another try cannot help, the row waits for a person, and a case
    says so. The buyer is told, once.
    """
    tries = _tries(refund)
    helps = refund.failure in PASSES
    if refund.failure == BANK_DECIDES:
        helps = _bank_left_it(refund.charge)  # while Stripe was asked
        if not helps:
            letters.refund_late(refund=refund, at=at)
            wait_for_the_bank(refund, at=at)
            return None
    helps = helps and tries <= len(PAUSES)
    anew = _follow(refund, due=at + PAUSES[tries - 1] if helps else None, at=at)
    if refund.follows_id is None:
        letters.refund_late(refund=anew, at=at)
    else:
        cases.it_worked(cause=_cause(refund.follows), note=_("Tried again, and it failed again."), at=at)
    if not helps:
        _report(refund, subject=anew, at=at)
    return anew


def _follow(refund: Refund, *, due: datetime | None, at: datetime) -> Refund:
    return Refund.objects.create(
        charge=refund.charge,
        amount_minor=refund.amount_minor,
        fee_minor=refund.fee_minor,
        currency=refund.currency,
        reason=refund.reason,
        asked_by=refund.asked_by,
        created_at=at,
        follows=refund,
        next_attempt_at=due,
        given_up_at=None if due else at,
        last_error="" if due else refund.failure,
    )


# ---- The bank decides


def with_the_bank() -> QuerySet[Refund]:
    """Return the refunds that were refused since a bank decides, and of which it has not decided yet.

    They are undone in the books, where the dispute itself takes the money; they are owed all the same.
    """
    lost = Dispute.objects.filter(charge=OuterRef("charge"), stripe_status=Dispute.LOST)
    return Refund.objects.filter(~Exists(lost), status=Status.FAILED, failure=BANK_DECIDES, followed_by=None)


def wait_for_the_bank(refund: Refund, *, at: datetime) -> None:
    """Let a refused refund wait until its dispute has ended, in the caller's transaction; a case says so."""
    _report(refund, subject=refund, at=at)
    _end_lost(refund, at=at)


def bank_decided(charge: Charge, *, at: datetime) -> None:
    """Do what follows from the disputes of a charge for what was refused because of them.

    In the caller's transaction, which has locked the charge. Left with us: it is sent after commit. Given to
    the buyer: nothing is owed any more. Not decided, or not back with us yet: it waits on.
    """
    refused = charge.refunds.filter(status=Status.FAILED, failure=BANK_DECIDES, followed_by=None)
    for refund in refused.order_by("created_at", "pk"):
        refund.charge = charge
        if _bank_left_it(charge):
            _owe_again(refund, at=at)
        else:
            _end_lost(refund, at=at)


def _bank_left_it(charge: Charge) -> bool:
    disputes = Dispute.objects.filter(charge=charge)
    return disputes.exists() and not disputes.blocking().exists()


def _owe_again(refund: Refund, *, at: datetime) -> None:
    charge, left = refund.charge, refund.charge.remainder()
    if charge.unreturned().minor <= 0:
        Refund.objects.filter(pk=refund.pk).update(failure=GIVEN_MEANWHILE)
        cases.it_worked(cause=_cause(refund), note=_("It was given back another way meanwhile."), at=at)
        return
    if left.amount.minor <= 0:
        return  # Stripe says first that the dispute has ended, and then that the money is back
    amount = Money(min(refund.amount_minor, left.amount.minor), charge.currency)
    refund.amount_minor, refund.fee_minor = (
        amount.minor,
        left.fee.prorate(part=amount, whole=left.amount).minor,
    )
    anew = _follow(refund, due=at, at=at)
    refund_postings.post([anew], at=at)
    cases.it_worked(cause=_cause(refund), note=_("The bank left the money with us. It is sent."), at=at)
    audit.record(actor=None, verb="refund-owed-again", subject=anew, reason=refund.reason, at=at)
    nudge("payments.tasks.send_refund", str(anew.pk))


def _end_lost(refund: Refund, *, at: datetime) -> None:
    lost = Dispute.objects.filter(charge=refund.charge, stripe_status=Dispute.LOST)
    if lost.filter(amount_minor__gte=refund.amount_minor).exists():
        cases.it_worked(cause=_cause(refund), note=_("The bank gave the buyer the money back."), at=at)


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
            "If it leaves the money with us, the refund is sent by itself; if it gives the buyer all of it, "
            "nothing more is owed. Either settles this case. If it gives back less, you decide on the rest."
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
