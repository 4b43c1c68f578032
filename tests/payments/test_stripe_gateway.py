"""How Stripe's errors and silences are understood, and what the tasks do with them."""

import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
import stripe

from payments import stripe_gateway, tasks
from payments.models import Charge, Payee, StripeEvent
from payments.money import Money
from payments.stripe_gateway import API_VERSION, KeyReused, StripeRefused, StripeUnavailable
from tests import factories

if TYPE_CHECKING:
    from pytest_django import Settings

    from payments.sandbox.serve import StandIn

pytestmark = pytest.mark.django_db


def refund(minor: int = 100, key: str = "refund-1") -> None:
    stripe_gateway.create_refund(payment_intent="pi_1", amount=Money(minor, "EUR"), reference=key, key=key)


def test_the_version_is_pinned_to_that_of_the_sdk() -> None:
    assert stripe.api_version == API_VERSION


@pytest.mark.parametrize("status", [0, 409, 429, 500, 503])
def test_no_definite_answer_is_unavailable(stand_in: "StandIn", status: int) -> None:
    stand_in.switches.turn({"fail_next": [{"path_prefix": "/v1/refunds", "status": status}] * 3})
    with pytest.raises(StripeUnavailable):
        refund()


def test_a_refusal_carries_stripes_code(stand_in: "StandIn") -> None:
    with pytest.raises(StripeRefused) as refusal:
        refund()
    assert refusal.value.code == "resource_missing"


def test_a_refused_permission_carries_its_code_too(stand_in: "StandIn", paid_payee: Payee) -> None:
    stand_in.by_hand("deauthorise", account=paid_payee.stripe_account_id)
    with pytest.raises(StripeRefused) as refusal:
        stripe_gateway.read_account(paid_payee.stripe_account_id)
    assert refusal.value.code == "account_invalid"


def test_a_key_for_two_different_things_is_a_bug_and_no_refusal(stand_in: "StandIn") -> None:
    for minor in (100, 200):
        with pytest.raises(StripeRefused if minor == 100 else KeyReused):
            refund(minor)
    stand_in.reset()  # what was done on purpose is not held against this test


def test_a_key_that_stripe_does_not_accept_is_no_refusal_of_a_payout(
    stand_in: "StandIn", settings: "Settings"
) -> None:
    settings.STRIPE_SECRET_KEY = "nonsense"
    with pytest.raises(StripeUnavailable):
        refund()


def test_a_dead_line_is_unavailable(settings: "Settings") -> None:
    settings.STRIPE_API_BASE = "http://127.0.0.1:9"
    with pytest.raises(StripeUnavailable):
        stripe_gateway.read_account("acct_1")


def test_lists_are_read_to_their_end(
    stand_in: "StandIn", checked_out: Callable[..., Charge], monkeypatch: pytest.MonkeyPatch
) -> None:
    intent = stand_in.pay(checked_out().checkout_id or "")["payment_intent"]
    for number in range(5):
        name = f"refund-{number}"
        stripe_gateway.create_refund(
            payment_intent=intent, amount=Money(100, "EUR"), reference=name, key=name
        )
    monkeypatch.setattr(stripe_gateway, "PAGE", 2)
    oldest = stripe_gateway.find_refund(payment_intent=intent, reference="refund-0")
    assert oldest is not None
    assert oldest.id == stand_in.objects("refund")[-1]["id"]
    first, is_more = stripe_gateway.movements_page()
    second, _more = stripe_gateway.movements_page(after=first[-1].id)
    assert (len(first), is_more, len({line.id for line in first + second})) == (2, True, 4)


def test_tasks_do_what_their_rows_ask_for(stand_in: "StandIn", at: datetime) -> None:
    event = StripeEvent.objects.create(
        stripe_id="evt_1",
        kind="price.created",
        api_version=API_VERSION,
        body={"data": {"object": {"id": "price_1"}}},
        received_at=at,
        next_attempt_at=at,
    )
    tasks.handle_event(event.pk)
    event.refresh_from_db()
    assert event.status == "ignored"
    factories.ChargeFactory.create()
    for task in (tasks.handle_due, tasks.send_due, tasks.release_memberships, tasks.ask_about_the_unknown):
        task()
    assert Charge.objects.get().status == "asked"


def test_a_stripe_that_hangs_holds_so_many_and_no_more(
    settings: "Settings", monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.STRIPE_AT_ONCE = 2
    waiting, answered = threading.Semaphore(0), threading.Event()

    def hang(_v1: Any) -> str:
        waiting.release()
        answered.wait(30)
        return "at last"

    monkeypatch.setattr(stripe_gateway, "_client", lambda _key, _base: SimpleNamespace(v1=None))
    with ThreadPoolExecutor(2) as people:
        first = [people.submit(stripe_gateway._ask, hang) for _person in range(2)]
        assert all(waiting.acquire(timeout=30) for _person in range(2))
        with pytest.raises(StripeUnavailable):
            stripe_gateway._ask(lambda _v1: "never asked")
        answered.set()
        assert [one.result(30) for one in first] == ["at last", "at last"]
    assert stripe_gateway._ask(lambda _v1: "asked again") == "asked again"


def test_the_web_has_less_patience_with_stripe_than_a_worker(settings: "Settings") -> None:
    program = """
import stagedoor.asgi
from django.conf import settings as s
print(s.STRIPE_SECONDS, s.STRIPE_FURTHER_ATTEMPTS, s.STRIPE_AT_ONCE, s.WEB_THREADS)
"""
    said = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)  # noqa: S603 -- our own words
    assert said.stdout.split() == ["6.0", "0", "8", "24"]
    assert (settings.STRIPE_SECONDS, settings.STRIPE_FURTHER_ATTEMPTS) == (15.0, 2)
