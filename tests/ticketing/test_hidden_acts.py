"""What a page does not offer, the address does not do: the trade refuses it, and nothing is changed."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from django.contrib.messages import get_messages
from django.db.models import Model
from django.test import Client

from accounts.models import AuditEntry, Letter, User
from clubs.models import Officer
from payments.models import Charge, Refund, Transfer
from tests.ticketing import box_office
from ticketing import aftersales, passing, programme
from ticketing.models import Event, Order, Ticket, TicketType

pytestmark = pytest.mark.django_db

KEPT: tuple[type[Model], ...] = (
    Event, TicketType, Order, Ticket, Charge, Refund, Transfer, Officer, AuditEntry, Letter,
)  # fmt: skip
WHY = {"reason": "Because I can"}
Delivery = Event.Delivery


class Evening:
    """An evening with one order of two tickets, and what may become of it."""

    def __init__(
        self, *, event: Event, seat: TicketType, ada: User, ben: User, max_: User, at: datetime
    ) -> None:
        self.event, self.seat, self.at = event, seat, at
        self.ada, self.ben, self.max = ada, ben, max_
        self.order = box_office.buy(ben, seat, 2, at=at)
        self.ticket = self.order.tickets.get(holder=None)

    def open(self) -> None:
        programme.go_live(event=self.event, at=self.at)

    def end(self, delivery: Event.Delivery = Delivery.DELIVERED) -> None:
        self.open()
        programme.end(event=self.event, at=self.at)
        if delivery != Delivery.UNKNOWN:
            programme.set_delivery(event=self.event, delivery=delivery, at=self.at)

    def end_unknown(self) -> None:
        self.end(Delivery.UNKNOWN)

    def miss(self) -> None:
        self.end(Delivery.NOT_DELIVERED)

    def pay_out(self) -> None:
        self.end()
        programme.release_money(event=self.event, at=self.at)

    def cancel(self) -> None:
        aftersales.cancel_event(event=self.event, by=self.ada, reason="Storm", at=self.at)

    def give_back(self) -> None:
        aftersales.refund(order=self.order, by=self.ada, reason="Ill", at=self.at)

    def miss_and_give_back(self) -> None:
        self.give_back()
        self.miss()

    def refund_everybody(self) -> None:
        self.miss()
        aftersales.refund_everyone(event=self.event, by=self.ada, reason="Nobody came", at=self.at)

    def only_hold(self) -> None:
        self.order = box_office.hold(self.max, self.seat, at=self.at)

    def pass_on(self) -> None:
        passing.take(ticket=self.ticket, by=self.max, at=self.at)

    def nothing(self) -> None:
        pass

    def draft(self) -> None:
        Event.objects.filter(pk=self.event.pk).update(status=Event.Status.DRAFT)


@pytest.fixture
def evening(event: Event, seat: TicketType, ada: User, ben: User, max: User, at: datetime) -> Evening:
    return Evening(event=event, seat=seat, ada=ada, ben=ben, max_=max, at=at)


def rows() -> dict[str, list[dict[str, Any]]]:
    return {kind.__name__: list(kind._default_manager.order_by("pk").values()) for kind in KEPT}


CANCEL, EVERYBODY, ORDER = (
    "/manage/events/{e.event.slug}/cancel/",
    "/manage/events/{e.event.slug}/refund/",
    "/manage/orders/{e.order.pk}/refund/",
)
HIDDEN: list[tuple[str, str, Callable[[Evening], None]]] = [
    ("ada", CANCEL, Evening.open),
    ("ada", CANCEL, Evening.end),
    ("ada", CANCEL, Evening.miss),
    ("ada", CANCEL, Evening.cancel),
    ("ada", EVERYBODY, Evening.draft),
    ("ada", EVERYBODY, Evening.nothing),
    ("ada", EVERYBODY, Evening.open),
    ("ada", EVERYBODY, Evening.end_unknown),
    ("ada", EVERYBODY, Evening.end),
    ("ada", EVERYBODY, Evening.pay_out),
    ("ada", EVERYBODY, Evening.cancel),
    ("ada", EVERYBODY, Evening.refund_everybody),
    ("ada", EVERYBODY, Evening.miss_and_give_back),
    ("ada", ORDER, Evening.only_hold),
    ("ada", ORDER, Evening.give_back),
    ("ada", "/clubs/{e.event.club.slug}/leave/", Evening.nothing),
    ("ada", "/clubs/{e.event.club.slug}/manage/plan/close/", Evening.nothing),
    ("ben", "/orders/{e.order.pk}/let-go/", Evening.nothing),
    ("ben", "/orders/{e.order.pk}/let-go/", Evening.give_back),
    ("ben", "/orders/{e.order.pk}/pay/", Evening.nothing),
    ("ben", "/orders/{e.order.pk}/pay/", Evening.give_back),
    ("ben", "/tickets/{e.ticket.pk}/new-link/", Evening.pass_on),
    ("ben", "/tickets/{e.ticket.pk}/new-link/", Evening.give_back),
]


@pytest.mark.parametrize(
    ("who", "where", "before"),
    HIDDEN,
    ids=[f"{where.split('/')[-2]}-after-{how.__name__}" for _who, where, how in HIDDEN],
)
def test_what_no_page_offers_is_refused_in_words_and_changes_nothing(
    client: Client, evening: Evening, who: str, where: str, before: Callable[[Evening], None]
) -> None:
    before(evening)
    client.force_login(getattr(evening, who))
    was = rows()
    answer = client.post(where.format(e=evening), WHY)
    assert rows() == was
    assert answer.status_code == 404 or [str(said) for said in get_messages(answer.wsgi_request)]


def test_an_evening_that_took_place_is_said_to_have_taken_place(client: Client, evening: Evening) -> None:
    evening.pay_out()
    client.force_login(evening.ada)
    page = client.post(EVERYBODY.format(e=evening), WHY, follow=True).content.decode()
    assert "This evening took place" in page
    with pytest.raises(aftersales.TookPlace):
        aftersales.refund_everyone(event=evening.event, by=evening.ada, reason="Ill", at=evening.at)
