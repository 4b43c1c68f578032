"""What a buyer reads of money that goes back follows from the money."""

from datetime import datetime

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import Letter, User
from payments import failed_refunds, refunds
from payments.models import Refund
from payments.stripe_records import RefundState
from tests.ticketing import box_office
from ticketing import aftersales
from ticketing.models import Order, TicketType

pytestmark = pytest.mark.django_db
ON_ITS_WAY = ("Your money is on its way back", "Money on its way back", "€12.00 is on its way back")
NOT_BACK = ("Your money is not back yet", "Not given back yet", "could not be given back to your card yet")


@pytest.fixture
def refunded(ada: User, ben: User, seat: TicketType, at: datetime) -> Order:
    order = box_office.buy(ben, seat, at=at)
    aftersales.refund(order=order, by=ada, reason="Ben is ill", at=at)
    return box_office.again(order)


def come_to(state: str, rae: User, at: datetime) -> None:
    refund = Refund.objects.get()
    if state in {"sent", "done", "sent back"}:
        status = "pending" if state == "sent" else "succeeded"
        refunds.heed(refund=refund, state=RefundState(id="re_1", status=status), at=at)
    if state in {"sent back", "retried", "lost card", "by hand"}:
        failure = "insufficient_funds" if state == "retried" else "lost_or_stolen_card"
        refunds.fail(refund=refund, failure=failure, at=at)
    if state == "by hand":
        failed_refunds.given_by_hand(refund=refund.followed_by, by=rae, note="by post", at=at)


@pytest.mark.parametrize(
    ("state", "told"),
    [
        ("asked", ON_ITS_WAY),
        ("sent", ON_ITS_WAY),
        ("done", ("Refunded", "Refunded", "€12.00 was given back to your card on")),
        ("sent back", NOT_BACK),
        ("retried", NOT_BACK),
        ("lost card", NOT_BACK),
        ("by hand", ("Refunded", "Refunded", "another way than to your card")),
    ],
)
def test_the_money_decides_the_words(
    client: Client,
    refunded: Order,
    ada: User,
    ben: User,
    rae: User,
    at: datetime,
    state: str,
    told: tuple[str, str, str],
) -> None:
    heading, pill, words = told
    come_to(state, rae, at)
    client.force_login(ben)
    page = client.get(refunded.get_absolute_url()).content.decode()
    assert (f"<h1>{heading}</h1>" in page, words in page, f">{pill}</span>" in page) == (True, True, True)
    mine = client.get(reverse("ticketing:my_tickets")).content.decode()
    assert f">{pill}</span>" in mine
    client.force_login(ada)
    office = client.get(reverse("ticketing:manage_order", args=[refunded.pk])).content.decode()
    assert f">{pill}</span>" in office
    if state not in {"done", "by hand"}:
        assert ">Refunded<" not in page + mine + office


def test_the_list_costs_the_same_for_any_number(
    client: Client, ada: User, ben: User, seat: TicketType, at: datetime
) -> None:
    client.force_login(ben)
    costs = []
    for _ in range(3):
        aftersales.refund(order=box_office.buy(ben, seat, at=at), by=ada, reason="ill", at=at)
        with CaptureQueriesContext(connection) as seen:
            client.get(reverse("ticketing:my_tickets"))
        costs.append(len(seen))
    assert costs[1] == costs[2]


def test_a_letter_promises_no_more_than_is_known(refunded: Order) -> None:

    letter = Letter.objects.get(key=f"order-refunded-{refunded.pk}")
    assert "€12.00 is on its way back to your card" in " ".join(letter.text.split())
    assert "Refunded" not in letter.subject + letter.text + letter.html
