"""Whoever presses a button after their session has ended comes back to where the button stood."""

from datetime import datetime
from urllib.parse import quote

import pytest
from django.test import Client

from accounts.models import User
from tests.ticketing import box_office
from ticketing.models import Event, Order

pytestmark = pytest.mark.django_db
HOST = "http://testserver"


@pytest.fixture
def order(ben: User, event: Event, at: datetime) -> Order:
    return box_office.hold(ben, event.ticket_types.get(name="Seat"), at=at)


@pytest.mark.parametrize("action", ["pay", "let-go"])
def test_a_press_leads_back_to_its_page_and_says_that_nothing_was_sent(
    client: Client, order: Order, action: str
) -> None:
    page = order.get_absolute_url()
    answer = client.post(f"/orders/{order.pk}/{action}/", headers={"Referer": f"{HOST}{page}?back=unpaid"})
    assert answer.headers["Location"] == f"/account/login/?next={quote(f'{page}?back=unpaid', safe='')}"
    assert "Nothing was sent yet" in client.get(answer.headers["Location"]).content.decode()
    order.refresh_from_db()
    assert order.is_held


def test_a_part_of_a_page_asks_the_whole_page_to_sign_in(client: Client, order: Order) -> None:
    page = f"{HOST}{order.get_absolute_url()}"
    headers = {"HX-Request": "true", "HX-Current-URL": page}
    answer = client.get(f"/orders/{order.pk}/state/?seen=held", headers=headers)
    assert (answer.status_code, answer.content) == (200, b"")
    back = quote(order.get_absolute_url(), safe="")
    assert answer.headers["HX-Redirect"] == f"/account/login/?next={back}"


def test_nobody_is_led_away_from_us(client: Client, order: Order) -> None:
    elsewhere = {"Referer": "http://elsewhere.example/orders/"}
    answer = client.post(f"/orders/{order.pk}/pay/", headers=elsewhere)
    assert answer.headers["Location"] == "/account/login/?next=%2F"


def test_a_page_that_was_asked_for_is_where_one_comes_back_to(client: Client, order: Order) -> None:
    page = order.get_absolute_url()
    assert client.get(page).headers["Location"] == f"/account/login/?next={page}"
