"""A shop beside the stand-in: it asks through the real SDK, and keeps what its webhook endpoint hears."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest
import stripe

from payments.sandbox.serve import StandIn, running

SECRET = "whsec_of_the_shop"
Sell = Callable[..., stripe.checkout.Session]


@dataclass
class Shop:
    """Where webhooks arrive: `answers` are the statuses it gives, one after another; then 200."""

    heard: list[tuple[bytes, str]] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    slowness: float = 0.0
    moments: list[float] = field(default_factory=list)
    meeting: threading.Barrier | None = None  # where so many webhooks must be under way before one is heard
    url: str = ""

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(body) for body, _ in self.heard]

    def types(self) -> list[str]:
        return [event["type"] for event in self.events()]

    def hear(self, body: bytes, signature: str) -> int:
        self.moments.append(time.monotonic())
        time.sleep(self.slowness)
        if self.meeting:
            self.meeting.wait()
        self.heard.append((body, signature))
        return self.answers.pop(0) if self.answers else 200


def _endpoint(shop: Shop) -> ThreadingHTTPServer:
    class Ear(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(shop.hear(body, self.headers["Stripe-Signature"]))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_args: object) -> None:
            return

    return ThreadingHTTPServer(("127.0.0.1", 0), Ear)


@pytest.fixture(scope="session")
def _shop() -> Iterator[Shop]:
    shop = Shop()
    server = _endpoint(shop)
    shop.url = f"http://127.0.0.1:{server.server_address[1]}/webhook/"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield shop
    server.shutdown()
    server.server_close()
    thread.join(5)


@pytest.fixture(scope="session")
def _running_stand_in(_shop: Shop) -> Iterator[StandIn]:
    with running(webhook_url=_shop.url, webhook_secret=SECRET) as stand_in:
        yield stand_in


@pytest.fixture
def stand_in(_running_stand_in: StandIn) -> StandIn:
    """Return the stand-in, knowing nothing, with webhooks that wait to be delivered."""
    _running_stand_in.reset()
    _running_stand_in.switches.deliver_webhooks = False
    return _running_stand_in


@pytest.fixture
def shop(_shop: Shop, stand_in: StandIn) -> Shop:
    _shop.heard.clear()
    _shop.answers.clear()
    _shop.moments.clear()
    _shop.meeting = None
    _shop.slowness = 0.0
    return _shop


@pytest.fixture
def client(stand_in: StandIn) -> Iterator[stripe.StripeClient]:
    with stripe_client(stand_in.base_url) as client:
        yield client


class stripe_client:  # noqa: N801 -- reads as the function it stands for
    """The real SDK, pointed at a stand-in; its connections close with the block."""

    def __init__(self, base_url: str) -> None:
        stripe.enable_telemetry = False
        self.http = stripe.RequestsClient()
        self.client = stripe.StripeClient(
            "sk_test_shop", base_addresses={"api": base_url}, max_network_retries=2, http_client=self.http
        )

    def __enter__(self) -> stripe.StripeClient:
        return self.client

    def __exit__(self, *_raised: object) -> None:
        self.http.close()  # type: ignore[no-untyped-call]  # the SDK types no return here


@pytest.fixture
def sell(client: stripe.StripeClient) -> Sell:
    """Return a function that opens a checkout for tickets of 12 euros, or as told."""

    def open_checkout(*, amount: int = 1200, quantity: int = 1, **params: Any) -> stripe.checkout.Session:
        price = {"currency": "eur", "unit_amount": amount, "product_data": {"name": "A seat"}}
        standard = {
            "mode": "payment",
            "success_url": "http://shop.example/thanks/?session={CHECKOUT_SESSION_ID}",
            "cancel_url": "http://shop.example/basket/",
            "allowed_payment_method_types": ["card"],
            "line_items": [{"price_data": price, "quantity": quantity}],
        }
        return client.v1.checkout.sessions.create(standard | params)  # type: ignore[arg-type]  # a dict, as sent

    return open_checkout


@pytest.fixture
def payee(client: stripe.StripeClient, stand_in: StandIn) -> str:
    """Return a connected account that may receive transfers, and sends itself no payouts."""
    account = client.v1.accounts.create(
        {
            "country": "IE",
            "controller": {"fees": {"payer": "application"}, "losses": {"payments": "application"}},
            "capabilities": {"transfers": {"requested": True}},
            "settings": {"payouts": {"schedule": {"interval": "manual"}}},
        }
    )
    stand_in.onboard(account.id)
    return account.id


@pytest.fixture
def browser(stand_in: StandIn) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=stand_in.base_url) as browser:
        yield browser
