"""Checkout Sessions, and what a buyer does with them."""

import time
from collections.abc import Callable

import httpx
import pytest
import stripe

from payments.sandbox.cards import Declined
from payments.sandbox.paying import NotOpen
from payments.sandbox.serve import StandIn

Sell = Callable[..., stripe.checkout.Session]


def test_a_session_is_open_and_unpaid_and_has_no_payment_intent_yet(sell: Sell, stand_in: StandIn) -> None:
    session = sell(quantity=2, client_reference_id="order-1", metadata={"order": "1"})
    assert (session.status, session.payment_status, session.payment_intent) == ("open", "unpaid", None)
    assert (session.amount_total, session.currency, session.client_reference_id) == (2400, "eur", "order-1")
    assert session.url == f"{stand_in.base_url}/pay/{session.id}"
    assert session.expires_at == session.created + 86_400


def test_paying_completes_the_session_and_carries_the_intents_data(
    sell: Sell, stand_in: StandIn, client: stripe.StripeClient
) -> None:
    data = {"transfer_group": "order-1", "metadata": {"order": "1"}, "description": "A seat"}
    stand_in.pay(sell(payment_intent_data=data).id, email="ben@example.com", name="Ben")
    (session,) = client.v1.checkout.sessions.list({"status": "complete"}).data
    assert (session.payment_status, session.url) == ("paid", None)
    assert session.customer_details is not None
    assert session.customer_details.email == "ben@example.com"
    intent = client.v1.payment_intents.retrieve(
        str(session.payment_intent), {"expand": ["latest_charge.balance_transaction"]}
    )
    assert (intent.status, intent.amount_received, intent.transfer_group) == ("succeeded", 1200, "order-1")
    assert intent.metadata.to_dict() == {"order": "1"}
    charge = intent.latest_charge
    assert isinstance(charge, stripe.Charge)
    assert (charge.transfer_group, charge.billing_details.name) == ("order-1", "Ben")
    movement = charge.balance_transaction
    assert isinstance(movement, stripe.BalanceTransaction)
    assert (movement.amount, movement.fee, movement.net) == (1200, 43, 1157)


def test_a_payment_tells_its_story_in_events(sell: Sell, stand_in: StandIn) -> None:
    stand_in.pay(sell().id)
    assert [webhook.type for webhook in stand_in.take_webhooks()] == [
        "product.created",
        "price.created",
        "payment_intent.created",
        "charge.succeeded",
        "payment_intent.succeeded",
        "checkout.session.completed",
    ]


@pytest.mark.parametrize(
    ("card", "words", "code", "decline_code"),
    [
        ("4000000000000002", "Your card was declined.", "card_declined", "generic_decline"),
        ("4000000000009995", "Your card has insufficient funds.", "card_declined", "insufficient_funds"),
        ("4000000000000069", "Your card has expired.", "expired_card", None),
    ],
)
def test_a_declined_card_leaves_the_session_open(
    sell: Sell, stand_in: StandIn, card: str, words: str, code: str, decline_code: str | None
) -> None:
    session = sell()
    with pytest.raises(Declined, match=words):
        stand_in.pay(session.id, card=card)
    intent = stand_in.find(stand_in.find(session.id)["payment_intent"])
    assert stand_in.find(session.id)["status"] == "open"
    assert intent["status"] == "requires_payment_method"
    assert (intent["last_payment_error"]["code"], intent["last_payment_error"].get("decline_code")) == (
        code,
        decline_code,
    )
    assert stand_in.find(intent["latest_charge"])["failure_code"] == code


def test_a_second_card_pays_the_same_intent(sell: Sell, stand_in: StandIn) -> None:
    session = sell()
    with pytest.raises(Declined):
        stand_in.pay(session.id, card="4000000000000002")
    stand_in.pay(session.id)
    (intent,) = stand_in.objects("payment_intent")
    assert (intent["status"], intent["last_payment_error"]) == ("succeeded", None)
    assert [charge["status"] for charge in stand_in.objects("charge")] == ["succeeded", "failed"]


def test_a_number_that_is_no_test_card_is_invalid_and_makes_nothing(sell: Sell, stand_in: StandIn) -> None:
    with pytest.raises(Declined, match="Your card number is invalid"):
        stand_in.pay(sell().id, card="4111111111111111")
    assert stand_in.objects("payment_intent") == []


