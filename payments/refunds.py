"""Money back: promised in the books at once, then sent through Stripe until it has an answer.

A refund that the bank or Stripe refuses is undone in the books by transfers the other way, and another row
takes its place.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

import structlog
from django.db import transaction
from django.utils.translation import gettext as _

from accounts import audit
from accounts.models import User
from core import retries
from payments import cases, failed_refunds, pots, refund_postings, stripe_gateway, summary
from payments.models import Case, Charge, Dispute, Refund
from payments.models.charge import Remainder, remainders
from payments.money import Money
from payments.nudges import nudge
from payments.states import WrongState, move
from payments.stripe_gateway import StripeRefused
from payments.stripe_records import RefundState

log = structlog.get_logger(__name__)

SENDS_AT_ONCE = 100
# Beyond the day for which a key protects, so that a lost answer is looked up before anybody is troubled.
PATIENCE = retries.Patience(
    pauses=(timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=30), timedelta(hours=3)), most=30
)
ASKS_AFTER = timedelta(hours=24)  # a refund at Stripe of which no event told the end
# Stripe keeps a key for a day at least. Near that edge nobody knows whether it still protects: we only look.
KEY_HOLDS = timedelta(hours=23)
KEY_IS_GONE = timedelta(hours=25)
OPEN = (Refund.Status.WANTED, Refund.Status.SENT)


class NothingLeftToRefund(Exception):
    """The charge is not paid, or less of it is left than was asked for."""


class NotCovered(Exception):
    """The money is the payee's already, and what they have left does not cover it."""


class ChargeDisputed(Exception):
    """The buyer has gone to the bank: the bank decides, and the money must not go back twice."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What came of asking for many refunds: each by its charge's id, and the charges that were left out."""

    refunds: dict[UUID, Refund]
    disputed: list[Charge]
    nothing_left: list[Charge]


@transaction.atomic
def ask(
    *,
    charge: Charge,
    amount: Money | None = None,
    reason: str,
    by: User | None,
    bounded: bool = False,
    at: datetime,
) -> Refund:
    """Return the refund of a charge, or of a part, in the caller's transaction; it is sent after commit.

    The platform's fee goes back with it, in proportion. Without an amount all that is left is given back.
    `bounded`: the payee asks, and what was released to them is given back only as far as they can cover it.
    Raise NothingLeftToRefund, ChargeDisputed, NotCovered.
    """
    charge = Charge.objects.select_for_update(of=("self",), no_key=True).get(pk=charge.pk)
    if Dispute.objects.blocking().filter(charge=charge).exists():
        raise ChargeDisputed
    left = charge.remainder()
    amount = left.amount if amount is None else amount
    if charge.status != Charge.Status.PAID or not 0 < amount.minor <= left.amount.minor:
        raise NothingLeftToRefund
    refund = _promise(charge, amount, left, reason=reason, by=by, at=at)
    if bounded and not _is_covered(refund):
        raise NotCovered
    refund.save(force_insert=True)
    refund_postings.post([refund], at=at)
    _record([refund], at=at)
    return refund


@transaction.atomic
def owe(*, charge: Charge, reason: str, by: User | None, at: datetime) -> Refund | None:
    """Return the refund of all that is left of a paid charge, also where a bank decides first.

    In the caller's transaction. Where it decides, the refund is refused already and waits: it is asked for by
    itself once the bank has left the money with us. None: everything was given back before.
    """
    try:
        return ask(charge=charge, reason=reason, by=by, at=at)
    except (ChargeDisputed, NothingLeftToRefund):
        charge = Charge.objects.select_for_update(of=("self",), no_key=True).get(pk=charge.pk)
    amount = charge.unreturned()
    if charge.status != Charge.Status.PAID or amount.minor <= 0:
        return None
    whole = Remainder(amount, charge.fee.prorate(part=amount, whole=charge.amount))
    refund = _promise(charge, amount, whole, reason=reason, by=by, at=at)
    refund.status, refund.failure = Refund.Status.FAILED, failed_refunds.BANK_DECIDES
    refund.next_attempt_at = None
    refund.save(force_insert=True)
    both = [refund]  # promised and undone: the dispute itself takes the money
    refund_postings.post(both, undone=both, at=at)
    audit.record(actor=by, verb="refund-waits-for-the-bank", subject=refund, reason=reason, at=at)
    failed_refunds.wait_for_the_bank(refund, at=at)
    return refund


