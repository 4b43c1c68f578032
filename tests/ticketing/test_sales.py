"""From "I want" to "I have", one order at a time. Races and shuffles have files of their own."""

from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import pytest
from pytest_django.fixtures import Settings

from accounts.models import Letter, User
from clubs.models import Club
from payments.models import Charge, Refund
from payments.sandbox.serve import StandIn
from tests import factories
from tests.ticketing import box_office
from ticketing import held_too_long, programme, sales, seats
from ticketing.models import Event, Order, Ticket, TicketType

pytestmark = pytest.mark.django_db

LATER = timedelta(minutes=11)


def holders(order: Order) -> list[User | None]:
    """Return who holds the tickets; those that nobody holds last."""
    return sorted((ticket.holder for ticket in order.tickets.all()), key=lambda holder: holder is None)


# ---- Holding


def test_a_hold_puts_seats_aside_and_asks_for_the_money(ben: User, seat: TicketType, at: datetime) -> None:
    order = box_office.hold(ben, seat, 2, at=at)
    assert (order.status, order.total_minor, order.held_until) == (
        Order.Status.HELD,
        2400,
        at + timedelta(minutes=10),
    )
    charge = box_office.charge(order)
    assert (charge.status, charge.amount_minor) == (Charge.Status.ASKED, 2400)
    assert box_office.counts(seat) == (2, 0)


def test_the_first_ticket_is_the_buyers_and_the_others_are_for_friends(
    ben: User, seat: TicketType, at: datetime
) -> None:
    assert holders(box_office.hold(ben, seat, 3, at=at)) == [ben, None, None]


def test_who_has_a_ticket_buys_for_friends_only(
    ben: User, seat: TicketType, standing: TicketType, at: datetime
) -> None:
    box_office.buy(ben, standing, at=at)
    assert holders(box_office.hold(ben, seat, 2, at=at)) == [None, None]


def test_an_empty_basket_is_refused(ben: User, event: Event, seat: TicketType, at: datetime) -> None:
    with pytest.raises(sales.EmptyBasket):
        sales.hold(buyer=ben, event=event, basket={seat.pk: 0}, at=at)


def test_the_last_seat_is_sold_and_the_next_is_not(ben: User, max: User, event: Event, at: datetime) -> None:
    last = box_office.kind(event, capacity=1)
    box_office.hold(ben, last, at=at)
    with pytest.raises(seats.SoldOut) as refusal:
        box_office.hold(max, last, at=at)
    assert refusal.value.ticket_type == last
    assert box_office.counts(last) == (1, 0)


def test_if_one_type_is_sold_out_nothing_of_the_basket_is_held(
    ben: User, max: User, event: Event, seat: TicketType, at: datetime
) -> None:
    last = box_office.kind(event, capacity=1)
    box_office.hold(max, last, at=at)
    with pytest.raises(seats.SoldOut):
        sales.hold(buyer=ben, event=event, basket={seat.pk: 1, last.pk: 1}, at=at)
    assert (box_office.counts(seat), Order.objects.filter(buyer=ben).count()) == ((0, 0), 0)


def test_without_a_limit_seats_never_end(ben: User, standing: TicketType, at: datetime) -> None:
    assert standing.left is None
    box_office.buy(ben, standing, 6, at=at)
    assert box_office.counts(standing) == (0, 6)


def test_the_limit_per_person_counts_all_their_orders(ben: User, event: Event, at: datetime) -> None:
    kind = box_office.kind(event, price=0, per_person=3)
    box_office.buy(ben, kind, 2, at=at)
    with pytest.raises(sales.TooMany):
        box_office.hold(ben, kind, 2, at=at)
    box_office.hold(ben, kind, 1, at=at)


def test_seats_of_members_are_for_members(ben: User, event: Event, club: Club, at: datetime) -> None:
    kind = box_office.kind(event, members_only=True)
    with pytest.raises(sales.MembersOnly):
        box_office.hold(ben, kind, at=at)
    factories.MembershipFactory.create(plan__club=club, member=ben)
    box_office.hold(ben, kind, at=at)


