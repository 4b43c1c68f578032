"""What a membership is paid for follows from paid invoices, whatever Stripe's calendar says."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from accounts.models import User
from clubs import memberships
from clubs.models import Club, Membership, Plan
from clubs.models.membership import RENEWAL_GRACE
from payments import books, dispatch, reconcile, stripe_events, subscriptions
from payments.models import Case, Charge, PaidPeriod, StripeEvent, Subscription
from payments.sandbox.serve import StandIn
from tests.factories import PlanFactory

pytestmark = pytest.mark.django_db
Deliver = Callable[[], int]
HOUR = timedelta(hours=1)
A_MONTH_AND_MORE = 31 * 86_400 + 7200


@pytest.fixture
def plan(club: Club) -> Plan:
    return PlanFactory.create(club=club, name="Friends", price_minor=500)


@pytest.fixture
def member(stand_in: StandIn, deliver: Deliver, plan: Plan, ben: User, at: datetime) -> Membership:
    """Return Ben's membership, with its first month paid."""
    membership = memberships.join(plan=plan, member=ben, at=at)
    memberships.start_checkout(
        membership=membership, success_url="http://testserver/in", cancel_url="http://testserver/out", at=at
    )
    subscription = Subscription.objects.get()
    stand_in.pay(subscription.checkout_id or "")
    deliver()
    return again(membership)


def again(membership: Membership) -> Membership:
    return Membership.objects.select_related("subscription", "club", "member").get(pk=membership.pk)


def until(membership: Membership) -> datetime:
    paid_until = again(membership).paid_until
    assert paid_until is not None
    return paid_until


def is_member(membership: Membership, at: datetime) -> bool:
    return memberships.is_member(membership.member, membership.club, at)


def test_a_declined_renewal_gives_no_month(stand_in: StandIn, deliver: Deliver, member: Membership) -> None:
    # paid_until followed Stripe's period, which goes on: a free month, and another one.
    first = until(member)
    stand_in.switches.turn({"decline_renewals": True})
    stand_in.advance(A_MONTH_AND_MORE)
    deliver()
    assert until(member) == first
    assert Subscription.objects.get().status == "overdue"
    assert is_member(member, first + RENEWAL_GRACE - HOUR)
    assert not is_member(member, first + RENEWAL_GRACE + HOUR)
    assert PaidPeriod.objects.count() == 1


def test_a_renewal_paid_late_counts_for_its_own_month(
    stand_in: StandIn, deliver: Deliver, member: Membership
) -> None:
    first = until(member)
    stand_in.switches.turn({"decline_renewals": True})
    stand_in.advance(A_MONTH_AND_MORE)
    deliver()
    stand_in.switches.turn({"decline_renewals": False})
    stand_in.advance(4 * 86_400)
    deliver()
    assert timedelta(days=27) < until(member) - first < timedelta(days=32)
    assert is_member(member, first + timedelta(days=20))
    assert Charge.objects.filter(status="paid").count() == 2
    assert books.check(ask_stripe=True) == []


def test_a_month_marked_as_paid_elsewhere_counts_and_is_a_case(
    stand_in: StandIn, deliver: Deliver, member: Membership
) -> None:
    # It was taken for an invoice over nothing, without a word to anybody.
    first = until(member)
    stand_in.switches.turn({"decline_renewals": True})
    stand_in.advance(A_MONTH_AND_MORE)
    deliver()
    invoice = next(each["id"] for each in stand_in.objects("invoice") if each["status"] == "open")
    stand_in.by_hand("pay_invoice_elsewhere", invoice=invoice)
    deliver()
    deliver()
    assert until(member) > first + timedelta(days=27)
    case = Case.objects.get()
    assert (case.kind, case.stripe_id) == ("invoice", invoice)
    assert "€5.00" in case.what
    assert Charge.objects.count() == 1
    assert books.check(ask_stripe=True) == []


