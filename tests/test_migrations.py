"""A town of before moves into the house of today: with its look-alike names, odd prices and unknown fees."""

import uuid
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import pytest_django
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.utils.timezone import now

BEFORE = [
    ("accounts", "0003_people_start_in_english"),
    ("account", "0009_emailaddress_unique_primary_email"),
    ("clubs", "0001_initial"),
    ("payments", "0004_nobody_approves_their_own_payout"),
    ("rooms", "0004_how_a_room_sounds"),
    ("ticketing", "0002_money_back_and_orders_one_by_one"),
]


@pytest.fixture
def _database_of_before(django_db_blocker: pytest_django.DjangoDbBlocker) -> Iterator[None]:
    """Give the test a database of its own: half a move would leave the other tests without one."""
    usual, old = connection.settings_dict["NAME"], f"before_{uuid.uuid4().hex[:8]}"
    with django_db_blocker.unblock():
        with connection.cursor() as cursor:
            cursor.execute(f"CREATE DATABASE {old}")
        connection.close()
        connection.settings_dict["NAME"] = old
        try:
            yield
        finally:
            connection.close()
            connection.settings_dict["NAME"] = usual
            with connection.cursor() as cursor:
                cursor.execute(f"DROP DATABASE {old} WITH (FORCE)")
            connection.close()


def _migrate(targets: list[tuple[str, str]]) -> Any:
    MigrationExecutor(connection).migrate(targets)
    return MigrationExecutor(connection).loader.project_state(targets).apps


@pytest.mark.usefixtures("_database_of_before")
def test_a_town_of_before_moves_in() -> None:
    before, at = _migrate(BEFORE), now()
    made = _People(before, at)
    ada, ben = made.person("ad1", "ada@bücher.example"), made.person("adl", "ben@house.example")
    night, alike, third = made.club("Night 2"), made.club("Night"), made.club("N\u0456ght")
    blank = made.club("\u200b")
    plan = before.get_model("clubs", "Plan").objects.create(
        club=night, name="All", price_minor=5_000_000, currency="EUR", created_at=at
    )
    event = made.event(night, by=ada, minutes=900)
    types = before.get_model("ticketing", "TicketType").objects
    for name in ("Seat", "Sea\u0442"):
        types.create(
            event=event, name=name, price_minor=10, currency="EUR", capacity=2_000_000, per_person=70
        )
    order, charge = made.order(event, buyer=ben, minor=60)
    month = made.month(night, buyer=ben)
    first = types.order_by("name").first()
    ticket = before.get_model("ticketing", "Ticket").objects.create(
        order=order,
        event=event,
        ticket_type=first,
        price_minor=10,
        currency="EUR",
        status="live",
        created_at=at,
    )

    after = _migrate(MigrationExecutor(connection).loader.graph.leaf_nodes())

    clubs = after.get_model("clubs", "Club").objects
    names = [clubs.get(pk=club.pk).name for club in (night, alike, third, blank)]
    assert names == ["Night 2", "Night", "N\u0456ght 3", "Club"]
    assert clubs.get(pk=third.pk).seen_name == "night 3"
    assert after.get_model("clubs", "Plan").objects.get(pk=plan.pk).price_minor == 100_000
    event = after.get_model("ticketing", "Event").objects.get(pk=event.pk)
    assert event.minutes == 720
    kinds = after.get_model("ticketing", "TicketType").objects.filter(event=event)
    assert sorted(kind.seen_name for kind in kinds) == ["seat", "seat 2"]
    assert {(kind.price_minor, kind.capacity, kind.per_person) for kind in kinds} == {(50, 1_000_000, 50)}
    order = after.get_model("ticketing", "Order").objects.get(pk=order.pk)
    assert (order.total_minor, order.sold_starts_at, order.sold_minutes) == (60, event.starts_at, 720)
    assert after.get_model("ticketing", "Ticket").objects.get(pk=ticket.pk).sold_as == "Seat"
    people = after.get_model("accounts", "User").objects
    assert people.get(pk=ada.pk).email == "ada@xn--bcher-kva.example"
    assert [people.get(pk=one.pk).handle for one in (ada, ben)] == ["ad1", "adl_2"]
    asked = after.get_model("payments", "FeeQuestion").objects.values_list("charge_id", flat=True)
    assert set(asked) == {charge.pk, month.pk}
    period = after.get_model("payments", "PaidPeriod").objects.get()
    assert (period.invoice_id, period.charge_id) == ("in_1", month.pk)
    assert period.ends_at == period.subscription.paid_until


class _People:
    """Makes the rows of before, as the code of before did."""

    def __init__(self, apps: Any, at: Any) -> None:
        self.apps, self.at = apps, at

    def make(self, model: str, **fields: Any) -> Any:
        return self.apps.get_model(*model.split(".")).objects.create(**fields)

    def person(self, handle: str, email: str) -> Any:
        self.at += timedelta(seconds=1)
        return self.make("accounts.User", handle=handle, email=email, date_joined=self.at)

    def club(self, name: str) -> Any:
        self.at += timedelta(seconds=1)
        payee = self.make("payments.Payee", name=name, currency="EUR", created_at=self.at)
        slug = uuid.uuid4().hex
        fields = {"currency": "EUR", "timezone": "UTC", "payee": payee, "created_at": self.at}
        return self.make("clubs.Club", slug=slug, name=name, **fields)

    def event(self, club: Any, *, by: Any, minutes: int) -> Any:
        return self.make(
            "ticketing.Event",
            club=club,
            created_by=by,
            title="An evening",
            slug="an-evening",
            currency="EUR",
            timezone="UTC",
            starts_at=self.at,
            minutes=minutes,
            created_at=self.at,
        )

    def order(self, event: Any, *, buyer: Any, minor: int) -> tuple[Any, Any]:
        charge = self._charge(event.club.payee, buyer, minor, reference="order-1")
        fields = {"total_minor": minor, "currency": "EUR", "status": "paid", "placed_at": self.at}
        fields |= {"held_until": self.at, "paid_at": self.at, "code": "ABCD"}
        return self.make("ticketing.Order", event=event, buyer=buyer, charge=charge, **fields), charge

    def month(self, club: Any, *, buyer: Any) -> Any:
        subscription = self.make(
            "payments.Subscription",
            payee=club.payee,
            buyer=buyer,
            reference="membership-1",
            amount_minor=500,
            currency="EUR",
            status="running",
            created_at=self.at,
            paid_until=self.at + timedelta(days=30),
        )
        return self._charge(club.payee, buyer, 500, reference="invoice-in_1", subscription=subscription)

    def _charge(self, payee: Any, buyer: Any, minor: int, **fields: Any) -> Any:
        fields |= {"fee_minor": 0, "currency": "EUR", "status": "paid", "created_at": self.at}
        fields |= {"paid_at": self.at, "payment_intent_id": f"pi_{uuid.uuid4().hex}"}
        return self.make("payments.Charge", payee=payee, buyer=buyer, amount_minor=minor, **fields)
