"""Subscriptions: begun by a checkout, renewed by the clock, ended."""

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
import stripe

from payments.sandbox.billing import period_end
from payments.sandbox.serve import StandIn

Sell = Callable[..., stripe.checkout.Session]
DAY = 86_400


@pytest.fixture
def subscription(sell: Sell, stand_in: StandIn) -> str:
    """Return a paid monthly subscription of 5 euros."""
    month = {
        "currency": "eur",
        "unit_amount": 500,
        "recurring": {"interval": "month"},
        "product_data": {"name": "Club"},
    }
    session = sell(
        mode="subscription",
        line_items=[{"price_data": month, "quantity": 1}],
        subscription_data={"metadata": {"membership": "7"}},
    )
    return str(stand_in.pay(session.id, email="ben@example.com")["subscription"])


def types(stand_in: StandIn) -> list[str]:
    return [webhook.type for webhook in stand_in.take_webhooks()]


def test_a_checkout_begins_a_subscription_with_a_paid_invoice(
    client: stripe.StripeClient, stand_in: StandIn, subscription: str
) -> None:
    found = client.v1.subscriptions.retrieve(subscription, {"expand": ["latest_invoice", "customer"]})
    assert (found.status, found.metadata.to_dict()) == ("active", {"membership": "7"})
    assert isinstance(found.customer, stripe.Customer)
    assert isinstance(found.latest_invoice, stripe.Invoice)
    assert found.customer.email == "ben@example.com"
    assert (found.latest_invoice.status, found.latest_invoice.amount_paid) == ("paid", 500)
    item = found.to_dict()["items"]["data"][0]
    assert 28 * DAY <= item["current_period_end"] - item["current_period_start"] <= 31 * DAY
    (session,) = stand_in.objects("checkout.session")
    assert (session["payment_intent"], session["invoice"]) == (None, found.latest_invoice.id)


def test_the_way_from_an_invoice_to_its_charge_leads_through_invoice_payments(
    client: stripe.StripeClient, stand_in: StandIn, subscription: str
) -> None:
    invoice = stand_in.find(subscription)["latest_invoice"]
    (payment,) = client.v1.invoice_payments.list(
        {"invoice": invoice, "expand": ["data.payment.payment_intent"]}
    ).data
    intent = payment.payment.payment_intent
    assert isinstance(intent, stripe.PaymentIntent)
    assert (payment.status, intent.status, intent.amount) == ("paid", "succeeded", 500)
    retrieved = client.v1.invoices.retrieve(invoice, {"expand": ["payments"]})
    assert retrieved.payments is not None
    assert [each.id for each in retrieved.payments.data] == [payment.id]


def test_a_subscription_renews_each_month(stand_in: StandIn, subscription: str) -> None:
    types(stand_in)
    first = stand_in.find(subscription)["items"]["data"][0]["current_period_end"]
    stand_in.advance(32 * DAY)
    assert stand_in.find(subscription)["items"]["data"][0]["current_period_start"] == first
    assert types(stand_in) == [
        "invoice.created",
        "invoice.finalized",
        "customer.subscription.updated",
        "payment_intent.created",
        "charge.succeeded",
        "payment_intent.succeeded",
        "invoice_payment.paid",
        "invoice.paid",
        "invoice.payment_succeeded",
    ]


def test_a_long_leap_renews_each_month_in_its_turn(stand_in: StandIn, subscription: str) -> None:
    stand_in.advance(100 * DAY)
    invoices = stand_in.objects("invoice")
    assert [invoice["status"] for invoice in invoices] == ["paid"] * 4
    created = [invoice["created"] for invoice in invoices]
    assert created == sorted(created, reverse=True)
    assert len({invoice["number"] for invoice in invoices}) == 4


def test_cancelling_at_the_periods_end_lets_the_month_run_out(
    client: stripe.StripeClient, stand_in: StandIn, subscription: str
) -> None:
    changed = client.v1.subscriptions.update(subscription, {"cancel_at_period_end": True})
    ends = changed.to_dict()["items"]["data"][0]["current_period_end"]
    assert (changed.status, changed.cancel_at) == ("active", ends)
    stand_in.advance(32 * DAY)
    ended = client.v1.subscriptions.retrieve(subscription)
    assert (ended.status, ended.ended_at) == ("canceled", ends)
    assert types(stand_in)[-1] == "customer.subscription.deleted"
    assert len(stand_in.objects("invoice")) == 1


def test_a_customer_can_cancel_without_the_shop(stand_in: StandIn, subscription: str) -> None:
    types(stand_in)
    cancelled = stand_in.cancel_subscription(subscription)
    assert (cancelled["status"], cancelled["cancel_at_period_end"]) == ("active", True)
    assert types(stand_in) == ["customer.subscription.updated"]


