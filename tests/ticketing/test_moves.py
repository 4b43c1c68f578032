"""Every move of every status of the sale and of clubs, tried against a table written here once more."""

from datetime import datetime
from typing import Any

import pytest
from django.apps import apps
from django.db import models, transaction

from clubs.models import Membership
from payments.states import WrongState, move, move_all
from tests import factories
from ticketing.models import Event, Order, Ticket

pytestmark = pytest.mark.django_db

# What may become what. The models say it, too: a slip in one of both is seen.
ALLOWED: dict[type[models.Model], set[tuple[str, str]]] = {
    Event: {
        ("draft", "published"),
        ("draft", "cancelled"),
        ("published", "live"),
        ("published", "ended"),
        ("published", "cancelled"),
        ("live", "ended"),
        ("live", "published"),  # the doors shut again before the planned end
    },
    Order: {
        ("held", "paid"),
        ("held", "expired"),
        ("expired", "paid"),
        ("expired", "too-late"),
        ("paid", "refunded"),
    },
    Ticket: {("held", "live"), ("held", "dead"), ("live", "dead"), ("dead", "live")},
    Membership: {("asked", "active"), ("asked", "ended"), ("active", "ended")},
}
FACTORIES: dict[type[models.Model], Any] = {
    Event: factories.EventFactory,
    Order: factories.OrderFactory,
    Ticket: factories.TicketFactory,
    Membership: factories.MembershipFactory,
}


def columns(row: models.Model, status: str, at: datetime) -> dict[str, Any]:
    """Return what a row of this status has to say besides."""
    if isinstance(row, Event):
        called_off = {"refunding_since": at, "refunding_because": "Storm", "refunding_by": row.created_by}
        more: dict[str, dict[str, Any]] = {"ended": {"ended_at": at}, "cancelled": called_off}
        return more.get(status, {})
    if isinstance(row, Order):
        return {"paid": {"paid_at": at}, "refunded": {"refunded_at": at}}.get(status, {})
    return {}


def may(row: models.Model, start: str, end: str, *, at: datetime, at_once: bool) -> bool:
    """Return whether a row that is `start` becomes `end`; nothing of it stays."""
    rows = type(row)._base_manager.filter(pk=row.pk)
    with transaction.atomic():
        rows.update(status=start, **columns(row, start, at))
        try:
            if at_once:
                return move_all(rows, end, **columns(row, end, at)) == 1
            move(row, end, **columns(row, end, at))
        except WrongState:
            return False
        else:
            return bool(rows.get().status == end)  # type: ignore[attr-defined]
        finally:
            transaction.set_rollback(True)


@pytest.mark.parametrize("at_once", [False, True], ids=["one", "all"])
@pytest.mark.parametrize("model", ALLOWED, ids=lambda model: model.__name__)
def test_exactly_these_moves_are_made(model: type[models.Model], at: datetime, *, at_once: bool) -> None:
    row = FACTORIES[model].create()
    statuses = [value for value, _label in model.Status.choices]  # type: ignore[attr-defined]
    made = {
        (start, end) for start in statuses for end in statuses if may(row, start, end, at=at, at_once=at_once)
    }
    assert made == ALLOWED[model]


def test_no_status_of_these_apps_is_without_a_table() -> None:
    models_with_moves = {
        model
        for name in ("clubs", "ticketing")
        for model in apps.get_app_config(name).get_models()
        if hasattr(model, "MOVES") or any(field.name == "status" for field in model._meta.get_fields())
    }
    assert models_with_moves == set(ALLOWED)