@pytest.mark.parametrize("status", [Event.Status.DRAFT, Event.Status.ENDED, Event.Status.CANCELLED])
def test_only_what_is_published_is_sold(
    ben: User, event: Event, seat: TicketType, at: datetime, status: str
) -> None:
    factories.put_down_as(event, status, at=at)
    with pytest.raises(seats.NotOnSale):
        box_office.hold(ben, seat, at=at)


def test_a_live_event_is_sold_past_its_planned_end_and_one_that_never_opened_is_not(
    ben: User, event: Event, seat: TicketType, at: datetime
) -> None:
    late = event.ends_at
    with pytest.raises(seats.NotOnSale):
        box_office.hold(ben, seat, at=late)
    programme.go_live(event=event, at=at)
    box_office.hold(ben, seat, at=late)


def test_a_type_taken_off_sale_is_not_sold(ben: User, event: Event, at: datetime) -> None:
    with pytest.raises(seats.NotOnSale):
        box_office.hold(ben, box_office.kind(event, is_open=False), at=at)


def test_a_type_of_another_event_is_not_sold(ben: User, event: Event, at: datetime) -> None:
    other = factories.TicketTypeFactory.create()
    with pytest.raises(seats.NotOnSale):
        sales.hold(buyer=ben, event=event, basket={other.pk: 1}, at=at)


def test_one_order_waits_for_payment_at_a_time(ben: User, seat: TicketType, at: datetime) -> None:
    box_office.hold(ben, seat, at=at)
    with pytest.raises(sales.HoldsAnother):
        box_office.hold(ben, seat, at=at)
    assert box_office.counts(seat) == (1, 0)


# ---- Placing: what the buy button does


def place(buyer: User, kind: TicketType, count: int, at: datetime, attempt: UUID | None = None) -> Order:
    return sales.place(buyer=buyer, event=kind.event, basket={kind.pk: count}, attempt=attempt, at=at)


def test_free_tickets_are_taken_at_once(ben: User, standing: TicketType, at: datetime) -> None:
    order = place(ben, standing, 1, at)
    assert (order.status, order.charge, holders(order)) == (Order.Status.PAID, None, [ben])
    assert box_office.counts(standing) == (0, 1)


def test_a_double_click_on_free_tickets_takes_them_once(
    ben: User, standing: TicketType, at: datetime
) -> None:
    attempt = uuid4()
    first = place(ben, standing, 1, at, attempt=attempt)
    assert place(ben, standing, 1, at, attempt=attempt) == first
    assert box_office.counts(standing) == (0, 1)


def test_a_double_click_on_paid_tickets_holds_them_once(ben: User, seat: TicketType, at: datetime) -> None:
    first = place(ben, seat, 2, at)
    assert place(ben, seat, 2, at) == first
    assert box_office.counts(seat) == (2, 0)


def test_another_basket_lets_the_first_go(
    stand_in: StandIn, ben: User, seat: TicketType, at: datetime
) -> None:
    first = place(ben, seat, 2, at)
    second = place(ben, seat, 1, at)
    assert [box_office.again(order).status for order in (first, second)] == [
        Order.Status.EXPIRED,
        Order.Status.HELD,
    ]
    assert box_office.counts(seat) == (1, 0)


def test_the_same_page_sent_again_with_another_basket_is_another_order(
    ben: User, standing: TicketType, at: datetime
) -> None:
    attempt = uuid4()
    first = place(ben, standing, 1, at, attempt=attempt)
    second = place(ben, standing, 2, at, attempt=attempt)
    assert (first.pk, second.pk == attempt, box_office.counts(standing)) == (attempt, False, (0, 3))


def test_an_earlier_order_that_was_paid_meanwhile_is_kept(
    stand_in: StandIn, ben: User, seat: TicketType, at: datetime
) -> None:
    first = place(ben, seat, 2, at)
    stand_in.pay(box_office.checkout(first, at=at))
    second = place(ben, seat, 1, at)
    assert [box_office.again(order).status for order in (first, second)] == [
        Order.Status.PAID,
        Order.Status.HELD,
    ]


