"""Money that becomes available: what is left of a charge once what was sold was delivered."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet

from payments import ledger, pots
from payments.ledger import Posting
from payments.models import Charge, LedgerAccount
from payments.models.charge import Remainder, remainders
from payments.money import Money

Kind = LedgerAccount.Kind
AT_ONCE = 2_000  # charges in one transaction: some tenths of a second


@transaction.atomic
def release(*, charge: Charge, at: datetime) -> Money | None:
    """Make what is left of a paid charge available, once. One transaction.

    Return how much that was, below zero if a dispute took more than was left; None if it was released before,
    or is not paid.
    """
    row = Charge.objects.select_for_update(of=("self",), no_key=True).get(pk=charge.pk)
    if row.status != Charge.Status.PAID or row.released_at is not None:
        return None
    left = row.remainder()
    _release([row], {row.pk: left}, at=at)
    charge.released_at = at
    return left.net


def release_many(*, charges: QuerySet[Charge], at: datetime) -> int:
    """Make what is left of each paid charge available, once; return of how many.

    A piece of the charges is one transaction with a few statements, so it may be stopped anywhere and called
    again: what was released before is passed over.
    """
    released = 0
    while count := _release_piece(charges, at=at):
        released += count
    return released


@transaction.atomic
def _release_piece(charges: QuerySet[Charge], *, at: datetime) -> int:
    waiting = Charge.objects.filter(pk__in=charges.values("pk"))
    waiting = waiting.filter(status=Charge.Status.PAID, released_at=None)
    rows = list(waiting.select_for_update(of=("self",), no_key=True).order_by("pk")[:AT_ONCE])
    _release(rows, remainders(rows), at=at)
    return len(rows)


def _release(rows: Iterable[Charge], left: dict[UUID, Remainder], *, at: datetime) -> None:
    """Post the release of charges that the caller has locked. Payees are locked in the order of their ids."""
    by_payee: dict[UUID, list[Charge]] = defaultdict(list)
    for row in rows:
        by_payee[row.payee_id].append(row)
    for payee_id in sorted(by_payee):
        payee = pots.lock(payee_id)
        pending = ledger.account(kind=Kind.PENDING, currency=payee.currency, payee=payee)
        available = ledger.account(kind=Kind.AVAILABLE, currency=payee.currency, payee=payee)
        postings = []
        for row in by_payee[payee_id]:
            net = left[row.pk].net
            source, target = (pending, available) if net.minor >= 0 else (available, pending)
            postings.append(Posting(source, target, max(net, -net), reason="release", reference=row.cause))
        ledger.post_many(postings, at=at)
        Charge.objects.filter(pk__in=[row.pk for row in by_payee[payee_id]]).update(released_at=at)
        pots.notice_debt(payee, at=at)
