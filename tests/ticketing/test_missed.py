"""Evenings that did not take place: who is told, and when the money goes back by itself."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from accounts.models import Letter, User
from clubs.models import Officer
from tests import factories
from tests.ticketing import box_office
from ticketing import aftersales, missed, money_back, programme
from ticketing.models import Event, Order, TicketType

pytestmark = pytest.mark.django_db


@pytest.fixture
def paid(ben: User, seat: TicketType, at: datetime) -> Order:
    return box_office.buy(ben, seat, at=at)


@pytest.fixture
def free(max: User, standing: TicketType, at: datetime) -> Order:
    return box_office.buy(max, standing, at=at)


def end(event: Event, at: datetime, delivery: Event.Delivery = Event.Delivery.NOT_DELIVERED) -> Event:
    programme.end(event=event, at=at)
    programme.set_delivery(event=event, delivery=delivery, at=at)
    event.refresh_from_db()
    return event


def letters(subject: str) -> list[str]:
    return sorted(Letter.objects.filter(subject__startswith=subject).values_list("to", flat=True))


def test_hosts_and_buyers_are_told_once(
    paid: Order,
    free: Order,
    event: Event,
    ada: User,
    ben: User,
    max: User,
    at: datetime,
) -> None:
    moderator = factories.UserFactory.create(password=None)
    factories.OfficerFactory.create(club=event.club, user=moderator, role=Officer.Role.MODERATOR)
    end(event, at)
    assert [missed.tell(at=at), missed.tell(at=at)] == [1, 0]
    assert letters("It did not take place") == sorted([ben.email, max.email])
    assert letters("Your evening does not count") == [ada.email]


def test_an_evening_that_took_place_is_no_letter_and_no_money(
    paid: Order, event: Event, at: datetime
) -> None:
    end(event, at, Event.Delivery.DELIVERED)
    assert [missed.tell(at=at), missed.refund_due(at=at + timedelta(days=9))] == [0, 0]
    assert event.refund_by is None


def test_the_money_goes_back_by_itself_after_two_days(paid: Order, event: Event, at: datetime) -> None:
    end(event, at)
    assert missed.refund_due(at=at + timedelta(hours=47, minutes=59)) == 0
    assert missed.refund_due(at=at + timedelta(hours=48)) == 1
    assert missed.refund_due(at=at + timedelta(hours=49)) == 0
    event.refresh_from_db()
    assert (event.refunding_because, event.refunding_by) == (
        "The evening did not take place as it was sold.",
        None,
    )
    money_back.give(at=at + timedelta(hours=49))
    assert box_office.again(paid).status == Order.Status.REFUNDED


def test_a_club_that_gives_it_back_itself_is_not_asked_twice(
    paid: Order, event: Event, ada: User, at: datetime
) -> None:
    end(event, at)
    aftersales.refund_everyone(event=event, by=ada, reason="I was ill", at=at)
    assert missed.refund_due(at=at + timedelta(days=3)) == 0


def test_where_nobody_paid_there_is_no_deadline(free: Order, event: Event, at: datetime) -> None:
    assert end(event, at).refund_by is None
    assert missed.tell(at=at) == 1
    assert missed.refund_due(at=at + timedelta(days=3)) == 0


def test_the_order_says_that_it_did_not_take_place_and_leads_to_no_room(
    client: Client, paid: Order, event: Event, ben: User, at: datetime
) -> None:
    client.force_login(ben)
    room = f"/rooms/{event.slug}/"
    page = f"/orders/{paid.pk}/"
    assert room in client.get(page).content.decode()
    end(event, at)
    text = client.get(page).content.decode()
    assert "This evening did not take place" in text
    assert "€12.00 go back by themselves" in text
    assert room not in text
    assert "Did not take place" in client.get("/tickets/").content.decode()


def test_one_odd_evening_keeps_nobody_else_waiting_for_their_money(
    event: Event, seat: TicketType, at: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = [factories.EventFactory.create(club=event.club, created_by=event.created_by) for _ in range(2)]
    evenings = [event, *others]
    for one in evenings:
        box_office.buy(box_office.fan(), box_office.kind(one), at=at)
        end(one, at)
    refund = aftersales.refund_everyone

    def odd(*, event: Event, **how: Any) -> Event:
        if event.pk == evenings[0].pk:
            raise RuntimeError("an odd row")
        return refund(event=event, **how)

    monkeypatch.setattr(aftersales, "refund_everyone", odd)
    assert missed.refund_due(at=at + timedelta(days=2)) == 2
    refunding = Event.objects.filter(refunding_since__isnull=False)
    assert set(refunding) == set(others)