def test_of_the_last_seat_the_one_who_holds_it_may_change_their_mind(
    stand_in: StandIn, ben: User, event: Event, at: datetime
) -> None:
    last = box_office.kind(event, capacity=2)
    place(ben, last, 2, at)
    assert place(ben, last, 1, at).status == Order.Status.HELD


# ---- Paying


def test_a_payment_makes_tickets_valid_and_writes_one_letter(
    ben: User, seat: TicketType, at: datetime
) -> None:
    order = box_office.buy(ben, seat, 2, at=at)
    assert (order.status, order.paid_at) == (Order.Status.PAID, at)
    assert {ticket.status for ticket in order.tickets.all()} == {Ticket.Status.LIVE}
    assert box_office.counts(seat) == (0, 2)
    letter = Letter.objects.get()
    assert (letter.to, letter.subject) == (ben.email, "Your way in: An evening of ghost stories")


def test_told_again_it_changes_nothing(ben: User, seat: TicketType, at: datetime) -> None:
    order = box_office.buy(ben, seat, at=at)
    assert box_office.pay(order, at=at + LATER).paid_at == at
    assert (Letter.objects.count(), box_office.counts(seat)) == (1, (0, 1))


def test_paid_late_it_is_seated_if_the_seat_is_free(ben: User, seat: TicketType, at: datetime) -> None:
    order = box_office.hold(ben, seat, 2, at=at)
    sales.release(order=order, at=at + LATER)
    assert box_office.counts(seat) == (0, 0)
    assert box_office.pay(order, at=at + LATER).status == Order.Status.PAID
    assert (holders(order), box_office.counts(seat)) == ([ben, None], (0, 2))


def test_paid_late_it_is_refunded_at_once_if_the_seat_is_gone(
    ben: User, max: User, event: Event, at: datetime
) -> None:
    last = box_office.kind(event, capacity=1)
    order = box_office.hold(ben, last, at=at)
    sales.release(order=order, at=at + LATER)
    box_office.buy(max, last, at=at + LATER)
    assert box_office.pay(order, at=at + LATER).status == Order.Status.TOO_LATE
    assert Refund.objects.get().amount_minor == 1200
    assert (
        Letter.objects.get(to=ben.email).subject
        == "Your money is on its way back: An evening of ghost stories"
    )
    assert box_office.counts(last) == (0, 1)


@pytest.mark.parametrize("status", [Event.Status.ENDED, Event.Status.CANCELLED])
def test_paid_for_an_evening_that_is_over_it_is_refunded_at_once(
    ben: User, event: Event, seat: TicketType, at: datetime, status: str
) -> None:
    order = box_office.hold(ben, seat, at=at)
    factories.put_down_as(event, status, at=at)
    assert box_office.pay(order, at=at).status == Order.Status.TOO_LATE
    assert (Refund.objects.count(), box_office.counts(seat)) == (1, (0, 0))


def test_a_ticket_that_a_friend_passed_on_meanwhile_makes_the_own_one_free(
    ben: User, max: User, seat: TicketType, standing: TicketType, at: datetime
) -> None:
    order = box_office.hold(ben, seat, at=at)
    sales.release(order=order, at=at)
    box_office.buy(ben, standing, at=at)
    assert holders(box_office.pay(order, at=at)) == [None]


# ---- Letting go


def test_a_hold_lets_go_once(ben: User, seat: TicketType, at: datetime) -> None:
    order = box_office.hold(ben, seat, at=at)
    assert [sales.release(order=order, at=at) for _ in range(2)] == [True, False]
    order = box_office.again(order)
    assert (order.status, box_office.charge(order).status) == (Order.Status.EXPIRED, Charge.Status.DROPPED)
    assert box_office.counts(seat) == (0, 0)


def test_what_is_paid_is_not_let_go(ben: User, seat: TicketType, at: datetime) -> None:
    order = box_office.buy(ben, seat, at=at)
    assert sales.release(order=order, at=at) is False
    assert box_office.counts(seat) == (0, 1)