@transaction.atomic
def ask_many(*, charges: Iterable[Charge], reason: str, by: User | None, at: datetime) -> Asked:
    """Give back all that is left of many charges, in the caller's transaction; they are sent after commit.

    It takes a few statements for any number of charges; hand it some hundreds at a time, since all of them
    stay locked until the commit. What cannot be refunded is not passed over in silence: see `Asked`.
    """
    wanted = Charge.objects.filter(pk__in=[charge.pk for charge in charges]).select_related("payee")
    rows = list(wanted.select_for_update(of=("self",), no_key=True).order_by("pk"))
    serious = Dispute.objects.blocking()
    disputed = set(serious.filter(charge__in=rows).values_list("charge_id", flat=True))
    left = remainders(rows)
    asked = Asked(
        refunds={},
        disputed=[row for row in rows if row.pk in disputed],
        nothing_left=[
            row for row in rows if row.pk not in disputed and not _is_refundable(row, left[row.pk].amount)
        ],
    )
    left_out = {row.pk for row in asked.disputed + asked.nothing_left}
    for row in rows:
        if row.pk not in left_out:
            asked.refunds[row.pk] = _promise(
                row, left[row.pk].amount, left[row.pk], reason=reason, by=by, at=at
            )
    promised = Refund.objects.bulk_create(asked.refunds.values())
    refund_postings.post(promised, at=at)
    _record(promised, at=at)
    return asked


def _is_refundable(charge: Charge, left: Money) -> bool:
    return charge.status == Charge.Status.PAID and left.minor > 0


def _is_covered(refund: Refund) -> bool:
    """Tell whether the balance bears a refund of what was released. Locks the payee, after the charge."""
    charge = refund.charge
    if charge.released_at is None:
        return True
    held = summary.of(pots.lock(charge.payee_id))
    return refund.amount - refund.fee <= held.available + held.pending


def _promise(
    charge: Charge, amount: Money, left: Remainder, *, reason: str, by: User | None, at: datetime
) -> Refund:
    return Refund(
        charge=charge,
        amount_minor=amount.minor,
        fee_minor=left.fee.prorate(part=amount, whole=left.amount).minor,
        currency=charge.currency,
        reason=reason,
        asked_by=by,
        created_at=at,
        next_attempt_at=at,
    )


def _record(promised: Sequence[Refund], *, at: datetime) -> None:
    audit.record_many(
        [
            audit.Entry(
                refund.asked_by, "refund-asked", refund, refund.reason, {"amount": str(refund.amount)}
            )
            for refund in promised
        ],
        at=at,
    )
    if len(promised) == 1:
        nudge("payments.tasks.send_refund", str(promised[0].pk))
    elif promised:  # thousands of nudges would stand before everybody else's
        nudge("payments.tasks.send_due")


def send(*, refund: Refund, at: datetime) -> None:
    """Take a refund a step further: ask Stripe for it, or how it stands. Any number may try at once.

    No answer: it is asked again with the same key, and once that no longer protects, looked up first.
    """
    refund.refresh_from_db()
    if refund.status in OPEN:
        retries.work_on(
            refund, partial(_step, at=at), at=at, patience=PATIENCE, give_up=partial(_give_up, at=at)
        )


def _step(refund: Refund, *, at: datetime) -> None:
    Refund.objects.filter(pk=refund.pk, asked_stripe_at=None).update(asked_stripe_at=at)
    refund.refresh_from_db()
    try:
        answer = _ask_stripe(refund, at=at)
    except StripeRefused as no:
        if Refund.objects.filter(pk=refund.pk).exclude(stripe_id=None).exists():
            return  # somebody gave the same back at Stripe meanwhile, and that stands for this one
        log.warning("refund_refused", refund=str(refund.pk), code=no.code, words=str(no))
        if no.code == "charge_already_refunded":
            _look_who_did(refund, at=at)
        else:
            fail(refund=refund, failure=no.code or str(no), at=at)
    else:
        if answer is not None:
            heed(refund=refund, state=answer, at=at)


