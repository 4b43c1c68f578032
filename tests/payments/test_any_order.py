"""The same event 1..n times in any order: the same state, and each thing told once."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.models import Letter, User
from clubs import memberships
from clubs.models import Club
from payments import books, stripe_events
from payments.models import (
    Case,
    Charge,
    Dispute,
    PaidPeriod,
    Payee,
    Payout,
    Refund,
    Reversal,
    StripeEvent,
    Subscription,
    Transfer,
)
from tests.factories import PlanFactory
from tests.ticketing import box_office
from ticketing.models import Order, Ticket, TicketType

if TYPE_CHECKING:
    from payments.sandbox.serve import StandIn

pytestmark = pytest.mark.django_db
Post = list[tuple[bytes, str]]


def post_of(stand_in: "StandIn") -> Post:
    return [(letter.body, letter.signature) for letter in stand_in.take_webhooks()]


def bring(post: Post, *, at: datetime) -> None:
    """Bring letters in, each handled as it comes; what fails waits, and is tried again for a day."""
    for number, (body, signature) in enumerate(post):
        moment = at + timedelta(seconds=number)
        row = stripe_events.receive(payload=body, signature=signature, at=moment)
        with suppress(Exception):  # what fails is kept on the row, which is what is tried here
            stripe_events.handle(event=row, at=moment)
    for hours in range(1, 24, 2):
        stripe_events.handle_due(at=at + timedelta(hours=hours))


def end() -> dict[str, Any]:
    """Return all that may not depend on the order in which news came."""
    return {
        "waiting": list(StripeEvent.objects.filter(status="received").values_list("kind", "last_error")),
        "charges": sorted(Charge.objects.values_list("reference", "status", "stripe_fee_minor")),
        "refunds": sorted(Refund.objects.values_list("stripe_id", "status", "amount_minor", "fee_minor")),
        "disputes": sorted(
            Dispute.objects.values_list("stripe_id", "stripe_status", "is_withdrawn", "stripe_fee_minor")
        ),
        "subscriptions": list(Subscription.objects.values_list("status", "paid_until", "ends_at_period_end")),
        "months": sorted(PaidPeriod.objects.values_list("invoice_id", "ends_at", "charge__reference")),
        "orders": list(Order.objects.values_list("status")),
        "tickets": sorted(Ticket.objects.values_list("status")),
        "payouts": sorted(Payout.objects.values_list("status")),
        "reversals": sorted(Reversal.objects.values_list("stripe_id", "amount_minor")),
        "payees": sorted(
            Payee.objects.values_list("name", "transfers_active", "payouts_enabled", "bank_failure")
        ),
        "moved": sorted(Transfer.objects.values_list("reason", "amount_minor", "currency")),
        "letters": sorted(Letter.objects.values_list("subject", "to")),
        "cases": sorted(Case.objects.values_list("kind", "stripe_id")),
        "books": books.check(),
    }


@dataclass
class Town:
    stand_in: "StandIn"
    at: datetime
    ben: User
    club: Club
    seat: TicketType


@pytest.fixture
def seat(event: Any) -> TicketType:
    return box_office.kind(event, capacity=50)


@pytest.fixture
def town(stand_in: "StandIn", at: datetime, ben: User, club: Club, seat: TicketType) -> Town:
    stand_in.switches.turn({"deliver_webhooks": False})
    return Town(stand_in, at, ben, club, seat)


def buy(town: Town) -> str:
    """Buy a seat, and return Stripe's charge."""
    order = box_office.hold(town.ben, town.seat, at=town.at)
    town.stand_in.pay(box_office.checkout(order, at=town.at))
    return str(town.stand_in.objects("charge")[0]["id"])


def bought_and_refunded_by_hand(town: Town) -> None:
    charge = buy(town)
    town.stand_in.by_hand("refund", charge=charge, amount=300)
    town.stand_in.by_hand("refund", charge=charge)


def bought_disputed_and_won(town: Town) -> None:
    dispute = town.stand_in.by_hand("dispute", charge=buy(town))
    town.stand_in.by_hand("close_dispute", dispute=dispute["id"], won=True)


def bought_disputed_and_lost(town: Town) -> None:
    dispute = town.stand_in.by_hand("dispute", charge=buy(town))
    town.stand_in.by_hand("close_dispute", dispute=dispute["id"])


def bought_refunded_and_sent_back_by_the_bank(town: Town) -> None:
    refund = town.stand_in.by_hand("refund", charge=buy(town), amount=300)
    town.stand_in.by_hand("fail_refund", refund=refund["id"])


def bought_with_a_fee_that_comes_late(town: Town) -> None:
    town.stand_in.switches.turn({"fees_delay_seconds": 3600})
    buy(town)
    town.stand_in.advance(3700)


def joined(town: Town) -> None:
    membership = memberships.join(
        plan=PlanFactory.create(club=town.club, name="Friends", price_minor=500), member=town.ben, at=town.at
    )
    memberships.start_checkout(
        membership=membership,
        success_url="http://testserver/in",
        cancel_url="http://testserver/out",
        at=town.at,
    )
    town.stand_in.pay(Subscription.objects.get().checkout_id or "")


def renewed_twice(town: Town) -> None:
    joined(town)
    for _ in range(2):
        town.stand_in.advance(31 * 86_400 + 7200)


def declined_paid_late_and_given_back(town: Town) -> None:
    joined(town)
    town.stand_in.switches.turn({"decline_renewals": True})
    town.stand_in.advance(31 * 86_400 + 7200)
    town.stand_in.switches.turn({"decline_renewals": False})
    town.stand_in.advance(4 * 86_400)
    town.stand_in.by_hand("refund", charge=town.stand_in.objects("charge")[0]["id"])


def disputed_by_a_member(town: Town) -> None:
    joined(town)
    town.stand_in.by_hand("dispute", charge=town.stand_in.objects("charge")[0]["id"])


STORIES: list[Callable[[Town], None]] = [
    bought_and_refunded_by_hand,
    bought_disputed_and_won,
    bought_disputed_and_lost,
    bought_refunded_and_sent_back_by_the_bank,
    bought_with_a_fee_that_comes_late,
    renewed_twice,
    declined_paid_late_and_given_back,
    disputed_by_a_member,
]


def outcome(post: Post, at: datetime) -> dict[str, Any]:
    """Return what an order of the post leads to, and leave no trace of it."""
    with transaction.atomic():
        connection.atomic_blocks[-1]._from_testcase = True  # type: ignore[attr-defined] # Stripe may be asked in it
        bring(post, at=at)
        found = end()
        transaction.set_rollback(True)
    return found


@pytest.mark.broken_books
@pytest.mark.parametrize("story", STORIES, ids=[story.__name__ for story in STORIES])
def test_in_whatever_order_and_number_the_end_is_the_same(town: Town, story: Callable[[Town], None]) -> None:
    story(town)
    post = post_of(town.stand_in)
    at = datetime.now(UTC) + timedelta(minutes=1)
    told = outcome(post, at)
    assert told["waiting"] == []
    assert told["books"] == []
    assert told["charges"] != []

    @settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(st.permutations(range(len(post))), st.lists(st.integers(0, len(post) - 1), max_size=6))
    def any_order(order: list[int], again: list[int]) -> None:
        assert outcome([post[number] for number in [*order, *again]], at) == told

    any_order()
