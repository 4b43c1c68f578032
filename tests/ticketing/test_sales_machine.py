"""Hold, pay, expire, pay late, refund, in any order that can be: the seats and the books hold all along."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from django.db import transaction
from django.db.models import Exists, OuterRef, Sum
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from payments import books
from payments.models import Charge
from tests import factories
from tests.ticketing import box_office
from ticketing import aftersales, sales, seats
from ticketing.models import Order, Ticket, TicketType

CAPACITIES = (3, 5, None)
FANS = 4
STEPS = settings(
    max_examples=24,
    stateful_step_count=25,
    deadline=None,
    derandomize=True,  # the same examples for everybody; `make test` is no lottery
    suppress_health_check=list(HealthCheck),
)


class BoxOffice(RuleBasedStateMachine):
    """One event with few seats, a few fans who may have up to four each, and a clock that goes forward."""

    orders = Bundle("orders")

    def __init__(self) -> None:
        super().__init__()
        self.example = (
            transaction.atomic()
        )  # undone at the end, so that each example begins with an empty house
        self.example.__enter__()
        self.at = datetime.now(UTC)
        self.event = factories.EventFactory.create()
        self.kinds = [
            box_office.kind(
                self.event, capacity=capacity, per_person=4, price=0 if capacity is None else 1200
            )
            for capacity in CAPACITIES
        ]
        self.fans = [box_office.fan() for _ in range(FANS)]

    def teardown(self) -> None:
        transaction.set_rollback(True)
        self.example.__exit__(None, None, None)

    @rule(
        target=orders,
        fan=st.integers(0, FANS - 1),
        counts=st.tuples(*[st.integers(0, 3)] * len(CAPACITIES)),
    )
    def hold(self, fan: int, counts: tuple[int, ...]) -> object:
        buyer, basket = self.fans[fan], {kind.pk: n for kind, n in zip(self.kinds, counts, strict=True) if n}
        expected = self.refusal(buyer.pk, counts)
        try:
            order = sales.hold(buyer=buyer, event=self.event, basket=basket, at=self.at)
        except (sales.EmptyBasket, sales.HoldsAnother, sales.TooMany, seats.SoldOut) as refusal:
            assert isinstance(refusal, expected)  # noqa: PT017 -- which of several depends on what was before
            return multiple()
        assert expected == ()
        return order if order.total else sales.take_free(order=order, at=self.at)

    def refusal(self, buyer: UUID, counts: tuple[int, ...]) -> tuple[type[Exception], ...]:
        """Return how it must be refused; nothing if it must be sold. Counted from the tickets alone."""
        if not any(counts):
            return (sales.EmptyBasket,)
        if Order.objects.filter(buyer=buyer, event=self.event, status=Order.Status.HELD).exists():
            return (sales.HoldsAnother,)
        refusals: list[type[Exception]] = []
        for kind, count in zip(self.kinds, counts, strict=True):
            living = Ticket.objects.living().filter(ticket_type=kind)
            if count and living.filter(order__buyer=buyer).count() + count > kind.per_person:
                refusals.append(sales.TooMany)
            if count and kind.capacity is not None and living.count() + count > kind.capacity:
                refusals.append(seats.SoldOut)
        return tuple(refusals)

    @rule(order=orders)
    def pay(self, order: Order) -> None:
        """In time, late, or once more: each order is paid with one payment, however often it is told."""
        before = box_office.again(order)
        if before.charge is None:
            return
        after = box_office.pay(order, at=self.at)
        if before.status in {Order.Status.HELD, Order.Status.EXPIRED}:
            assert after.status in {Order.Status.PAID, Order.Status.TOO_LATE}
        else:
            assert after.status == before.status
        if before.status == Order.Status.HELD:
            assert after.status == Order.Status.PAID

    @rule(order=orders)
    def expire(self, order: Order) -> None:
        was_held = box_office.again(order).is_held
        assert sales.release(order=order, at=self.at) is was_held

    @rule(order=orders)
    def refund(self, order: Order) -> None:
        was_paid = box_office.again(order).is_paid
        try:
            aftersales.refund(order=order, by=self.event.created_by, reason="Ill", at=self.at)
        except aftersales.NotRefundable:
            assert not was_paid
        else:
            assert was_paid

    @rule(minutes=st.integers(1, 30))
    def wait(self, minutes: int) -> None:
        self.at += timedelta(minutes=minutes)

    @invariant()
    def seats_fit_and_are_counted(self) -> None:
        assert list(seats.miscounted()) == []
        for kind in TicketType.objects.filter(event=self.event, capacity__isnull=False):
            assert kind.taken <= (kind.capacity or 0)

    @invariant()
    def every_payment_is_either_seated_or_given_back(self) -> None:
        living = Ticket.objects.live().filter(order=OuterRef("order"))
        paid = Charge.objects.filter(order__event=self.event, status=Charge.Status.PAID)
        for seated, amount, given in paid.values_list(
            Exists(living), "amount_minor", Sum("refunds__amount_minor")
        ):
            assert given == (None if seated else amount)

    @invariant()
    def nobody_holds_two_living_tickets(self) -> None:
        held = Ticket.objects.live().filter(event=self.event, holder__isnull=False)
        holders = held.values_list("holder", flat=True)
        assert len(holders) == len(set(holders))

    @invariant()
    def the_books_hold(self) -> None:
        assert books.check() == []


@pytest.mark.timeout(1_200)  # bounded by examples and steps; a busy machine takes its time
@pytest.mark.django_db
def test_in_whatever_order_things_happen_seats_and_books_hold() -> None:
    run_state_machine_as_test(BoxOffice, settings=STEPS)