def test_a_month_given_back_is_no_month(stand_in: StandIn, deliver: Deliver, member: Membership) -> None:
    first = until(member)
    stand_in.advance(A_MONTH_AND_MORE)
    deliver()
    second = Charge.objects.order_by("paid_at").last()
    assert second is not None
    assert until(member) > first
    stand_in.by_hand("refund", charge=second.stripe_charge_id, amount=200)
    deliver()
    assert until(member) > first  # a part is a courtesy, and no end
    stand_in.by_hand("refund", charge=second.stripe_charge_id)
    deliver()
    assert until(member) == first
    assert not is_member(member, first + RENEWAL_GRACE + HOUR)
    assert books.check(ask_stripe=True) == []


def test_a_month_the_bank_took_back_is_no_month_until_it_is_won(
    stand_in: StandIn, deliver: Deliver, member: Membership, at: datetime
) -> None:
    charge = Charge.objects.get()
    dispute = stand_in.by_hand("dispute", charge=charge.stripe_charge_id)
    deliver()
    assert (again(member).paid_until, is_member(member, at)) == (None, False)
    stand_in.by_hand("close_dispute", dispute=dispute["id"], won=True)
    deliver()
    assert is_member(member, at)
    assert books.check(ask_stripe=True) == []


def test_a_renewal_of_which_no_event_is_left_is_found_by_asking(
    stand_in: StandIn, member: Membership
) -> None:
    first = until(member)
    stand_in.advance(A_MONTH_AND_MORE)
    stand_in.take_webhooks()  # lost
    Subscription.objects.update(next_attempt_at=datetime.now(UTC))
    asked_at = datetime.now(UTC) + HOUR
    assert reconcile.ask_subscriptions_in_turn(at=asked_at) == 1
    assert until(member) > first + timedelta(days=27)
    assert Charge.objects.filter(status="paid").count() == 2
    subscription = Subscription.objects.get()
    assert subscription.next_attempt_at == asked_at + reconcile.SUBSCRIPTIONS_TURN
    assert reconcile.ask_subscriptions_in_turn(at=asked_at + HOUR) == 0
    assert books.check(ask_stripe=True) == []


def test_a_first_month_of_which_no_event_is_left_is_found_by_asking(
    stand_in: StandIn, plan: Plan, ben: User, at: datetime
) -> None:
    membership = memberships.join(plan=plan, member=ben, at=at)
    memberships.start_checkout(
        membership=membership, success_url="http://testserver/in", cancel_url="http://testserver/out", at=at
    )
    stand_in.pay(Subscription.objects.get().checkout_id or "")
    stand_in.take_webhooks()  # lost
    reconcile.run(at=datetime.now(UTC))
    assert is_member(again(membership), at)


def test_it_is_asked_about_an_hour_after_its_month(member: Membership) -> None:
    soon = until(member) - timedelta(hours=3)
    Subscription.objects.update(next_attempt_at=soon)
    reconcile.ask_subscriptions_in_turn(at=soon)
    assert Subscription.objects.get().next_attempt_at == until(member) + HOUR


def test_a_dispute_that_comes_before_its_month_is_taken_in_after_it(
    stand_in: StandIn, deliver: Deliver, plan: Plan, ben: User, at: datetime
) -> None:
    # It was ignored for good: the money was gone at Stripe, and stood in no book.
    membership = memberships.join(plan=plan, member=ben, at=at)
    memberships.start_checkout(
        membership=membership, success_url="http://testserver/in", cancel_url="http://testserver/out", at=at
    )
    stand_in.switches.turn({"hold_back": "invoice.paid"})
    stand_in.pay(Subscription.objects.get().checkout_id or "")
    deliver()
    stand_in.by_hand("dispute", charge=stand_in.objects("charge")[0]["id"])
    with pytest.raises(dispatch.NotKnownYet):
        deliver()
    stand_in.switches.turn({"hold_back": ""})
    deliver()
    for hours in (1, 2, 5, 9):
        stripe_events.handle_due(at=datetime.now(UTC) + timedelta(hours=hours))
    assert not StripeEvent.objects.filter(status="received").exists()
    charge = Charge.objects.get()
    assert (charge.status, charge.remainder().amount.minor) == ("paid", 0)
    assert not is_member(again(membership), at)
    assert books.check(ask_stripe=True) == []


def test_the_calendar_of_stripe_alone_moves_nothing(member: Membership, at: datetime) -> None:
    first = until(member)
    assert subscriptions.recount(subscription=Subscription.objects.get(), charge=None, at=at) == set()
    assert until(member) == first
