"""Webhooks: signed, retried, doubled, out of order, and waited for."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import stripe

from payments.sandbox.serve import StandIn, running

Sell = Callable[..., stripe.checkout.Session]
SECRET = "whsec_of_the_shop"


def until(true: Callable[[], bool], seconds: float = 5.0) -> bool:
    deadline = time.monotonic() + seconds
    while not true() and time.monotonic() < deadline:
        time.sleep(0.01)
    return true()


def test_the_sdk_accepts_the_signature(client: stripe.StripeClient, stand_in: StandIn, shop: Any) -> None:
    product = client.v1.products.create({"name": "A seat"}, {"idempotency_key": "k"})
    assert stand_in.deliver() == 1
    ((body, signature),) = shop.heard
    event = client.construct_event(body, signature, SECRET)
    assert (event.type, event.api_version, event.data.object["id"]) == (
        "product.created",
        "2026-10-28.endive",
        product.id,
    )
    assert event.request is not None
    assert event.request.idempotency_key == "k"
    with pytest.raises(stripe.SignatureVerificationError):
        client.construct_event(body + b" ", signature, SECRET)


def test_webhooks_come_in_the_order_of_events_and_once(stand_in: StandIn, shop: Any, sell: Sell) -> None:
    stand_in.pay(sell().id)
    assert stand_in.deliver() == 6
    assert shop.types() == [event["type"] for event in stand_in.objects("event")[::-1]]
    assert stand_in.deliver() == 0


def test_they_can_come_newest_first(stand_in: StandIn, shop: Any, sell: Sell) -> None:
    stand_in.switches.reorder = True
    stand_in.pay(sell().id)
    stand_in.deliver()
    assert shop.types()[0] == "checkout.session.completed"
    assert shop.types()[-1] == "product.created"


def test_they_can_come_three_times_at_once(client: stripe.StripeClient, stand_in: StandIn, shop: Any) -> None:
    stand_in.switches.duplicate = 3
    shop.meeting = threading.Barrier(3, timeout=5.0)  # one after another, the first would wait in vain
    client.v1.products.create({"name": "A seat"})
    assert stand_in.deliver() == 1
    assert len({event["id"] for event in shop.events()}) == 1
    assert len(shop.heard) == 3


def test_shuffled_each_copy_comes_by_itself_and_in_any_order(
    stand_in: StandIn, shop: Any, sell: Sell
) -> None:
    stand_in.switches.turn({"shuffle": True, "duplicate": 3})
    for _ in range(3):
        stand_in.pay(sell().id)
    assert stand_in.deliver() == 18
    order = [event["id"] for event in shop.events()]
    made = [event["id"] for event in stand_in.objects("event")[::-1]]
    assert sorted(order) == sorted(made * 3)
    assert order not in ([each for each in made for _ in range(3)], made * 3)


def test_some_types_can_be_held_back_and_others_lost(
    client: stripe.StripeClient, stand_in: StandIn, shop: Any, sell: Sell
) -> None:
    stand_in.switches.turn({"hold_back": "charge.succeeded, price.created", "lose": "product.created"})
    stand_in.pay(sell().id)
    stand_in.deliver()
    assert {"charge.succeeded", "price.created", "product.created"} & set(shop.types()) == set()
    stand_in.switches.hold_back = ""
    stand_in.deliver()
    assert shop.types()[-2:] == ["price.created", "charge.succeeded"]
    missed = client.v1.events.list({"delivery_success": False}).data
    assert [event.type for event in missed] == ["product.created"]


def test_events_can_be_of_another_version(client: stripe.StripeClient, stand_in: StandIn, shop: Any) -> None:
    stand_in.switches.event_version = "2025-09-30.clover"
    client.v1.products.create({"name": "A seat"})
    stand_in.deliver()
    assert [event["api_version"] for event in shop.events()] == ["2025-09-30.clover"]


def test_a_refused_webhook_is_sent_again_until_it_is_accepted(
    client: stripe.StripeClient, stand_in: StandIn, shop: Any
) -> None:
    shop.answers[:] = [500, 404]
    client.v1.products.create({"name": "A seat"})
    stand_in.switches.retry_after_seconds = 0.05
    stand_in.switches.deliver_webhooks = True
    assert until(lambda: stand_in.objects("event")[0]["pending_webhooks"] == 0)
    assert len(shop.heard) == 3


def test_a_webhook_is_given_up_after_its_last_attempt(
    client: stripe.StripeClient, stand_in: StandIn, shop: Any
) -> None:
    stand_in.switches.most_attempts = 2
    shop.answers[:] = [500, 500]
    client.v1.products.create({"name": "A seat"})
    assert (stand_in.deliver(), stand_in.deliver(), stand_in.deliver()) == (0, 0, 0)
    assert len(shop.heard) == 2


def test_what_was_delivered_leaves_nothing_to_keep(
    client: stripe.StripeClient, stand_in: StandIn, shop: Any
) -> None:
    client.v1.products.create({"name": "A seat"})
    assert len(stand_in.objects("_delivery")) == 1
    stand_in.deliver()
    assert stand_in.objects("_delivery") == []


def test_events_that_nobody_accepted_can_be_listed(
    client: stripe.StripeClient, stand_in: StandIn, shop: Any
) -> None:
    client.v1.products.create({"name": "One"})
    stand_in.deliver()
    client.v1.customers.create({"name": "Ben"})
    missed = client.v1.events.list({"delivery_success": False}).data
    assert [event.type for event in missed] == ["customer.created"]
    heard = client.v1.events.list({"delivery_success": True}).data
    assert [event.type for event in heard] == ["product.created"]
    assert client.v1.events.retrieve(missed[0].id).type == "customer.created"


def test_events_are_found_by_type(client: stripe.StripeClient, stand_in: StandIn, sell: Sell) -> None:
    stand_in.pay(sell().id)
    lists = client.v1.events
    assert len(lists.list({"type": "charge.*"}).data) == 1
    assert len(lists.list({"type": "charge.succeeded"}).data) == 1
    assert len(lists.list({"types": ["charge.succeeded", "price.created"]}).data) == 2


def test_a_webhook_can_be_delayed(client: stripe.StripeClient, stand_in: StandIn, shop: Any) -> None:
    stand_in.switches.delay_seconds = 0.4
    stand_in.switches.deliver_webhooks = True
    begun = time.monotonic()
    client.v1.products.create({"name": "A seat"})
    assert until(lambda: len(shop.heard) == 1)
    assert shop.moments[0] - begun >= 0.4


def test_what_a_delivery_brings_about_is_delivered_too(
    client: stripe.StripeClient, stand_in: StandIn, shop: Any
) -> None:
    hear = shop.hear

    def answer(body: bytes, signature: str) -> int:
        if json.loads(body)["type"] == "product.created":
            client.v1.customers.create({"name": "Ben"})
        return int(hear(body, signature))

    shop.hear = answer
    try:
        client.v1.products.create({"name": "A seat"})
        assert stand_in.deliver() == 2
    finally:
        shop.hear = hear
    assert shop.types() == ["product.created", "customer.created"]


def test_nobody_listening_loses_nothing(client: stripe.StripeClient, stand_in: StandIn) -> None:
    client.v1.products.create({"name": "A seat"})
    (webhook,) = stand_in.take_webhooks()
    assert client.construct_event(webhook.body, webhook.signature, SECRET).id == webhook.event
    assert stand_in.take_webhooks() == []


def test_an_endpoint_hears_only_of_the_types_it_was_made_for(shop: Any) -> None:
    with running(webhook_url=shop.url, webhook_secret=SECRET, events=["customer.created"]) as stand_in:
        stand_in.switches.deliver_webhooks = False
        client = stripe.StripeClient("sk_test_x", base_addresses={"api": stand_in.base_url})
        client.v1.products.create({"name": "A seat"})
        client.v1.customers.create({"name": "Ben"})
        stand_in.deliver()
        unheard = client.v1.events.list({"type": "product.created"}).data[0]
    assert shop.types() == ["customer.created"]
    assert unheard.pending_webhooks == 0


@pytest.fixture
def two_secrets(shop: Any, tmp_path: Path) -> Iterator[StandIn]:
    with running(
        webhook_url=shop.url,
        webhook_secret=SECRET,
        connect_secret="whsec_connect",
        state_path=tmp_path / "state",
    ) as stand_in:
        stand_in.switches.deliver_webhooks = False
        yield stand_in


def test_events_of_connected_accounts_bear_the_connect_secret(two_secrets: StandIn) -> None:
    client = stripe.StripeClient("sk_test_x", base_addresses={"api": two_secrets.base_url})
    account = client.v1.accounts.create({"capabilities": {"transfers": {"requested": True}}})
    client.v1.products.create({"name": "A seat"})
    two_secrets.onboard(account.id)
    ours, theirs = two_secrets.take_webhooks()
    assert client.construct_event(ours.body, ours.signature, SECRET).type == "product.created"
    assert client.construct_event(theirs.body, theirs.signature, "whsec_connect").account == account.id
    with pytest.raises(stripe.SignatureVerificationError):
        client.construct_event(theirs.body, theirs.signature, SECRET)