def test_the_sweep_lets_stale_holds_go_and_no_others(
    stand_in: StandIn, ben: User, max: User, seat: TicketType, at: datetime
) -> None:
    stale = box_office.hold(ben, seat, at=at)
    session = box_office.checkout(stale, at=at)
    fresh = box_office.hold(max, seat, at=at + LATER)
    assert held_too_long.release_stale(at=at + LATER) == 1
    assert [box_office.again(order).status for order in (stale, fresh)] == [
        Order.Status.EXPIRED,
        Order.Status.HELD,
    ]
    assert stand_in.find(session)["status"] == "expired"


def test_the_sweep_finds_a_payment_that_no_webhook_told(
    stand_in: StandIn, ben: User, seat: TicketType, at: datetime
) -> None:
    order = box_office.hold(ben, seat, at=at)
    stand_in.pay(box_office.checkout(order, at=at))
    held_too_long.release_stale(at=at + LATER)
    assert box_office.again(order).status == Order.Status.PAID


def test_while_stripe_is_silent_nothing_is_let_go(
    stand_in: StandIn, ben: User, seat: TicketType, at: datetime, settings: Settings
) -> None:
    order = box_office.hold(ben, seat, at=at)
    sales.start_checkout(order=order, at=at)
    settings.STRIPE_API_BASE = "http://127.0.0.1:9"
    held_too_long.release_stale(at=at + LATER)
    assert (box_office.again(order).status, box_office.counts(seat)) == (Order.Status.HELD, (1, 0))


# ---- Checkout


def test_the_checkout_of_an_order_is_begun_once(
    stand_in: StandIn, ben: User, seat: TicketType, at: datetime
) -> None:
    order = box_office.hold(ben, seat, at=at)
    urls = {sales.start_checkout(order=box_office.again(order), at=at + timedelta(minutes=n)) for n in (0, 5)}
    assert (len(urls), len(stand_in.objects("checkout.session"))) == (1, 1)


def test_after_the_deadline_no_checkout_is_begun(ben: User, seat: TicketType, at: datetime) -> None:
    with pytest.raises(sales.HoldIsOver):
        sales.start_checkout(order=box_office.hold(ben, seat, at=at), at=at + timedelta(minutes=10))


def test_a_buyer_who_waits_need_not_wait_for_the_webhook(
    stand_in: StandIn, ben: User, seat: TicketType, at: datetime
) -> None:
    order = box_office.hold(ben, seat, at=at)
    session = box_office.checkout(order, at=at)
    sales.look_again(order=box_office.again(order), at=at)
    assert box_office.again(order).status == Order.Status.HELD
    stand_in.pay(session)
    sales.look_again(order=box_office.again(order), at=at)
    assert box_office.again(order).status == Order.Status.PAID


def test_from_the_counter_to_the_ticket(
    stand_in: StandIn, deliver: Callable[[], int], ben: User, seat: TicketType, at: datetime
) -> None:
    order = place(ben, seat, 2, at)
    stand_in.pay(box_office.checkout(order, at=at))
    deliver()
    order = box_office.again(order)
    assert (order.status, box_office.charge(order).status) == (Order.Status.PAID, Charge.Status.PAID)
    assert box_office.counts(seat) == (0, 2)


@pytest.mark.parametrize(("first", "second"), [(30, 21), (50, 1)])
def test_an_order_has_a_most_over_all_types(
    event: Event, ben: User, at: datetime, first: int, second: int
) -> None:
    kinds = [box_office.kind(event, capacity=60, per_person=50, price=0, name=name) for name in ("A", "B")]
    wanted = {kinds[0].pk: first, kinds[1].pk: second}
    with pytest.raises(sales.BasketTooBig):
        sales.hold(buyer=ben, event=event, basket=wanted, at=at)


def test_the_checkout_names_what_is_bought(ben: User, event: Event, at: datetime) -> None:
    seat = event.ticket_types.get(name="Seat")
    loge = factories.TicketTypeFactory.create(event=event, name="Loge", price_minor=3000, position=9)
    order = sales.hold(buyer=ben, event=event, basket={seat.pk: 2, loge.pk: 1}, at=at)
    assert order.charge is not None
    assert order.charge.description == f"{event.title}: 2 × Seat, 1 × Loge"  # noqa: RUF001 -- as pages write it
