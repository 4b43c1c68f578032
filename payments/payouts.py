"""Money out: asked for by the payee, reviewed by staff, sent through Stripe.

A payout is one transfer to the payee's account. Its money lies in the reserve from the request until it
is sent or refused. While the payee owes, nothing is approved and nothing begins to leave. Locks are taken
in one order: charges, payee, payouts.
"""

from datetime import datetime, timedelta
from functools import partial
from uuid import UUID, uuid4

import structlog
from django.db import transaction
from django.utils.translation import gettext as _

from accounts import audit
from accounts.models import User
from core import retries
from payments import cases, debts, interests, ledger, letters, limits, pots, stripe_gateway, summary, yeses
from payments.models import Approval, Case, LedgerAccount, Payee, Payout
from payments.money import Money
from payments.nudges import nudge
from payments.states import WrongState, move
from payments.stripe_gateway import StripeRefused
from payments.stripe_records import TransferState

log = structlog.get_logger(__name__)
Kind = LedgerAccount.Kind
Status = Payout.Status

SENDS_AT_ONCE = 100
MOST_OPEN = 20  # of one payee at a time: each is read by a person
# Beyond the day for which a key protects, so that a lost answer is looked up before anybody is troubled.
PATIENCE = retries.Patience(
    pauses=(timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=30), timedelta(hours=3)), most=30
)
# How long to wait for money that has not cleared at Stripe, and after how long a person looks at it again.
CLEARING = [timedelta(hours=1), timedelta(hours=6), timedelta(days=1)]
CLEARS_WITHIN = timedelta(days=14)
# Stripe keeps a key for a day at least. Near that edge nobody knows whether it still protects: we only look.
KEY_HOLDS = timedelta(hours=23)
KEY_IS_GONE = timedelta(hours=25)
LEAVING = (Status.APPROVED, Status.SENDING)


class NotEnoughMoney(Exception):
    """The balance does not cover the payout."""


class TooManyOpen(Exception):
    """So many payouts of the payee are under way that one has to come to its end first."""


class PayeeNotReady(Exception):
    """Stripe does not take transfers for this payee yet."""


class OwnPayout(Exception):
    """Nobody reviews what they asked for themselves."""


class HasInterest(Exception):
    """Nobody reviews what a payee is paid in whom they have an interest, or had one within 90 days."""


class Owing(Exception):
    """More was given back to buyers than is left: until that is filled, nothing leaves."""


class AlreadyApproved(Exception):
    """This person has said yes already; above the limit it takes another one."""


@transaction.atomic
def request(*, payee: Payee, amount: Money, by: User, attempt: UUID | None = None, at: datetime) -> Payout:
    """Return the request for a payout, its money put aside. One transaction.

    The same `attempt` again (a double click) returns the first; that of another payee is none.
    Raise NotEnoughMoney, TooManyOpen, PayeeNotReady.
    """
    payee = pots.lock(payee.pk)
    known = Payout.objects.filter(pk=attempt).first() if attempt else None
    if known is not None and known.payee_id == payee.pk:
        return known
    if not payee.can_be_paid:
        raise PayeeNotReady
    if not 0 < amount.minor <= summary.of(payee).payable.minor:
        raise NotEnoughMoney
    if Payout.objects.filter(payee=payee, status__in=Payout.OPEN).count() >= MOST_OPEN:
        raise TooManyOpen
    payout = Payout.objects.create(
        id=attempt if attempt and known is None else uuid4(),
        payee=payee,
        amount_minor=amount.minor,
        currency=amount.currency,
        requested_by=by,
        requested_at=at,
    )
    _post(payout, Kind.AVAILABLE, Kind.RESERVE, reason="payout-reserved", at=at)
    audit.record(actor=by, verb="payout-requested", subject=payout, details={"amount": str(amount)}, at=at)
    return payout


def _post(payout: Payout, source: Kind, target: Kind, *, reason: str, at: datetime) -> None:
    ledger.post(
        source=ledger.account(kind=source, currency=payout.currency, payee=payout.payee),
        target=ledger.account(kind=target, currency=payout.currency, payee=payout.payee),
        amount=payout.amount,
        reason=reason,
        reference=payout.cause,
        at=at,
    )


def _locked(payout: Payout) -> Payout:
    """Return the payout as it is, with its payee, both locked until the caller's transaction ends."""
    payee = pots.lock(payout.payee_id)
    row = Payout.objects.select_for_update(of=("self",), no_key=True).get(pk=payout.pk)
    row.payee = payee
    return row


def _under_review(payout: Payout, by: User, at: datetime) -> Payout:
    """Return the payout, locked, for one reviewer at a time."""
    row = _locked(payout)
    if row.requested_by_id == by.pk:
        raise OwnPayout
    if interests.has(by, row.payee, at=at):
        raise HasInterest
    return row


