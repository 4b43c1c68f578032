"""Orders refunded, events called off, and everybody told."""

from collections.abc import Iterator
from datetime import datetime
from uuid import UUID

import pytest
from django.test import Client
from pytest_django.fixtures import DjangoCaptureOnCommitCallbacks

from accounts.models import AuditEntry, Letter, User
from payments import payouts, refunds
from payments.models import Charge, Dispute, Payee, Refund
from payments.money import Money
from payments.sandbox.serve import StandIn
from payments.states import WrongState
from tests.ticketing import box_office
from ticketing import aftersales, entitlement, money_back, passing, programme, seats
from ticketing.models import Event, Order, Ticket, TicketType

pytestmark = pytest.mark.django_db


def refund(order: Order, by: User, at: datetime) -> Refund | None:
    return aftersales.refund(order=order, by=by, reason="Ben is ill", at=at)


@pytest.fixture
def deaths() -> Iterator[list[UUID]]:
    """Return the list of tickets that the room is told are dead."""
    told: list[UUID] = []

    def tell(*, tickets: list[UUID], at: datetime) -> None:
        del at
        told.extend(tickets)

    before = list(aftersales.on_ticket_death)
    aftersales.on_ticket_death.append(tell)
    yield told
    aftersales.on_ticket_death[:] = before


# ---- One order


def test_a_refund_gives_money_and_seats_back_and_ends_the_tickets(
    ada: User, ben: User, seat: TicketType, at: datetime
) -> None:
    order = box_office.buy(ben, seat, 2, at=at)
    assert refund(order, ada, at) == Refund.objects.get()
    given = Refund.objects.get()
    assert (given.amount_minor, given.asked_by, given.reason) == (2400, ada, "Ben is ill")
    assert box_office.again(order).status == Order.Status.REFUNDED
    assert {ticket.status for ticket in order.tickets.all()} == {Ticket.Status.DEAD}
    assert box_office.counts(seat) == (0, 0)
    assert entitlement.holds_ticket(ben, seat.event) is None


def test_free_tickets_are_taken_back_without_money(
    ada: User, ben: User, standing: TicketType, at: datetime
) -> None:
    order = box_office.buy(ben, standing, at=at)
    assert refund(order, ada, at) is None
    assert (box_office.again(order).status, box_office.counts(standing)) == (Order.Status.REFUNDED, (0, 0))


def test_an_order_is_refunded_once(ada: User, ben: User, seat: TicketType, at: datetime) -> None:
    order = box_office.buy(ben, seat, at=at)
    refund(order, ada, at)
    with pytest.raises(aftersales.NotRefundable):
        refund(order, ada, at)


def test_what_is_not_paid_is_not_refunded(ada: User, ben: User, seat: TicketType, at: datetime) -> None:
    with pytest.raises(aftersales.NotRefundable):
        refund(box_office.hold(ben, seat, at=at), ada, at)


def test_what_the_bank_takes_back_is_not_given_a_second_time(
    ada: User, ben: User, seat: TicketType, at: datetime
) -> None:
    order = box_office.buy(ben, seat, at=at)
    dispute(box_office.charge(order), at)
    with pytest.raises(refunds.ChargeDisputed):
        refund(order, ada, at)
    assert (box_office.again(order).status, box_office.counts(seat)) == (Order.Status.PAID, (0, 1))


def dispute(charge: Charge, at: datetime) -> Dispute:
    return Dispute.objects.create(
        charge=charge,
        stripe_id="du_1",
        amount_minor=charge.amount_minor,
        currency="EUR",
        stripe_status="needs_response",
        created_at=at,
    )


def test_the_buyer_and_the_guest_are_told_and_the_deed_is_written_down(
    ada: User, ben: User, max: User, seat: TicketType, at: datetime
) -> None:
    order = box_office.buy(ben, seat, 2, at=at)
    passing.take(ticket=order.tickets.get(holder=None), by=max, at=at)
    refund(order, ada, at)
    told = {
        (letter.to, letter.subject)
        for letter in Letter.objects.filter(written_at=at, subject__contains="ghost")
    }
    assert told >= {
        (ben.email, "Your money is on its way back: An evening of ghost stories"),
        (max.email, "Your ticket is no longer valid: An evening of ghost stories"),
    }
    assert "Night Voices says: Ben is ill" in Letter.objects.get(key=f"order-refunded-{order.pk}").text
    entry = AuditEntry.objects.get(verb="order-refunded")
    assert (entry.actor, entry.subject_id, entry.reason) == (ada, str(order.pk), "Ben is ill")


