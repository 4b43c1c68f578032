"""What a person is given about themselves, and what keeps an account open."""

from datetime import datetime

import pytest

from accounts import personal_data
from accounts.models import User
from tests.ticketing import box_office
from ticketing import programme
from ticketing.models import Event, Order, TicketType

pytestmark = pytest.mark.django_db


def test_orders_and_tickets_are_in_the_export(ben: User, seat: TicketType, at: datetime) -> None:
    order = box_office.buy(ben, seat, 2, at=at)
    given = personal_data.export(user=ben)
    assert [(row["order"], row["total"]) for row in given["orders"]] == [(order.code, "24.00 EUR")]
    assert [(row["event"], row["type"]) for row in given["tickets"]] == [
        ("An evening of ghost stories", "Seat")
    ]


def test_a_paid_evening_ahead_keeps_the_account_open(
    ben: User, event: Event, seat: TicketType, at: datetime
) -> None:
    box_office.buy(ben, seat, at=at)
    with pytest.raises(personal_data.StillNeeded) as needed:
        personal_data.close(user=ben, at=at)
    words = (
        "You have paid for An evening of ghost stories, which is still to come. "
        "Ask the club for a refund, or wait until it is over."
    )
    assert needed.value.reasons == [words]
    programme.end(event=event, at=at)
    personal_data.close(user=ben, at=at)


def test_what_is_held_is_let_go_with_the_account(ben: User, seat: TicketType, at: datetime) -> None:
    order = box_office.hold(ben, seat, at=at)
    personal_data.close(user=ben, at=at)
    assert (box_office.again(order).status, box_office.counts(seat)) == (Order.Status.EXPIRED, (0, 0))