def test_each_invoice_is_about_its_own_period(stand_in: StandIn, subscription: str) -> None:
    stand_in.advance(65 * DAY)
    third, second, first = stand_in.objects("invoice")
    assert (second["period_start"], third["period_start"]) == (first["created"], second["period_end"])
    assert third["lines"]["data"][0]["period"]["start"] == third["created"]
    assert third["lines"]["data"][0]["description"] == "1 \N{MULTIPLICATION SIGN} Club"


def test_a_cancellation_can_be_taken_back(
    client: stripe.StripeClient, stand_in: StandIn, subscription: str
) -> None:
    client.v1.subscriptions.update(subscription, {"cancel_at_period_end": True})
    kept = client.v1.subscriptions.update(subscription, {"cancel_at_period_end": False})
    assert (kept.cancel_at_period_end, kept.cancel_at, kept.canceled_at) == (False, None, None)
    stand_in.advance(32 * DAY)
    assert len(stand_in.objects("invoice")) == 2


def test_cancelling_now_ends_it_now(client: stripe.StripeClient, subscription: str) -> None:
    ended = client.v1.subscriptions.cancel(subscription, {"cancellation_details": {"feedback": "unused"}})
    assert ended.cancellation_details is not None
    assert (ended.status, ended.cancellation_details.feedback) == ("canceled", "unused")
    assert client.v1.subscriptions.list().data == []
    assert [row.id for row in client.v1.subscriptions.list({"status": "all"}).data] == [subscription]
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.subscriptions.cancel(subscription)


def test_a_refused_card_makes_it_past_due_and_a_later_attempt_heals_it(
    stand_in: StandIn, subscription: str
) -> None:
    stand_in.switches.decline_renewals = True
    stand_in.advance(31 * DAY)
    assert stand_in.find(subscription)["status"] == "past_due"
    invoice = stand_in.find(stand_in.find(subscription)["latest_invoice"])
    assert (invoice["status"], invoice["attempt_count"]) == ("open", 1)
    assert types(stand_in)[-2:] == ["invoice.payment_failed", "customer.subscription.updated"]
    stand_in.switches.decline_renewals = False
    stand_in.advance(3 * DAY)
    assert stand_in.find(subscription)["status"] == "active"
    assert stand_in.find(invoice["id"])["status"] == "paid"
    (payment,) = [each for each in stand_in.objects("invoice_payment") if each["invoice"] == invoice["id"]]
    assert payment["status"] == "paid"


def test_a_card_that_stays_refused_ends_the_subscription(stand_in: StandIn, subscription: str) -> None:
    stand_in.switches.decline_renewals = True
    stand_in.advance(60 * DAY)
    ended = stand_in.find(subscription)
    assert (ended["status"], ended["cancellation_details"]["reason"]) == ("canceled", "payment_failed")
    assert types(stand_in).count("invoice.payment_failed") == 4


@pytest.mark.parametrize(
    ("mode", "recurring", "words"),
    [
        ("payment", {"interval": "month"}, "passed a recurring price"),
        ("subscription", None, "at least one recurring price"),
    ],
)
def test_a_session_sells_what_its_mode_says(
    sell: Sell, mode: str, recurring: dict[str, str] | None, words: str
) -> None:
    price: dict[str, Any] = {"currency": "eur", "unit_amount": 500, "product_data": {"name": "Club"}}
    if recurring:
        price["recurring"] = recurring
    with pytest.raises(stripe.InvalidRequestError, match=words):
        sell(mode=mode, line_items=[{"price_data": price, "quantity": 1}])


def test_months_keep_the_day_they_began_on_where_they_have_it() -> None:
    month = {"interval": "month", "interval_count": 1}
    start = anchor = int(dt.datetime(2026, 1, 31, 12, tzinfo=dt.UTC).timestamp())
    ends = []
    for _ in range(4):
        start = period_end(start, anchor, month)
        ends.append(dt.datetime.fromtimestamp(start, dt.UTC).strftime("%d.%m. %H"))
    assert ends == ["28.02. 12", "31.03. 12", "30.04. 12", "31.05. 12"]


@pytest.mark.parametrize(
    ("interval", "count", "days"), [("day", 3, 3), ("week", 2, 14), ("year", 1, 365), ("month", 12, 365)]
)
def test_other_periods_count_as_one_would(interval: str, count: int, days: int) -> None:
    start = int(dt.datetime(2026, 5, 1, tzinfo=dt.UTC).timestamp())
    assert period_end(start, start, {"interval": interval, "interval_count": count}) == start + days * DAY