def _look_who_did(refund: Refund, *, at: datetime) -> None:
    """Find out whether the money that is gone from the charge went by this refund. Asks Stripe."""
    payment_intent = refund.charge.payment_intent_id or ""
    ours = stripe_gateway.find_refund(payment_intent=payment_intent, reference=refund.cause)
    if ours is not None:
        heed(refund=refund, state=ours, at=at)
    else:
        failed_refunds.set_aside(refund, at=at)


def send_due(*, at: datetime) -> int:
    """Send what nobody woke, and ask how long-sent refunds stand; return how many had an answer."""
    return retries.work(
        Refund.objects.filter(status__in=OPEN).select_related("charge"),
        partial(_step, at=at),
        at=at,
        patience=PATIENCE,
        at_once=SENDS_AT_ONCE,
        give_up=partial(_give_up, at=at),
    )


def _give_up(refund: Refund, error: Exception, *, at: datetime) -> None:
    cases.report(
        kind=Case.Kind.REFUND,
        cause=f"{refund.cause}-unanswered",
        what=_(
            "A refund of %(amount)s has had no answer from Stripe, however often it was tried. "
            "Look at Stripe whether the buyer has the money. The last error: %(error)s"
        )
        % {"amount": refund.amount.shown, "error": str(error)[:300] or type(error).__name__},
        subject=refund,
        stripe_id=refund.stripe_id or refund.charge.payment_intent_id or "",
        at=at,
    )


def _ask_stripe(refund: Refund, *, at: datetime) -> RefundState | None:
    """Return Stripe's answer; None while nothing may be asked."""
    if refund.stripe_id:
        return stripe_gateway.read_refund(refund.stripe_id)
    payment_intent = refund.charge.payment_intent_id or ""
    since = at - (refund.asked_stripe_at or at)
    if since >= KEY_HOLDS:
        found = stripe_gateway.find_refund(payment_intent=payment_intent, reference=refund.cause)
        if found is not None or since < KEY_IS_GONE:
            return found
        # Stripe has surely never made it, and forgot the key: it is as if it were asked for the first time.
        Refund.objects.filter(pk=refund.pk).update(asked_stripe_at=at)
    return stripe_gateway.create_refund(
        payment_intent=payment_intent, amount=refund.amount, reference=refund.cause, key=refund.cause
    )


@transaction.atomic
def heed(*, refund: Refund, state: RefundState, at: datetime) -> None:
    """Take in how a refund stands at Stripe. One transaction; again and again does no harm."""
    if state.status in {"failed", "canceled"}:
        fail(refund=refund, failure=state.failure or state.status, stripe_id=state.id, at=at)
        return
    is_done = state.status == "succeeded"
    known = {"stripe_id": state.id} | ({"done_at": at} if is_done else {})
    try:
        move(refund, Refund.Status.DONE if is_done else Refund.Status.SENT, **known)
    except WrongState:  # known already, or further on
        is_done = refund.status != Refund.Status.SENT
    else:
        if is_done:
            failed_refunds.came_through(refund, at=at)
    retries.rest(refund, until=None if is_done else at + ASKS_AFTER)
    cases.it_worked(cause=f"{refund.cause}-unanswered", note=_("Stripe answered after all."), at=at)


@transaction.atomic
def fail(*, refund: Refund, failure: str, stripe_id: str | None = None, at: datetime) -> bool:
    """Take in that the money did not go back. One transaction; True for one caller.

    The books undo this attempt, and another row takes its place at once, unless the bank decides: what the
    buyer is owed stays out of the creator's balance. See `failed_refunds`.
    """
    charge = Charge.objects.select_for_update(of=("self",), no_key=True).get(pk=refund.charge_id)
    known = {"stripe_id": stripe_id} if stripe_id else {}
    try:
        move(refund, Refund.Status.FAILED, failure=failure[:200], next_attempt_at=None, **known)
    except WrongState:
        return False
    refund.charge = charge
    anew = failed_refunds.next_attempt(refund, at=at)
    refund_postings.post([anew] if anew else [], undone=[refund], at=at)
    audit.record(actor=None, verb="refund-failed", subject=refund, reason=failure[:200], at=at)
    log.error("refund_failed", refund=str(refund.pk), failure=failure)
    return True
