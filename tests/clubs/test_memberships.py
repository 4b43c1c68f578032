"""Belonging to a club: through the real SDK and the stand-in, from the first checkout to the last day."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from accounts.models import Letter, User
from clubs import memberships, officers
from clubs.models import Club, Membership, Plan
from clubs.models.membership import RENEWAL_GRACE
from payments import ledger
from payments.models import Charge, LedgerAccount, Subscription
from payments.money import Money
from payments.sandbox.serve import StandIn
from tests.factories import MembershipFactory, PlanFactory

pytestmark = pytest.mark.django_db
Deliver = Callable[[], int]


@pytest.fixture
def plan(club: Club) -> Plan:
    return PlanFactory.create(club=club, name="Friends", price_minor=500)


def joined(plan: Plan, user: User, at: datetime) -> Membership:
    membership = memberships.join(plan=plan, member=user, at=at)
    memberships.start_checkout(
        membership=membership, success_url="http://testserver/in", cancel_url="http://testserver/out", at=at
    )
    return membership


def paid(plan: Plan, user: User, at: datetime, stand_in: StandIn, deliver: Deliver) -> Membership:
    membership = joined(plan, user, at)
    assert membership.subscription is not None
    assert membership.subscription.checkout_id is not None
    stand_in.pay(membership.subscription.checkout_id)
    deliver()
    membership.refresh_from_db()
    return membership


def seconds_until(moment: datetime) -> int:
    return int((moment - datetime.now(UTC)).total_seconds())


def test_nobody_is_a_member_before_they_paid(plan: Plan, ben: User, at: datetime) -> None:
    membership = memberships.join(plan=plan, member=ben, at=at)
    assert membership.status == Membership.Status.ASKED
    assert not memberships.is_member(ben, plan.club, at)


@pytest.mark.django_db(transaction=True)
def test_whoever_pays_is_a_member_is_told_once_and_the_books_have_it(
    plan: Plan, ben: User, at: datetime, stand_in: StandIn, deliver: Deliver
) -> None:
    stand_in.switches.duplicate = 3
    membership = paid(plan, ben, at, stand_in, deliver)
    assert membership.status == Membership.Status.ACTIVE
    assert membership.paid_until is not None
    assert timedelta(days=27) < membership.paid_until - at < timedelta(days=32)
    assert memberships.is_member(ben, plan.club, at)
    assert list(Letter.objects.values_list("to", "subject")) == [
        (ben.email, "You are a member of Night Voices")
    ]
    assert Charge.objects.get().status == Charge.Status.PAID
    pending = ledger.account(kind=LedgerAccount.Kind.PENDING, currency="EUR", payee=plan.club.payee)
    assert ledger.balance(pending) == Money(460, "EUR")


@pytest.mark.django_db(transaction=True)
def test_a_second_month_is_paid_for_and_kept_in_the_books(
    plan: Plan, ben: User, at: datetime, stand_in: StandIn, deliver: Deliver
) -> None:
    membership = paid(plan, ben, at, stand_in, deliver)
    first_end = membership.paid_until
    assert first_end is not None
    stand_in.advance(seconds_until(first_end) + 7_200)
    deliver()
    membership.refresh_from_db()
    assert membership.paid_until is not None
    assert membership.paid_until > first_end
    assert Charge.objects.filter(status=Charge.Status.PAID).count() == 2
    assert Letter.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_cancelled_membership_holds_to_the_end_of_the_month_and_then_ends(
    plan: Plan, ben: User, at: datetime, stand_in: StandIn, deliver: Deliver
) -> None:
    membership = paid(plan, ben, at, stand_in, deliver)
    memberships.cancel(membership=membership, by=ben, at=at)
    deliver()
    membership.refresh_from_db()
    assert (membership.status, membership.ends_at_period_end) == (Membership.Status.ACTIVE, True)
    end = membership.paid_until
    assert end is not None
    assert memberships.is_member(ben, plan.club, end - timedelta(seconds=1))
    assert not memberships.is_member(ben, plan.club, end + timedelta(seconds=1))
    stand_in.advance(seconds_until(end) + 60)
    deliver()
    membership.refresh_from_db()
    assert membership.status == Membership.Status.ENDED
    assert Letter.objects.filter(subject="Your membership of Night Voices has ended").count() == 1
    assert Charge.objects.filter(status=Charge.Status.PAID).count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_cancellation_is_taken_back(
    plan: Plan, ben: User, at: datetime, stand_in: StandIn, deliver: Deliver
) -> None:
    membership = paid(plan, ben, at, stand_in, deliver)
    memberships.cancel(membership=membership, by=ben, at=at)
    memberships.resume(membership=membership, by=ben, at=at + timedelta(seconds=1))
    deliver()
    membership.refresh_from_db()
    assert not membership.ends_at_period_end


@pytest.mark.django_db(transaction=True)
def test_events_in_any_order_leave_the_same_membership(
    plan: Plan, ben: User, at: datetime, stand_in: StandIn, deliver: Deliver
) -> None:
    stand_in.switches.reorder = True
    stand_in.switches.duplicate = 2
    membership = paid(plan, ben, at, stand_in, deliver)
    assert (membership.status, Letter.objects.count()) == (Membership.Status.ACTIVE, 1)


def test_whoever_left_the_checkout_comes_back_to_the_same_one(plan: Plan, ben: User, at: datetime) -> None:
    first = memberships.join(plan=plan, member=ben, at=at)
    assert memberships.join(plan=plan, member=ben, at=at) == first
    assert Subscription.objects.count() == 1


def test_a_member_does_not_join_twice(plan: Plan, ben: User, at: datetime) -> None:
    MembershipFactory.create(plan=plan, member=ben)
    with pytest.raises(memberships.AlreadyMember):
        memberships.join(plan=plan, member=ben, at=at)


def test_a_closed_plan_takes_nobody(plan: Plan, ada: User, ben: User, at: datetime) -> None:
    memberships.close_plan(plan=plan, by=ada, at=at)
    with pytest.raises(memberships.PlanClosed):
        memberships.join(plan=plan, member=ben, at=at)
    with pytest.raises(memberships.PlanClosed):
        memberships.close_plan(plan=plan, by=ada, at=at)


def test_a_new_plan_takes_the_place_of_the_old_and_members_keep_theirs(
    plan: Plan, ada: User, ben: User, at: datetime
) -> None:
    membership = MembershipFactory.create(plan=plan, member=ben)
    memberships.open_plan(club=plan.club, name="Dearer", promise="", price=Money(900, "EUR"), by=ada, at=at)
    assert list(Plan.objects.filter(is_open=True).values_list("name", flat=True)) == ["Dearer"]
    assert memberships.current(ben, plan.club) == membership


def test_only_owners_offer_plans(plan: Plan, ben: User, at: datetime) -> None:
    with pytest.raises(officers.NotAllowed):
        memberships.open_plan(club=plan.club, name="Mine", promise="", price=Money(900, "EUR"), by=ben, at=at)
    with pytest.raises(officers.NotAllowed):
        memberships.close_plan(plan=plan, by=ben, at=at)


def test_an_invoice_that_is_a_little_late_shuts_nobody_out(plan: Plan, ben: User, at: datetime) -> None:
    MembershipFactory.create(plan=plan, member=ben, paid_until=at)
    assert memberships.is_member(ben, plan.club, at + RENEWAL_GRACE - timedelta(seconds=1))
    assert not memberships.is_member(ben, plan.club, at + RENEWAL_GRACE)


def test_what_never_ran_is_not_cancelled(plan: Plan, ben: User, at: datetime) -> None:
    membership = memberships.join(plan=plan, member=ben, at=at)
    for change in (memberships.cancel, memberships.resume):
        with pytest.raises(memberships.NotRunning):
            change(membership=membership, by=ben, at=at)


def test_an_end_that_overtakes_the_payment_makes_no_member(plan: Plan, ben: User, at: datetime) -> None:
    membership = memberships.join(plan=plan, member=ben, at=at)
    subscription = membership.subscription
    assert subscription is not None
    Subscription.objects.filter(pk=subscription.pk).update(status=Subscription.Status.ENDED, ended_at=at)
    subscription.refresh_from_db()
    memberships.renew(subscription=subscription, at=at)
    memberships.end(subscription=subscription, at=at)
    membership.refresh_from_db()
    assert (membership.status, Letter.objects.count()) == (Membership.Status.ENDED, 0)
