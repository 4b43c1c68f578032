"""Each promise of the sale, as a query that must return nothing.

What a constraint can see is a constraint; these compare rows with one another. The clock checks them every
hour. A promise returns one row per breach; its columns say where.
"""

from django.db import connection

from payments.books import Broken

MOST_SHOWN = 20

PROMISES = {
    "held and sold are those of the tickets": """
        SELECT k.id, k.held, k.sold FROM ticketing_tickettype k
        LEFT JOIN (
            SELECT ticket_type_id, COUNT(*) FILTER (WHERE status = 'held') AS held,
                   COUNT(*) FILTER (WHERE status = 'live') AS sold
            FROM ticketing_ticket GROUP BY 1
        ) t ON t.ticket_type_id = k.id
        WHERE k.held <> COALESCE(t.held, 0) OR k.sold <> COALESCE(t.sold, 0)
    """,
    "an order costs what its tickets cost together": """
        SELECT o.id, o.total_minor, SUM(t.price_minor) FROM ticketing_order o
        JOIN ticketing_ticket t ON t.order_id = o.id GROUP BY o.id HAVING o.total_minor <> SUM(t.price_minor)
    """,
    "an order costs what its charge asks, of the same buyer": """
        SELECT o.id, o.total_minor, c.amount_minor FROM ticketing_order o
        JOIN payments_charge c ON c.id = o.charge_id
        WHERE (o.total_minor, o.currency, o.buyer_id) <> (c.amount_minor, c.currency, c.buyer_id)
    """,
    "a charge goes to the club whose event it is": """
        SELECT o.id FROM ticketing_order o JOIN payments_charge c ON c.id = o.charge_id
        JOIN ticketing_event e ON e.id = o.event_id JOIN clubs_club b ON b.id = e.club_id
        WHERE c.payee_id <> b.payee_id
    """,
    "an order is bought exactly when its charge is paid": """
        SELECT o.id, o.status, c.status FROM ticketing_order o JOIN payments_charge c ON c.id = o.charge_id
        WHERE (o.status IN ('paid', 'too-late', 'refunded')) <> (c.status = 'paid')
    """,
    "ticket, type and order are of one event and in its money": """
        SELECT t.id FROM ticketing_ticket t JOIN ticketing_tickettype k ON k.id = t.ticket_type_id
        JOIN ticketing_order o ON o.id = t.order_id JOIN ticketing_event e ON e.id = t.event_id
        WHERE t.event_id <> k.event_id OR t.event_id <> o.event_id
           OR t.currency <> e.currency OR k.currency <> e.currency OR o.currency <> e.currency
    """,
    "a ticket lives as its order does": """
        SELECT t.id, t.status, o.status FROM ticketing_ticket t JOIN ticketing_order o ON o.id = t.order_id
        WHERE (t.status = 'live' AND o.status <> 'paid') OR (t.status = 'held' AND o.status <> 'held')
           OR (t.status = 'dead' AND o.status IN ('held', 'paid'))
    """,
    "nobody is seated at a cancelled event, or it still gives money back": """
        SELECT e.id, o.id FROM ticketing_event e JOIN ticketing_order o ON o.event_id = e.id
        WHERE e.status = 'cancelled' AND o.status IN ('held', 'paid')
          AND (e.refunding_since IS NULL OR e.refunding_done_at IS NOT NULL)
    """,
    "nobody is refunded and has nothing back": """
        SELECT o.id FROM ticketing_order o
        WHERE o.status IN ('refunded', 'too-late') AND o.charge_id IS NOT NULL
          AND NOT EXISTS (SELECT FROM payments_refund r WHERE r.charge_id = o.charge_id)
          AND NOT EXISTS (SELECT FROM payments_dispute d WHERE d.charge_id = o.charge_id)
    """,
    "money of an event is released or goes back, not both": """
        SELECT e.id FROM ticketing_event e
        WHERE e.money_released_at IS NOT NULL AND e.refunding_since < e.money_released_at
    """,
}


def check() -> list[Broken]:
    """Return every promise of the sale that does not hold."""
    broken = []
    with connection.cursor() as cursor:
        for promise, query in PROMISES.items():
            cursor.execute(f"{query} LIMIT {MOST_SHOWN}")
            broken += [Broken(promise, ", ".join(str(value) for value in row)) for row in cursor.fetchall()]
    return broken
