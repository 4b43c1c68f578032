"""At the till: what a buyer does on the event's page and on Stripe's."""

from collections.abc import Iterator
from contextlib import contextmanager

import httpx
from playwright.sync_api import expect

from tests.trips.evenings import Evening
from tests.trips.people import Person
from tests.trips.product import Product

PAYS = "4242 4242 4242 4242"
DECLINES = "4000 0000 0000 0002"
ASKS = "4000 0025 0000 3155"
CONFIRMED = "You are in"


def choose_a_seat(buyer: Person, evening: Evening) -> None:
    """Take what the basket offers, one seat, and go on to Stripe's page."""
    buyer.open(evening.page)
    buyer.press("Get tickets")


def pay(buyer: Person, *, card: str, button: str) -> None:
    buyer.page.get_by_label("Card number").fill(card)
    buyer.press(button)


def expect_a_ticket(buyer: Person) -> None:
    """The order's page says so by itself, without a reload."""
    expect(buyer.page.get_by_role("heading", name=CONFIRMED, level=1)).to_be_visible()


@contextmanager
def late_confirmations(product: Product) -> Iterator[None]:
    """Let Stripe tell nothing of what is paid, while the block lasts."""
    switches = f"{product.address.stripe_url}/_stand_in/switches"
    httpx.post(switches, json={"deliver_webhooks": False}).raise_for_status()
    try:
        yield
    finally:
        httpx.post(switches, json={"deliver_webhooks": True}).raise_for_status()