@transaction.atomic
def approve(*, payout: Payout, by: User, seen: str | None = None, at: datetime) -> Payout:
    """Say yes to a payout, for the account that the payee has now. One transaction; it is sent after commit.

    Above the limit (see `limits`) it stays as it is until somebody else says yes, too. A yes counts while its
    sayer may still say it (see `yeses`). `seen` is the status that the reviewer's page showed: what was held
    since is not overruled unread.
    Raise OwnPayout, HasInterest, AlreadyApproved, Owing, PayeeNotReady, WrongState.
    """
    row = _under_review(payout, by, at)
    if row.status not in {Status.REQUESTED, Status.HELD} or row.status != (seen or row.status):
        raise WrongState(f"Payout {row.pk} is decided.")
    if not row.payee.can_be_paid:
        raise PayeeNotReady
    if debts.is_owed(row.payee):
        raise Owing
    account = row.payee.stripe_account_id
    yeses.void_lapsed(row, at=at)
    said = Approval.objects.filter(payout=row, destination=account, voided_at=None)
    _yes, is_new = said.get_or_create(payout=row, by=by, destination=account, defaults={"at": at})
    if not is_new:
        raise AlreadyApproved
    audit.record(actor=by, verb="payout-approved", subject=row, details={"destination": account}, at=at)
    needed = 2 if limits.needs_two(row, at=at) else 1
    if yeses.counting(at=at).filter(payout=row).count() >= needed:
        move(
            row,
            Status.APPROVED,
            reviewed_by=by,
            reviewed_at=at,
            destination=account,
            reason="",
            attempts=0,
            next_attempt_at=at,
            given_up_at=None,
        )
        nudge("payments.tasks.send_payout", str(row.pk))
    payout.refresh_from_db()
    return payout


@transaction.atomic
def hold(*, payout: Payout, by: User, reason: str, at: datetime) -> Payout:
    """Wait for more from the payee, who sees the reason. One transaction.

    Raise OwnPayout, HasInterest, WrongState.
    """
    row = _under_review(payout, by, at)
    move(row, Status.HELD, reviewed_by=by, reviewed_at=at, reason=reason)
    audit.record(actor=by, verb="payout-held", subject=row, reason=reason, at=at)
    letters.payout_decided(payout=row, at=at)
    payout.refresh_from_db()
    return payout


@transaction.atomic
def reject(*, payout: Payout, by: User, reason: str, at: datetime) -> Payout:
    """Say no; the payee sees why and has the money back. One transaction.

    Raise OwnPayout, HasInterest, WrongState.
    """
    row = _under_review(payout, by, at)
    move(row, Status.REJECTED, reviewed_by=by, reviewed_at=at, reason=reason)
    _return_reserve(row, at=at)
    audit.record(actor=by, verb="payout-rejected", subject=row, reason=reason, at=at)
    letters.payout_decided(payout=row, at=at)
    payout.refresh_from_db()
    return payout


def _return_reserve(payout: Payout, *, at: datetime) -> None:
    # The caller holds the payee's lock, taken before the payout's.
    _post(payout, Kind.RESERVE, Kind.AVAILABLE, reason="payout-returned", at=at)
    pots.notice_debt(payout.payee, at=at)


def send(*, payout: Payout, at: datetime) -> None:
    """Take an approved payout to its end: transfer the money, or find out whether it went. Asks Stripe.

    Of any number of workers one asks. No answer: it stays SENDING and is asked again with the same key; once
    that no longer protects, it is looked up, and never sent again.
    """
    payout.refresh_from_db()
    if payout.status in LEAVING:
        retries.work_on(
            payout, partial(_step, at=at), at=at, patience=PATIENCE, give_up=partial(_give_up, at=at)
        )


def _step(payout: Payout, *, at: datetime) -> None:
    # Only who begins knows that Stripe was not asked yet: then what has changed since turns it back.
    is_first = payout.status == Status.APPROVED
    if is_first and (not _begin(payout, at=at) or _turned_back(payout, at=at)):
        return
    try:
        transfer = _ask_stripe(payout, is_first=is_first, at=at)
    except StripeRefused as no:
        log.warning("payout_refused", payout=str(payout.pk), code=no.code, words=str(no))
        if no.code == "balance_insufficient":
            _wait_for_money(payout, at=at)
        else:
            fail(payout=payout, reason=_told(no.code), at=at)
    else:
        if transfer is not None:
            confirm(payout=payout, transfer=transfer, at=at)


def send_due(*, at: datetime) -> int:
    """Send what nobody woke, and ask again about what has no answer; return how many had one."""
    return retries.work(
        Payout.objects.filter(status__in=LEAVING).select_related("payee"),
        partial(_step, at=at),
        at=at,
        patience=PATIENCE,
        at_once=SENDS_AT_ONCE,
        give_up=partial(_give_up, at=at),
    )


def _give_up(payout: Payout, error: Exception, *, at: datetime) -> None:
    cases.report(
        kind=Case.Kind.PAYOUT,
        cause=f"{payout.cause}-unanswered",
        what=_(
            "A payout of %(amount)s to %(payee)s has had no answer from Stripe, however often it was tried. "
            "Look at Stripe whether the money went. The last error: %(error)s"
        )
        % {
            "amount": payout.amount.shown,
            "payee": payout.payee.name,
            "error": str(error)[:300] or type(error).__name__,
        },
        subject=payout,
        stripe_id=payout.destination,
        at=at,
    )


