"""The books beside Stripe's own: read a page at a time, kept, and compared object by object.

A comparison is a row with a cursor. Each page and the cursor behind it are one transaction, so that whoever
is stopped in the middle loses no more than a page, and the next call goes on. It ends with the differences.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from time import monotonic

import structlog
from django.db import connection, transaction
from django.utils.translation import gettext as _

from payments import cases, stripe_gateway
from payments.models import BalanceLine, Case, Charge, Comparison
from payments.stripe_records import Movement

log = structlog.get_logger(__name__)

EVERY = timedelta(hours=20)
OVERDUE = timedelta(hours=36)
# What was made this shortly before may still be on its way, either way: to our books, or into Stripe's list.
ON_ITS_WAY = timedelta(hours=1)
# Each one reads once more what came shortly before the last: a line may be dated a little back.
OVERLAP = timedelta(days=1)
SECONDS = 100.0  # well within the limit of a task
MOST_SHOWN = 20
AGREES = "Stripe has moved what the books say, and nothing else"
FINISHES = "the books were compared with Stripe within the last 36 hours"

# What moves our balance at Stripe because of a payee. The platform's own affairs (its payouts and bills) are
# none of these books' business. A charge whose fee is not told yet is compared without it; an amount that
# Stripe settles in another currency has no figure of ours beside it, but has to move, and the same way.
DIFFERENCES = """
    WITH theirs AS (
        SELECT source, currency, SUM(amount_minor) AS amount, SUM(fee_minor) AS fee, MAX(made_at) AS at
        FROM payments_balanceline
        WHERE kind IN ('adjustment', 'charge', 'payment', 'payment_refund', 'refund', 'refund_failure',
                       'transfer', 'transfer_refund', 'payment_failure_refund')
        GROUP BY source, currency
    ), ours AS (
        SELECT COALESCE(stripe_charge_id, 'charge-' || id) AS source, currency, amount_minor AS amount,
               stripe_fee_minor AS fee, stripe_fee_currency AS fee_currency, paid_at AS at
        FROM payments_charge
        WHERE status = 'paid' AND (stripe_charge_id IS NOT NULL OR paid_at < NOW() - INTERVAL '1 day')
        UNION ALL SELECT stripe_id, currency, -amount_minor, 0, '', done_at
            FROM payments_refund WHERE status = 'done'
        UNION ALL SELECT stripe_id, currency, -amount_minor, 0, '', paid_at
            FROM payments_payout WHERE status = 'paid'
        UNION ALL SELECT stripe_id, currency, amount_minor, 0, '', at FROM payments_reversal
        UNION ALL SELECT stripe_id, currency, CASE WHEN is_withdrawn THEN -amount_minor ELSE 0 END,
               stripe_fee_minor, stripe_fee_currency, COALESCE(reinstated_at, withdrawn_at)
            FROM payments_dispute WHERE withdrawn_at IS NOT NULL
    )
    SELECT COALESCE(o.source, t.source) AS source, o.amount, o.fee, o.currency, t.amount, t.fee, t.currency
    FROM ours o FULL JOIN theirs t ON t.source = o.source
    WHERE (%(settled_by)s::timestamptz IS NULL OR (
          COALESCE(t.at, '-infinity') <= %(settled_by)s AND COALESCE(o.at, '-infinity') <= %(settled_by)s
      ))
      AND NOT EXISTS (
          SELECT FROM payments_refund r WHERE r.status = 'sent' AND r.stripe_id = COALESCE(o.source, t.source)
      )
      AND NOT (COALESCE(o.amount, 0) = 0 AND COALESCE(o.fee, 0) = 0
               AND COALESCE(t.amount, 0) = 0 AND COALESCE(t.fee, 0) = 0)
      AND (
          o.source IS NULL OR t.source IS NULL
          OR o.currency = t.currency AND o.amount <> t.amount
          OR o.currency <> t.currency AND SIGN(o.amount) <> SIGN(t.amount)
          OR o.fee IS NOT NULL AND (
              o.fee <> t.fee OR o.fee <> 0 AND COALESCE(NULLIF(o.fee_currency, ''), o.currency) <> t.currency
          )
      )
    ORDER BY 1 LIMIT %(most)s
"""


@dataclass(frozen=True, slots=True)
class Difference:
    """An object of Stripe's about which the books say something else."""

    source: str
    ours: str
    theirs: str

    def __str__(self) -> str:
        return f"{self.source}: {self.ours} in the books, {self.theirs} at Stripe"


def go_on(*, at: datetime, seconds: float = SECONDS) -> Comparison | None:
    """Begin a comparison if one is due, or go on with the one that is not finished, for some seconds.

    Return it; None if none is due. What differs becomes a case each. Asks Stripe.
    Raise StripeUnavailable: the next call goes on.
    """
    row = _unfinished(at=at, is_wanted=_is_due(at))
    if row is None:
        return None
    if row.read_at is None and not _read(row, at=at, seconds=seconds):
        return row
    _finish(row, at=at)
    return row