def test_a_card_that_asks_pays_once_the_buyer_has_confirmed(sell: Sell, stand_in: StandIn) -> None:
    assert stand_in.pay(sell().id, card="4000002500003155")["payment_status"] == "paid"
    types = [webhook.type for webhook in stand_in.take_webhooks()]
    assert types.index("payment_intent.requires_action") < types.index("payment_intent.succeeded")


def test_a_buyer_who_does_not_confirm_is_declined(sell: Sell, stand_in: StandIn) -> None:
    with pytest.raises(Declined, match="We are unable to authenticate your payment method"):
        stand_in.pay(sell().id, card="4000002500003155", authenticate=False)
    (intent,) = stand_in.objects("payment_intent")
    assert intent["last_payment_error"]["code"] == "payment_intent_authentication_failure"


def test_nobody_pays_twice(sell: Sell, stand_in: StandIn) -> None:
    session = sell()
    stand_in.pay(session.id)
    with pytest.raises(NotOpen):
        stand_in.pay(session.id)
    assert len(stand_in.objects("charge")) == 1


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (29 * 60, "must be at least 30 minutes from Checkout Session creation"),
        (25 * 3600, "must be less than 24 hours from Checkout Session creation"),
    ],
)
def test_a_session_lives_between_half_an_hour_and_a_day(sell: Sell, seconds: int, words: str) -> None:
    with pytest.raises(stripe.InvalidRequestError, match=words) as caught:
        sell(expires_at=int(time.time()) + seconds)
    assert caught.value.param == "expires_at"


def test_an_open_session_expires_on_request_and_only_once(sell: Sell, client: stripe.StripeClient) -> None:
    session = sell()
    expired = client.v1.checkout.sessions.expire(session.id)
    assert (expired.status, expired.url) == ("expired", None)
    with pytest.raises(stripe.InvalidRequestError, match=r'with a status in \["open"\] can be expired'):
        client.v1.checkout.sessions.expire(session.id)


def test_a_paid_session_cannot_expire(sell: Sell, stand_in: StandIn, client: stripe.StripeClient) -> None:
    session = sell()
    stand_in.pay(session.id)
    with pytest.raises(stripe.InvalidRequestError, match="has a status of `complete`"):
        client.v1.checkout.sessions.expire(session.id)


def test_time_expires_a_session(sell: Sell, stand_in: StandIn) -> None:
    session = sell(expires_at=int(time.time()) + 31 * 60)
    stand_in.advance(30 * 60)
    assert stand_in.find(session.id)["status"] == "open"
    stand_in.advance(2 * 60)
    assert stand_in.find(session.id)["status"] == "expired"
    assert stand_in.objects("event")[0]["type"] == "checkout.session.expired"
    with pytest.raises(NotOpen):
        stand_in.pay(session.id)


def test_the_desks_clock_ends_open_sessions_and_opens_new_ones(
    sell: Sell, stand_in: StandIn, browser: httpx.Client
) -> None:
    first = sell(expires_at=int(time.time()) + 3600)
    assert browser.post("/_stand_in/clock", json={"advance_seconds": 86_400}).status_code == 200
    assert stand_in.find(first.id)["status"] == "expired"
    assert browser.get(f"/pay/{first.id}").status_code == 410
    with pytest.raises(NotOpen):
        stand_in.pay(first.id)
    # Who asks has a clock of its own, which nobody put forward.
    second = sell(expires_at=int(time.time()) + 3600)
    assert browser.get(f"/pay/{second.id}").status_code == 200
    assert browser.post("/_stand_in/clock", json={"advance_seconds": 3601}).status_code == 200
    assert stand_in.find(second.id)["status"] == "expired"


def test_a_bank_debit_completes_unpaid_and_pays_days_later(sell: Sell, stand_in: StandIn) -> None:
    session = sell(allowed_payment_method_types=["card", "sepa_debit"])
    assert stand_in.pay(session.id, card="DE89370400440532013000")["payment_status"] == "unpaid"
    stand_in.advance(3 * 86_400)
    assert stand_in.find(session.id)["payment_status"] == "paid"
    assert stand_in.objects("event")[0]["type"] == "checkout.session.async_payment_succeeded"
    assert stand_in.objects("charge")[0]["status"] == "succeeded"


def test_a_bank_debit_may_fail_days_later(sell: Sell, stand_in: StandIn) -> None:
    session = sell(allowed_payment_method_types=["sepa_debit"])
    stand_in.pay(session.id, card="DE62370400440532013001")
    stand_in.advance(3 * 86_400)
    assert stand_in.find(session.id)["payment_status"] == "unpaid"
    assert stand_in.objects("event")[0]["type"] == "checkout.session.async_payment_failed"
    assert stand_in.objects("balance_transaction") == []


