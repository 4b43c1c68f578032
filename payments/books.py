"""Each promise of the books, as a query that must return nothing.

check() runs every hour, after every test and at the end of the demo. A promise returns one row per breach;
its columns say where.
"""

import json
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db import connection
from django.utils.timezone import now

from payments import comparison

MOST_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Broken:
    """A promise that does not hold, and where."""

    promise: str
    where: str


# What each query may build on: the balance of every account, and what is left to the payee of every charge.
GROUND = """
    WITH moves AS (
        SELECT target_id AS id, amount_minor AS minor FROM payments_transfer
        UNION ALL SELECT source_id, -amount_minor FROM payments_transfer
    ), balances AS (
        SELECT a.id, a.kind, a.payee_id, a.currency, COALESCE(SUM(m.minor), 0) AS minor
        FROM payments_ledgeraccount a LEFT JOIN moves m ON m.id = a.id GROUP BY a.id
    ), given AS (
        SELECT charge_id, SUM(amount_minor) AS amount, SUM(fee_minor) AS fee FROM (
            SELECT charge_id, amount_minor, fee_minor FROM payments_refund WHERE status <> 'failed'
            UNION ALL SELECT charge_id, amount_minor, fee_minor FROM payments_dispute WHERE is_withdrawn
        ) AS every GROUP BY charge_id
    ), remainders AS (
        SELECT c.id, c.payee_id, c.currency, c.released_at,
               CASE c.status WHEN 'paid' THEN c.amount_minor ELSE 0 END - COALESCE(g.amount, 0) AS amount,
               CASE c.status WHEN 'paid' THEN c.fee_minor ELSE 0 END - COALESCE(g.fee, 0) AS fee
        FROM payments_charge c LEFT JOIN given g ON g.charge_id = c.id
    ), leaving AS (
        SELECT payee_id, currency, SUM(amount_minor) AS minor,
               SUM(amount_minor) FILTER (WHERE status = 'paid') AS paid,
               SUM(amount_minor) FILTER (WHERE status <> 'paid') AS reserved
        FROM (
            SELECT payee_id, currency, status, amount_minor FROM payments_payout
            UNION ALL SELECT p.payee_id, r.currency, 'paid', -r.amount_minor
                FROM payments_reversal r JOIN payments_payout p ON p.id = r.payout_id
        ) AS each WHERE status NOT IN ('rejected', 'failed') GROUP BY 1, 2
    )
"""
PROMISES = {
    "every paid charge is in the books, with its fee": """
        SELECT c.id FROM payments_charge c
        LEFT JOIN payments_transfer s ON s.reason = 'sale' AND s.reference = 'charge-' || c.id
        LEFT JOIN payments_transfer f ON f.reason = 'fee' AND f.reference = 'charge-' || c.id
        LEFT JOIN payments_transfer k ON k.reason = 'stripe-fee' AND k.reference = 'charge-' || c.id
        WHERE COALESCE(s.amount_minor, 0) <> CASE c.status WHEN 'paid' THEN c.amount_minor ELSE 0 END
           OR COALESCE(f.amount_minor, 0) <> CASE c.status WHEN 'paid' THEN c.fee_minor ELSE 0 END
           OR COALESCE(k.amount_minor, 0)
              <> CASE c.status WHEN 'paid' THEN COALESCE(c.stripe_fee_minor, 0) ELSE 0 END
    """,
    "every refund is in the books, and one that failed is undone": """
        SELECT r.id FROM payments_refund r
        LEFT JOIN payments_transfer t ON t.reason = 'refund' AND t.reference = 'refund-' || r.id
        LEFT JOIN payments_transfer b ON b.reason = 'refund-undone' AND b.reference = 'refund-' || r.id
        WHERE COALESCE(t.amount_minor, 0) <> r.amount_minor
           OR COALESCE(b.amount_minor, 0) <> CASE r.status WHEN 'failed' THEN r.amount_minor ELSE 0 END
    """,
    "every reversal of a transfer is in the books": """
        SELECT r.id FROM payments_reversal r
        LEFT JOIN payments_transfer t ON t.reason = 'payout-reversed' AND t.reference = 'reversal-' || r.id
        WHERE COALESCE(t.amount_minor, 0) <> r.amount_minor
    """,
    "no refund that waits for a person is forgotten": """
        SELECT r.id FROM payments_refund r
        WHERE r.status IN ('wanted', 'sent') AND r.given_up_at IS NOT NULL AND NOT EXISTS (
            SELECT FROM payments_case c WHERE c.subject_kind = 'payments.refund'
            AND c.subject_id = r.id::text AND c.settled_at IS NULL
        )
    """,
    "every dispute that took money is in the books, and one that gave it back": """
        SELECT d.id FROM payments_dispute d
        LEFT JOIN payments_transfer t ON t.reason = 'dispute' AND t.reference = 'dispute-' || d.id
        LEFT JOIN payments_transfer b ON b.reason = 'dispute-undone' AND b.reference = 'dispute-' || d.id
        WHERE COALESCE(t.amount_minor, 0) <> CASE WHEN d.withdrawn_at IS NULL THEN 0 ELSE d.amount_minor END
           OR COALESCE(b.amount_minor, 0) <> CASE WHEN d.reinstated_at IS NULL THEN 0 ELSE d.amount_minor END
    """,
    "refunds never give back more than was paid": """
        SELECT c.id FROM payments_charge c JOIN payments_refund r ON r.charge_id = c.id
        WHERE r.status <> 'failed' GROUP BY c.id
        HAVING SUM(r.amount_minor) > c.amount_minor OR SUM(r.fee_minor) > c.fee_minor
    """,
    "every transfer in the books has the row that caused it": """
        SELECT t.id, t.reason, t.reference FROM payments_transfer t
        LEFT JOIN (
            SELECT 'charge-' || id AS cause FROM payments_charge
            UNION ALL SELECT 'refund-' || id FROM payments_refund
            UNION ALL SELECT 'dispute-' || id FROM payments_dispute
            UNION ALL SELECT 'payout-' || id FROM payments_payout
            UNION ALL SELECT 'reversal-' || id FROM payments_reversal
        ) causes ON causes.cause = t.reference
        WHERE causes.cause IS NULL
    """,
    "what is pending is what was sold and not released": """
        SELECT b.payee_id, b.minor, e.minor FROM balances b
        FULL JOIN (
            SELECT payee_id, currency, SUM(amount - fee) AS minor FROM remainders
            WHERE released_at IS NULL GROUP BY 1, 2
        ) e ON b.kind = 'pending' AND e.payee_id = b.payee_id AND e.currency = b.currency
        WHERE COALESCE(b.kind, 'pending') = 'pending' AND COALESCE(b.minor, 0) <> COALESCE(e.minor, 0)
    """,
    "what is available is what was released and not asked for": """
        SELECT b.payee_id, b.minor, e.minor, l.minor FROM balances b
        LEFT JOIN (
            SELECT payee_id, currency, SUM(amount - fee) AS minor FROM remainders
            WHERE released_at IS NOT NULL GROUP BY 1, 2
        ) e ON e.payee_id = b.payee_id AND e.currency = b.currency
        LEFT JOIN leaving l ON l.payee_id = b.payee_id AND l.currency = b.currency
        WHERE b.kind = 'available' AND b.minor <> COALESCE(e.minor, 0) - COALESCE(l.minor, 0)
    """,
    "what is reserved is what open payouts ask for": """
        SELECT b.payee_id, b.minor, l.reserved FROM balances b
        FULL JOIN leaving l ON b.kind = 'reserve' AND l.payee_id = b.payee_id AND l.currency = b.currency
        WHERE COALESCE(b.kind, 'reserve') = 'reserve' AND COALESCE(b.minor, 0) <> COALESCE(l.reserved, 0)
    """,
    "what was paid out is what paid payouts say": """
        SELECT b.payee_id, b.minor, l.paid FROM balances b
        FULL JOIN leaving l ON b.kind = 'paid-out' AND l.payee_id = b.payee_id AND l.currency = b.currency
        WHERE COALESCE(b.kind, 'paid-out') = 'paid-out' AND COALESCE(b.minor, 0) <> COALESCE(l.paid, 0)
    """,
    "the platform's own is its fees less what Stripe took": """
        SELECT b.currency, b.minor, e.minor FROM balances b
        LEFT JOIN (
            SELECT currency, SUM(minor) AS minor FROM (
                SELECT currency, fee AS minor FROM remainders
                UNION ALL SELECT COALESCE(NULLIF(stripe_fee_currency, ''), currency), -stripe_fee_minor
                    FROM payments_charge WHERE status = 'paid'
                UNION ALL SELECT COALESCE(NULLIF(stripe_fee_currency, ''), currency), -stripe_fee_minor
                    FROM payments_dispute
            ) AS every GROUP BY currency
        ) e ON e.currency = b.currency
        WHERE b.kind = 'fees' AND b.minor <> COALESCE(e.minor, 0)
    """,
    "no payee is below zero unnoticed": """
        SELECT p.id, b.kind, b.minor FROM payments_payee p JOIN balances b ON b.payee_id = p.id
        WHERE b.minor < 0 AND (b.kind = 'reserve' OR p.below_zero_since IS NULL)
    """,
    "nothing leaves while its payee owes": """
        SELECT p.id, p.status, a.minor, q.minor FROM payments_payout p
        JOIN balances a ON a.kind = 'available' AND a.payee_id = p.payee_id AND a.currency = p.currency
        LEFT JOIN balances q ON q.kind = 'pending' AND q.payee_id = p.payee_id AND q.currency = p.currency
        WHERE a.minor + LEAST(0, COALESCE(q.minor, 0)) < 0 AND (
            p.status IN ('requested', 'approved')
            OR p.status = 'sending' AND (p.owed_since IS NULL OR p.owed_since < p.asked_stripe_at)
        )
    """,
    "nobody approves who has an interest in the payee": """
        SELECT p.id, y.by_id FROM payments_payout p
        JOIN payments_approval y ON y.payout_id = p.id AND y.voided_at IS NULL
        JOIN payments_interest i ON i.payee_id = p.payee_id AND i.user_id = y.by_id
        CROSS JOIN LATERAL (
            -- what is said before sending begins is asked once more then
            SELECT CASE WHEN p.status = 'approved' THEN y.at ELSE GREATEST(y.at, p.asked_stripe_at) END AS at
        ) AS counted
        WHERE p.status IN ('approved', 'sending', 'paid') AND i.since <= counted.at
          AND (i.until IS NULL OR i.until > counted.at - INTERVAL '90 days')
    """,
    "no payout leaves without the yes of somebody else, and of two above the limit": """
        SELECT p.id FROM payments_payout p
        LEFT JOIN payments_approval y
            ON y.payout_id = p.id AND y.destination = p.destination AND y.by_id <> p.requested_by_id
            AND y.voided_at IS NULL
        WHERE p.status IN ('approved', 'sending', 'paid')
        GROUP BY p.id
        HAVING COUNT(y.id) < CASE WHEN p.status <> 'paid' AND p.amount_minor + COALESCE((
            SELECT SUM(o.amount_minor) FROM payments_payout o
            WHERE o.payee_id = p.payee_id AND o.currency = p.currency AND o.id <> p.id
              AND o.status IN ('approved', 'sending', 'paid') AND o.reviewed_at < p.reviewed_at
              AND o.reviewed_at > p.reviewed_at - INTERVAL '7 days'
        ), 0) > COALESCE((%(two_reviewers_above)s::jsonb ->> p.currency)::bigint, 0) THEN 2 ELSE 1 END
    """,
}


def check(*, ask_stripe: bool = False, settled_by: datetime | None = None) -> list[Broken]:
    """Return every promise that does not hold. With `ask_stripe`, also where Stripe's own books differ.

    What Stripe did after `settled_by` may still be on its way to us and is not held against anybody.
    Raise StripeUnavailable when Stripe was asked and gave no answer.
    """
    broken = []
    limits = {"two_reviewers_above": json.dumps(settings.TWO_REVIEWERS_ABOVE)}
    with connection.cursor() as cursor:
        for promise, query in PROMISES.items():
            cursor.execute(f"{GROUND} {query} LIMIT {MOST_SHOWN}", limits)
            broken += [Broken(promise, ", ".join(str(value) for value in row)) for row in cursor.fetchall()]
    if ask_stripe:
        found = comparison.whole(at=now(), settled_by=settled_by)
        broken += [Broken(comparison.AGREES, str(each)) for each in found]
    return broken