@transaction.atomic
def _begin(payout: Payout, *, at: datetime) -> bool:
    """Begin to send, if all still is as it was approved; else it goes back to the desk. One transaction."""
    row = _locked(payout)
    if row.status != Status.APPROVED:
        return False
    if row.payee.stripe_account_id != row.destination:
        # Whoever said yes meant another account.
        reason = _("The payout account changed after the review, so the payout is reviewed again.")
        _review_again(row, reason=reason, at=at)
    elif yeses.void_lapsed(row, at=at):
        reason = _("Somebody who approved it may not any more, so the payout is reviewed again.")
        _review_again(row, reason=reason, at=at)
    elif debts.is_owed(row.payee):
        debts.hold(row, at=at)
    else:
        move(row, Status.SENDING, asked_stripe_at=at)
    payout.refresh_from_db()
    return row.status == Status.SENDING


def _review_again(row: Payout, *, reason: str, at: datetime) -> None:
    move(row, Status.HELD, reason=reason, destination="", next_attempt_at=None)
    debts.void_approvals(row, at=at)
    audit.record(actor=None, verb="payout-held", subject=row, reason=reason, at=at)
    letters.payout_decided(payout=row, at=at)


@transaction.atomic
def _turned_back(payout: Payout, *, at: datetime) -> bool:
    """Hold a payout whose money went while its sending began. One transaction; True if it is held."""
    row = _locked(payout)
    if row.status != Status.SENDING or not debts.is_owed(row.payee):
        return False
    debts.hold(row, at=at)
    payout.refresh_from_db()
    return True


@transaction.atomic
def _wait_for_money(payout: Payout, *, at: datetime) -> None:
    """Ask again later, with another key: surely nothing was sent, and every yes still counts."""
    row = _locked(payout)
    if row.status != Status.SENDING:
        return
    due = at + CLEARING[min(row.refusals, len(CLEARING) - 1)]
    move(row, Status.APPROVED, refusals=row.refusals + 1, attempts=0, next_attempt_at=due)
    audit.record(actor=None, verb="payout-waits", subject=row, details={"until": due.isoformat()}, at=at)
    if row.owed_since is not None:
        debts.hold(row, at=at)
    elif row.reviewed_at is not None and due - row.reviewed_at > CLEARS_WITHIN:
        _review_again(row, reason=_("The money for it has not cleared at Stripe for two weeks."), at=at)
    payout.refresh_from_db()


def _ask_stripe(payout: Payout, *, is_first: bool, at: datetime) -> TransferState | None:
    """Return the transfer; None while it is not known whether there is one."""
    assert payout.asked_stripe_at is not None, "it was written when sending began"  # noqa: S101 -- only a bug could break it
    since = at - payout.asked_stripe_at
    if not is_first:
        found = stripe_gateway.find_transfer(reference=payout.cause)
        if found is not None:
            return found
    if since >= KEY_IS_GONE:
        raise StripeRefused("Stripe knows no transfer of this payout.", code="never_made")
    if since >= KEY_HOLDS or (not is_first and debts.is_owed(payout.payee)):
        return None  # we only look
    return stripe_gateway.create_transfer(
        destination=payout.destination, amount=payout.amount, reference=payout.cause, key=payout.key
    )


def _told(code: str) -> str:
    """Return what the payee is told when Stripe refuses."""
    if code in {"insufficient_capabilities_for_transfer", "account_invalid", "resource_missing"}:
        return _("Stripe cannot pay into your account. Check your details with Stripe, then ask again.")
    if code == "never_made":
        return _("Stripe did not take the payout. Nothing was sent; you can ask for it again.")
    return _("Stripe did not accept the payout. Ask again, or write to us if it happens a second time.")


@transaction.atomic
def confirm(*, payout: Payout, transfer: TransferState, at: datetime) -> bool:
    """Take in that the transfer was made. One transaction; True only for the one who did it."""
    try:
        move(payout, Status.PAID, stripe_id=transfer.id, paid_at=at, next_attempt_at=None)
    except WrongState:
        return False
    assert (transfer.amount, transfer.destination) == (payout.amount, payout.destination), "as asked"  # noqa: S101 -- only a bug could break it
    _post(payout, Kind.RESERVE, Kind.PAID_OUT, reason="payout-paid", at=at)
    audit.record(actor=None, verb="payout-paid", subject=payout, details={"transfer": transfer.id}, at=at)
    letters.payout_decided(payout=payout, at=at)
    return True


@transaction.atomic
def fail(*, payout: Payout, reason: str, at: datetime) -> bool:
    """Take in that it was surely not sent; the payee sees the reason and has the money back. One transaction.

    True only for the one who did it.
    """
    payout.payee = pots.lock(payout.payee_id)
    try:
        move(payout, Status.FAILED, reason=reason, next_attempt_at=None)
    except WrongState:
        return False
    _return_reserve(payout, at=at)
    audit.record(actor=None, verb="payout-failed", subject=payout, reason=reason, at=at)
    letters.payout_decided(payout=payout, at=at)
    return True