def whole(*, at: datetime, settled_by: datetime | None) -> list[Difference]:
    """Read all that is new at Stripe and return what differs, now. Asks Stripe. Raise StripeUnavailable."""
    row = _unfinished(at=at, is_wanted=True)
    assert row is not None, "it was wanted"  # noqa: S101 -- only a bug could break it
    if row.read_at is not None:  # read by another worker, and old by now
        Comparison.objects.filter(pk=row.pk).update(read_at=None, cursor="")
        row.refresh_from_db()
    _read(row, at=at, seconds=float("inf"))
    found = differences(settled_by=settled_by)
    Comparison.objects.filter(pk=row.pk, finished_at=None).update(finished_at=at, differences=len(found))
    return found


def overdue(*, at: datetime) -> datetime | None:
    """Return since when no comparison was finished, if that is too long: None while nothing is sold."""
    last = Comparison.objects.exclude(finished_at=None).order_by("-finished_at").first()
    if last is not None and last.finished_at is not None:
        return last.finished_at if at - last.finished_at > OVERDUE else None
    paid = Charge.objects.filter(status=Charge.Status.PAID).order_by("paid_at").first()
    return paid.paid_at if paid and paid.paid_at and at - paid.paid_at > OVERDUE else None


def differences(*, settled_by: datetime | None) -> list[Difference]:
    """Return where the books and what was read of Stripe differ; the first few of them.

    What was made after `settled_by` may still be on its way, and is not held against anybody.
    """
    with connection.cursor() as cursor:
        cursor.execute(DIFFERENCES, {"settled_by": settled_by, "most": MOST_SHOWN})
        rows = cursor.fetchall()
    return [
        Difference(source, _told(amount, fee, currency), _told(their_amount, their_fee, their_currency))
        for source, amount, fee, currency, their_amount, their_fee, their_currency in rows
    ]


def _told(amount: int | None, fee: int | None, currency: str | None) -> str:
    if amount is None:
        return "nothing"
    return f"{amount} less {'?' if fee is None else fee} {currency}"


def _is_due(at: datetime) -> bool:
    last = Comparison.objects.order_by("-started_at").first()
    return last is None or last.started_at <= at - EVERY


def _unfinished(*, at: datetime, is_wanted: bool) -> Comparison | None:
    row = Comparison.objects.filter(finished_at=None).first()
    if row is not None or not is_wanted:
        return row
    before = Comparison.objects.exclude(read_at=None).order_by("-started_at").first()
    until = before.started_at - OVERLAP if before else None
    return Comparison.objects.get_or_create(finished_at=None, defaults={"started_at": at, "until": until})[0]


def _read(row: Comparison, *, at: datetime, seconds: float) -> bool:
    """Read page by page until all is read (True), or the time is over."""
    ends = monotonic() + seconds
    while True:
        lines, is_more = stripe_gateway.movements_page(after=row.cursor)
        is_last = not is_more or bool(row.until and lines and lines[-1].made_at < row.until)
        with transaction.atomic():
            _keep(lines)
            row.cursor = lines[-1].id if lines else row.cursor
            row.read_at = at if is_last else None
            row.save(update_fields=["cursor", "read_at"])
        if is_last:
            return True
        if monotonic() >= ends:
            log.info("comparison_goes_on_later", cursor=row.cursor)
            return False


def _keep(lines: list[Movement]) -> None:
    BalanceLine.objects.bulk_create(
        [
            BalanceLine(
                stripe_id=line.id,
                kind=line.type,
                source=line.source,
                amount_minor=line.amount.minor,
                fee_minor=line.fee.minor,
                currency=line.amount.currency,
                made_at=line.made_at,
            )
            for line in lines
        ],
        ignore_conflicts=True,
    )


def _cause(difference: Difference) -> str:
    return f"differs-{difference.source}"[:120]


@transaction.atomic
def _finish(row: Comparison, *, at: datetime) -> None:
    found = differences(settled_by=row.started_at - ON_ITS_WAY)
    agree = Case.objects.filter(Case.OPEN, kind=Case.Kind.BOOKS, cause__startswith="differs-")
    for case in agree.exclude(cause__in=[_cause(each) for each in found]) if len(found) < MOST_SHOWN else []:
        cases.settle(case=case, by=None, note=_("They agree now."), at=at)
    for each in found:
        log.error("books_differ_from_stripe", source=each.source, ours=each.ours, theirs=each.theirs)
        cases.report(
            kind=Case.Kind.BOOKS,
            cause=_cause(each),
            what=_("The books and Stripe differ. %(where)s.") % {"where": each},
            stripe_id=each.source,
            at=at,
        )
    Comparison.objects.filter(pk=row.pk, finished_at=None).update(finished_at=at, differences=len(found))
    row.refresh_from_db()