def test_the_room_is_told_after_commit(
    ada: User,
    ben: User,
    seat: TicketType,
    at: datetime,
    deaths: list[UUID],
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    order = box_office.buy(ben, seat, 2, at=at)
    with django_capture_on_commit_callbacks(execute=True):
        refund(order, ada, at)
        assert deaths == []
    assert sorted(deaths) == sorted(order.tickets.values_list("pk", flat=True))


@pytest.fixture
def paid_out(ada: User, ben: User, event: Event, seat: TicketType, at: datetime) -> Order:
    """Return an order of an evening that took place; its money is with the club."""
    order = box_office.buy(ben, seat, at=at)
    programme.end(event=event, at=at)
    programme.set_delivery(event=event, delivery=Event.Delivery.DELIVERED, at=at)
    programme.release_money(event=event, at=at)
    Payee.objects.update(stripe_account_id="acct_1", details_submitted=True, transfers_active=True)
    payouts.request(payee=event.club.payee, amount=Money(1104, "EUR"), by=ada, at=at)
    return box_office.again(order)


def test_a_club_does_not_give_back_what_was_paid_out_to_it(
    client: Client, ada: User, paid_out: Order, seat: TicketType
) -> None:
    client.force_login(ada)
    page = client.post(f"/manage/orders/{paid_out.pk}/refund/", {"reason": "As asked"}, follow=True)
    assert "Your balance does not cover this refund. Write to us" in page.content.decode()
    assert (box_office.again(paid_out).status, box_office.counts(seat)) == (Order.Status.PAID, (0, 1))
    assert {ticket.status for ticket in paid_out.tickets.all()} == {Ticket.Status.LIVE}
    assert not Refund.objects.exists()
    assert not AuditEntry.objects.filter(verb="order-refunded").exists()


def test_the_house_gives_back_what_was_paid_out(paid_out: Order, at: datetime) -> None:
    given = aftersales.refund(order=paid_out, by=None, reason="The house says so", at=at)
    assert given == Refund.objects.get()


# ---- A whole evening


def test_calling_off_ends_the_sale_at_once(
    ada: User, ben: User, event: Event, seat: TicketType, at: datetime
) -> None:
    aftersales.cancel_event(event=event, by=ada, reason="Storm", at=at)
    with pytest.raises(seats.NotOnSale):
        box_office.hold(ben, seat, at=at)
    assert not event.ticket_types.filter(is_open=True).exists()


def test_calling_off_gives_everybody_their_money_back_and_tells_them(
    stand_in: StandIn,
    ada: User,
    ben: User,
    max: User,
    event: Event,
    seat: TicketType,
    standing: TicketType,
    at: datetime,
) -> None:
    paid, free = box_office.buy(ben, seat, 2, at=at), box_office.buy(max, standing, at=at)
    paying = box_office.hold(box_office.fan(), seat, at=at)
    aftersales.cancel_event(event=event, by=ada, reason="Storm", at=at)
    assert money_back.give(at=at) == 3
    statuses = [box_office.again(order).status for order in (paid, free, paying)]
    assert statuses == [Order.Status.REFUNDED, Order.Status.REFUNDED, Order.Status.EXPIRED]
    assert (Refund.objects.get().amount_minor, box_office.counts(seat)) == (2400, (0, 0))
    told = {letter.to for letter in Letter.objects.filter(subject="Cancelled: An evening of ghost stories")}
    assert told == {ben.email, max.email}
    event.refresh_from_db()
    assert event.refunding_done_at == at


def test_done_again_it_does_nothing(
    ada: User, ben: User, event: Event, seat: TicketType, at: datetime
) -> None:
    box_office.buy(ben, seat, at=at)
    aftersales.cancel_event(event=event, by=ada, reason="Storm", at=at)
    assert [money_back.give(at=at) for _ in range(2)] == [1, 0]
    assert Refund.objects.count() == 1


def test_who_is_paying_while_it_is_called_off_gets_the_money_back(
    stand_in: StandIn, ada: User, ben: User, event: Event, seat: TicketType, at: datetime
) -> None:
    order = box_office.hold(ben, seat, at=at)
    stand_in.pay(box_office.checkout(order, at=at))
    aftersales.cancel_event(event=event, by=ada, reason="Storm", at=at)
    money_back.give(at=at)
    assert (box_office.again(order).status, Refund.objects.count()) == (Order.Status.TOO_LATE, 1)


def test_a_disputed_order_stays_and_does_not_hold_the_others_up(
    ada: User, ben: User, max: User, event: Event, seat: TicketType, at: datetime
) -> None:
    disputed, other = box_office.buy(ben, seat, at=at), box_office.buy(max, seat, at=at)
    dispute(box_office.charge(disputed), at)
    aftersales.cancel_event(event=event, by=ada, reason="Storm", at=at)
    money_back.give(at=at)
    statuses = [box_office.again(order).status for order in (disputed, other)]
    assert statuses == [Order.Status.PAID, Order.Status.REFUNDED]


def test_what_is_live_is_not_called_off(ada: User, event: Event, at: datetime) -> None:
    programme.go_live(event=event, at=at)
    with pytest.raises(WrongState):
        aftersales.cancel_event(event=event, by=ada, reason="Storm", at=at)


def test_after_an_evening_that_was_not_delivered_everybody_is_refunded_once(
    ada: User, ben: User, event: Event, seat: TicketType, at: datetime
) -> None:
    order = box_office.buy(ben, seat, at=at)
    programme.end(event=event, at=at)
    programme.set_delivery(event=event, delivery=Event.Delivery.NOT_DELIVERED, at=at)
    aftersales.refund_everyone(event=event, by=ada, reason="Nobody came", at=at)
    with pytest.raises(aftersales.NothingToRefund):
        aftersales.refund_everyone(event=event, by=ada, reason="Nobody came", at=at)
    money_back.give(at=at)
    assert box_office.again(order).status == Order.Status.REFUNDED
    assert Letter.objects.filter(subject="Your money back: An evening of ghost stories").count() == 1
