"""Each status of money moves where this table says and nowhere else: tried with move(), pair by pair."""

import itertools
from datetime import datetime
from typing import Any, cast

import pytest
from django.apps import apps

from accounts.models import User
from payments.models import Charge, Payee, Payout, Refund, StripeEvent, Subscription
from payments.states import WrongState, move
from tests import factories

pytestmark = [pytest.mark.django_db, pytest.mark.broken_books]

# From each status, every status that may follow. Written by hand: the models are held against it.
TABLE: dict[str, dict[str, set[str]]] = {
    "charge": {"asked": {"paid", "dropped"}, "dropped": {"paid"}, "paid": set()},
    "refund": {
        "wanted": {"sent", "done", "failed", "by-hand"},
        "sent": {"done", "failed"},
        "done": {"failed"},
        "by-hand": set(),
        "failed": set(),
    },
    "payout": {
        "requested": {"held", "approved", "rejected"},
        "held": {"approved", "rejected"},
        "approved": {"sending", "held", "rejected"},
        "sending": {"paid", "failed", "held", "approved"},
        "paid": set(),
        "rejected": set(),
        "failed": set(),
    },
    "subscription": {
        "asked": {"running", "overdue", "ended"},
        "running": {"overdue", "ended"},
        "overdue": {"running", "ended"},
        "ended": set(),
    },
    "stripeevent": {"received": {"handled", "ignored"}, "handled": set(), "ignored": set()},
}
PAIRS = [
    (model, start, end) for model, moves in TABLE.items() for start, end in itertools.product(moves, repeat=2)
]


def row(model: str, payee: Payee, ben: User, rae: User, at: datetime) -> Any:
    """Return a row that the database lets stand in any status."""
    charge = factories.ChargeFactory.create(payee=payee, buyer=ben, paid_at=at)
    match model:
        case "charge":
            return charge
        case "refund":
            return Refund.objects.create(
                charge=charge,
                amount_minor=100,
                fee_minor=8,
                currency="EUR",
                reason="ill",
                stripe_id="re_1",
                failure="lost",
                done_at=at,
                created_at=at,
            )
        case "payout":
            return factories.PayoutFactory.create(
                payee=payee,
                requested_by=ben,
                reviewed_by=rae,
                reviewed_at=at,
                reason="why",
                destination="acct_night",
                stripe_id="tr_1",
                paid_at=at,
            )
        case "subscription":
            return factories.SubscriptionFactory.create(payee=payee, buyer=ben)
        case _:
            return StripeEvent.objects.create(
                stripe_id="evt_1", kind="x", api_version="x", body={}, received_at=at, next_attempt_at=at
            )


def test_the_table_knows_every_model_and_every_status() -> None:
    stateful = [model for model in apps.get_app_config("payments").get_models() if hasattr(model, "MOVES")]
    assert {model._meta.model_name: set(cast("Any", model).Status.values) for model in stateful} == {
        name: set(moves) for name, moves in TABLE.items()
    }
    assert {Charge, Payout, Refund, StripeEvent, Subscription} == set(stateful)


@pytest.mark.parametrize(("model", "start", "end"), PAIRS)
def test_a_status_moves_where_the_table_says(
    payee: Payee, ben: User, rae: User, at: datetime, model: str, start: str, end: str
) -> None:
    it = row(model, payee, ben, rae, at)
    rows = type(it).objects.filter(pk=it.pk)
    assert rows.update(status=start) == 1
    try:
        move(it, end)
        moved = True
    except WrongState:
        moved = False
    assert (moved, rows.get().status) == (end in TABLE[model][start], end if moved else start)
