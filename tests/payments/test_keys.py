"""The check that every test of Stripe ends with sees what it is for."""

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

import pytest

from payments import refunds, stripe_gateway
from payments.models import Charge
from payments.sandbox.world import Asked
from tests import keys

if TYPE_CHECKING:
    from payments.sandbox.serve import StandIn


def refund(key: str, reference: str, amount: int = 100) -> Asked:
    return Asked(key, "/v1/refunds", {"amount": amount, "metadata": {"reference": reference}})


def checkout(key: str, attempt: str, expires_at: int) -> Asked:
    return Asked(
        key,
        "/v1/checkout/sessions",
        {"expires_at": expires_at, "metadata": {"reference": "order-1", "attempt": attempt}},
    )


@pytest.mark.parametrize(
    ("asked", "wrong"),
    [
        ([refund("refund-1", "refund-1"), refund("refund-1", "refund-1")], 0),
        ([refund("refund-1", "refund-1"), refund("refund-2", "refund-2")], 0),
        ([refund("refund", "refund-1")], 1),  # a constant key, in a test that refunds once
        ([refund("refund-1", "refund-1"), refund("refund-1", "refund-1", amount=200)], 1),
        ([refund("refund-1", "refund-1"), refund("refund-1-again", "refund-1")], 1),
        ([checkout("checkout-7-1", "1", 10), checkout("checkout-7-2", "2", 20)], 0),
        ([checkout("checkout-7-1", "1", 10), checkout("checkout-7-1", "1", 20)], 1),
        ([checkout("checkout-7", "1", 10)], 1),
        ([checkout("checkout-7-1", "2", 10)], 1),
    ],
)
def test_a_key_names_one_row_and_attempt(asked: list[Asked], wrong: int) -> None:
    assert len(keys.misused(asked)) == wrong


@pytest.mark.django_db
def test_a_constant_key_of_refunds_is_seen_where_there_is_but_one(
    stand_in: "StandIn",
    checked_out: Callable[..., Charge],
    deliver: Callable[[], int],
    monkeypatch: pytest.MonkeyPatch,
    at: datetime,
) -> None:
    charge = checked_out()
    stand_in.pay(charge.checkout_id or "")
    deliver()
    create = stripe_gateway.create_refund
    monkeypatch.setattr(stripe_gateway, "create_refund", lambda **told: create(**(told | {"key": "refund"})))
    given = refunds.ask(charge=charge, reason="", by=None, at=at)
    refunds.send(refund=given, at=at)
    assert [words.split()[0] for words in keys.misused(stand_in.asked())] == ["refund"]
    stand_in.reset()  # what was done on purpose is not held against this test
