"""What the database refuses, and what only a query sees: each spoilt by hand and found."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from accounts.models import User
from tests import factories
from tests.ticketing import box_office
from ticketing import aftersales, money_back, promises, tasks
from ticketing.models import Event, Order, Ticket, TicketType

pytestmark = pytest.mark.django_db

Sql = Callable[..., None]


@pytest.fixture
def sql() -> Sql:
    """Return what runs SQL to its commit, as somebody at the database would."""

    def run(statement: str, *values: Any) -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement, values)
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")

    return run


@pytest.fixture
def unguarded(sql: Sql) -> Sql:
    """Return what runs SQL although constraints forbid it, so that the promises have something to find."""

    def run(statement: str, *values: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            cursor.execute("SET LOCAL session_replication_role = replica")
            cursor.execute(statement, values)
            cursor.execute("SET LOCAL session_replication_role = DEFAULT")

    return run


@pytest.fixture
def bought(ben: User, seat: TicketType, at: datetime) -> Order:
    return box_office.buy(ben, seat, 2, at=at)


def refused(name: str, run: Callable[[], None]) -> None:
    with pytest.raises(IntegrityError, match=name):
        run()


# ---- What the database refuses. Each was seen passing through before.


@pytest.mark.parametrize("column", ["total_minor = total_minor - 1", "currency = 'USD'"])
def test_an_order_costs_what_its_charge_asks(sql: Sql, bought: Order, column: str) -> None:
    with pytest.raises(IntegrityError):
        sql(f"UPDATE ticketing_order SET {column} WHERE id = %s", bought.pk)  # noqa: S608 -- the test's own words


def test_an_order_is_paid_by_its_buyer(sql: Sql, bought: Order, max: User) -> None:
    refused(
        "an_order_costs_what_its_charge_asks",
        lambda: sql("UPDATE ticketing_order SET buyer_id = %s WHERE id = %s", max.pk, bought.pk),
    )


def test_ticket_type_and_order_are_of_one_event(sql: Sql, bought: Order, club: object) -> None:
    other = factories.TicketTypeFactory.create(event__club=club)
    refused(
        "a_ticket_is_of_the_event_of_its_type",
        lambda: sql(
            "UPDATE ticketing_ticket SET ticket_type_id = %s WHERE order_id = %s", other.pk, bought.pk
        ),
    )
    with pytest.raises(IntegrityError):
        sql("UPDATE ticketing_ticket SET event_id = %s WHERE order_id = %s", other.event_id, bought.pk)
    with pytest.raises(IntegrityError):
        sql("UPDATE ticketing_order SET event_id = %s WHERE id = %s", other.event_id, bought.pk)


@pytest.mark.parametrize("table", ["tickettype", "ticket", "order", "event"])
def test_nothing_of_an_event_changes_its_currency(sql: Sql, bought: Order, table: str) -> None:
    with pytest.raises(IntegrityError):
        sql(f"UPDATE ticketing_{table} SET currency = 'USD'")  # noqa: S608 -- the test's own words


@pytest.mark.parametrize("status", ["expired", "too-late", "refunded", "held"])
def test_no_live_ticket_is_of_an_order_that_was_let_go(sql: Sql, bought: Order, status: str) -> None:
    refused(
        "a_ticket_lives_as_its_order_does",
        lambda: sql(
            "UPDATE ticketing_order SET status = %s, refunded_at = now() WHERE id = %s", status, bought.pk
        ),
    )


@pytest.mark.parametrize("status", ["live", "held"])
def test_a_ticket_of_an_order_that_was_let_go_stays_dead(
    sql: Sql, ben: User, ada: User, bought: Order, at: datetime, status: str
) -> None:
    aftersales.refund(order=bought, by=ada, reason="Ill", at=at)
    refused(
        "a_ticket_lives_as_its_order_does",
        lambda: sql("UPDATE ticketing_ticket SET status = %s WHERE order_id = %s", status, bought.pk),
    )


def test_a_cancelled_event_gives_money_back(sql: Sql, bought: Order) -> None:
    refused(
        "a_cancelled_event_gives_money_back",
        lambda: sql("UPDATE ticketing_event SET status = 'cancelled' WHERE id = %s", bought.event_id),
    )


def test_a_cancelled_event_is_not_done_while_somebody_is_seated(
    sql: Sql, ada: User, event: Event, bought: Order, at: datetime
) -> None:
    aftersales.cancel_event(event=event, by=ada, reason="Storm", at=at)
    refused(
        "a_cancelled_event_is_done_when_nobody_is_seated",
        lambda: sql("UPDATE ticketing_event SET refunding_done_at = now() WHERE id = %s", event.pk),
    )
    money_back.give(at=at)
    event.refresh_from_db()
    assert event.refunding_done_at == at
    refused(
        "a_cancelled_event_is_done_when_nobody_is_seated",
        lambda: sql("UPDATE ticketing_order SET status = 'paid' WHERE id = %s", bought.pk),
    )


def test_an_order_has_fifty_tickets_at_most(event: Event, ben: User) -> None:
    order = factories.OrderFactory.create(event=event, buyer=ben)
    kind = box_office.kind(event, price=0)

    def write(count: int) -> None:
        with transaction.atomic():
            Ticket.objects.bulk_create(
                Ticket(order=order, event=event, ticket_type=kind, price_minor=0, currency="EUR",
                       status=Ticket.Status.LIVE, created_at=order.placed_at)
                for _ in range(count)
            )  # fmt: skip

    write(50)
    refused("an_order_has_fifty_tickets_at_most", lambda: write(1))


# ---- What only a query sees


SPOILT = {
    "held and sold are those of the tickets": "UPDATE ticketing_tickettype SET sold = sold + 1",
    "an order costs what its tickets cost together": "UPDATE ticketing_ticket SET price_minor = 1",
    "an order costs what its charge asks, of the same buyer": "UPDATE ticketing_order SET total_minor = 99",
    "a charge goes to the club whose event it is": "UPDATE payments_charge SET payee_id = %(payee)s",
    "an order is bought exactly when its charge is paid": "UPDATE payments_charge SET status = 'dropped'",
    "ticket, type and order are of one event and in its money":
        "UPDATE ticketing_order SET event_id = %(event)s",
    "a ticket lives as its order does": "UPDATE ticketing_order SET status = 'expired'",
    "nobody is seated at a cancelled event, or it still gives money back":
        "UPDATE ticketing_event SET status = 'cancelled', refunding_since = now(), refunding_done_at = now(),"
        " refunding_because = 'Storm', refunding_by_id = created_by_id",
    "nobody is refunded and has nothing back":
        "UPDATE ticketing_order SET status = 'refunded', refunded_at = now()",
    "money of an event is released or goes back, not both":
        "UPDATE ticketing_event SET money_released_at = now(), refunding_since = now() - interval '1 day',"
        " refunding_because = 'Storm', refunding_by_id = created_by_id",
}  # fmt: skip


def test_each_promise_is_spoilt_below() -> None:
    assert set(SPOILT) == set(promises.PROMISES)


@pytest.mark.broken_books
@pytest.mark.parametrize("promise", SPOILT)
def test_a_broken_promise_is_found(unguarded: Sql, bought: Order, promise: str) -> None:
    assert promises.check() == []
    other = factories.EventFactory.create()
    statement = SPOILT[promise].replace("%(payee)s", f"'{other.club.payee_id}'")
    unguarded(statement.replace("%(event)s", f"'{other.pk}'"))
    assert promise in {broken.promise for broken in promises.check()}
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")


def test_the_hourly_check_fails_loudly(unguarded: Sql, bought: Order) -> None:
    tasks.check_seats()
    unguarded("UPDATE ticketing_tickettype SET sold = sold + 1")
    with pytest.raises(tasks.SalesBroken, match="held and sold are those of the tickets"):
        tasks.check_seats()