def test_a_session_for_cards_takes_no_bank_debit(sell: Sell, stand_in: StandIn) -> None:
    with pytest.raises(Declined):
        stand_in.pay(sell().id, card="DE89370400440532013000")


@pytest.mark.parametrize(
    ("params", "code", "param"),
    [
        ({"payment_method_types": ["card"]}, "parameter_unknown", "payment_method_types"),
        ({"ui_mode": "hosted"}, None, "ui_mode"),
        (
            {"line_items": [{"quantity": 1, "price": "price_x", "colour": "red"}]},
            "parameter_unknown",
            "line_items[0][colour]",
        ),
        ({"line_items": [{"price": "price_x"}]}, "parameter_missing", "line_items[0][quantity]"),
        ({"line_items": [{"quantity": 1, "price": "price_x"}]}, "resource_missing", "line_items[0][price]"),
        ({"success_url": ""}, "parameter_invalid_empty", "success_url"),
        ({"success_url": "/thanks/"}, "url_invalid", "success_url"),
        ({"mode": "sell"}, None, "mode"),
        ({"subscription_data": {"description": "x"}}, None, "subscription_data"),
        ({"customer": "cus_x"}, "resource_missing", "customer"),
        ({"amount": 49}, "amount_too_small", None),
        ({"amount": 99_999_999, "quantity": 2}, "amount_too_large", None),
        ({"customer_email": "ben@nowhere"}, "email_invalid", "customer_email"),
        ({"customer_email": "ben@[127.0.0.1]"}, "email_invalid", "customer_email"),
        (
            {"customer_email": "b\N{LATIN SMALL LETTER DOTLESS I}n@example.com"},
            "email_invalid",
            "customer_email",
        ),
        ({"customer_email": f"{'b' * 65}@example.com"}, "email_invalid", "customer_email"),
        ({"quantity": "two"}, "parameter_invalid_integer", "line_items[0][quantity]"),
    ],
)
def test_a_wrong_session_is_refused_in_stripes_words(
    sell: Sell, stand_in: StandIn, params: dict[str, object], code: str | None, param: str | None
) -> None:
    with pytest.raises(stripe.InvalidRequestError) as caught:
        sell(**params)
    assert (caught.value.http_status, caught.value.code, caught.value.param) == (400, code, param)
    assert stand_in.objects("checkout.session") == []
    assert stand_in.objects("price") == []  # nothing of it stays


@pytest.mark.parametrize(
    ("currency", "amount", "code"),
    [
        ("jpy", 49, "amount_too_small"),
        ("jpy", 50, None),
        ("thb", 999, "amount_too_small"),
        ("kwd", 1005, "invalid_charge_amount"),
        ("kwd", 1010, None),
        ("isk", 15050, "invalid_charge_amount"),
        ("isk", 15000, None),
    ],
)
def test_each_currency_has_a_least_and_its_steps(
    sell: Sell, stand_in: StandIn, currency: str, amount: int, code: str | None
) -> None:
    price = {"currency": currency, "unit_amount": amount, "product_data": {"name": "A seat"}}
    lines = [{"price_data": price, "quantity": 1}]
    if code is None:
        assert sell(line_items=lines).amount_total == amount
        return
    with pytest.raises(stripe.InvalidRequestError) as caught:
        sell(line_items=lines)
    assert caught.value.code == code


def test_line_items_come_in_pages(client: stripe.StripeClient, sell: Sell) -> None:
    price = {"currency": "eur", "unit_amount": 1000, "product_data": {"name": "A seat"}}
    session = sell(line_items=[{"price_data": price, "quantity": number} for number in (1, 2, 3)])
    page = client.v1.checkout.sessions.line_items.list(session.id, {"limit": 2})
    assert [line.quantity for line in page.auto_paging_iter()] == [1, 2, 3]
    assert (len(page.data), page.has_more) == (2, True)


def test_a_price_of_the_catalogue_can_be_sold_until_it_is_retired(
    client: stripe.StripeClient, sell: Sell
) -> None:
    product = client.v1.products.create({"name": "A seat"})
    price = client.v1.prices.create({"currency": "eur", "unit_amount": 900, "product": product.id})
    line = {"price": price.id, "quantity": 2}
    assert sell(line_items=[line]).amount_total == 1800
    client.v1.prices.update(price.id, {"active": False})
    with pytest.raises(stripe.InvalidRequestError, match="The price specified is inactive"):
        sell(line_items=[line])
