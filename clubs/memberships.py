"""Belonging to a club: one monthly plan, a member while it is paid.

Stripe keeps the subscription, `payments.subscriptions` speaks with it and keeps the books; a membership only
follows. `clubs.stripe_events` calls renew(), follow() and end().
"""

from datetime import datetime

from django.contrib.auth.models import AnonymousUser
from django.db import transaction

from accounts import audit, links, mail
from accounts.models import User
from clubs import officers
from clubs.models import Club, Membership, Plan
from payments import subscriptions
from payments.models import Subscription
from payments.money import Money
from payments.states import WrongState, move

KIND = "membership"  # what Stripe's events are told by


class PlanClosed(Exception):
    """Nobody can take this plan any more; the club may have another one."""


class AlreadyMember(Exception):
    """This person belongs to the club already."""


class NotRunning(Exception):
    """The membership was never paid for, or is over."""


def open_plan(*, club: Club, name: str, promise: str, price: Money, by: User, at: datetime) -> Plan:
    """Return the new plan of the club. Members keep the plan they have. Raise NotAllowed."""
    assert price.currency == club.currency, "a plan is priced in the club's money"  # noqa: S101 -- only a bug could break it
    with transaction.atomic():
        club = officers.managed(club, by=by)  # locked: one open plan per club, whoever is quicker
        Plan.objects.filter(club=club, is_open=True).update(is_open=False)
        plan = Plan.objects.create(
            club=club,
            name=name,
            promise=promise,
            price_minor=price.minor,
            currency=price.currency,
            created_at=at,
        )
        audit.record(actor=by, verb="plan-opened", subject=plan, details={"price": str(price)}, at=at)
    return plan


def close_plan(*, plan: Plan, by: User, at: datetime) -> None:
    """Take no new members on this plan; those who have it stay. Raise NotAllowed, or PlanClosed if it was."""
    with transaction.atomic():
        officers.managed(plan.club, by=by)
        if not Plan.objects.filter(pk=plan.pk, is_open=True).update(is_open=False):
            raise PlanClosed
        audit.record(actor=by, verb="plan-closed", subject=plan, at=at)


def join(*, plan: Plan, member: User, at: datetime) -> Membership:
    """Return the membership that now waits for its first payment. Raise PlanClosed or AlreadyMember.

    Whoever left the checkout half-way comes back to the same membership, at the price they saw.
    """
    with transaction.atomic():
        # The club's row makes a second click wait, and a plan that closes wait for those who are inside.
        officers.lock(plan.club)
        plan = Plan.objects.select_related("club__payee").get(pk=plan.pk)
        current = Membership.objects.running().filter(club=plan.club, member=member).first()
        if current is not None and current.status == Membership.Status.ACTIVE:
            raise AlreadyMember
        if current is not None:
            return current
        if not plan.is_open:
            raise PlanClosed
        membership = Membership(club=plan.club, plan=plan, member=member, created_at=at)
        membership.subscription = subscriptions.ask(
            payee=plan.club.payee,
            buyer=member,
            reference=f"{KIND}-{membership.pk}",
            description=f"{plan.club.name}: {plan.name}",
            amount=plan.price,
            at=at,
        )
        membership.save(force_insert=True)
    return membership


def start_checkout(*, membership: Membership, success_url: str, cancel_url: str, at: datetime) -> str:
    """Return where to pay. Must not run in a transaction.

    Raise StripeUnavailable, StripeRefused, NotRunning.
    """
    if membership.status != Membership.Status.ASKED:
        raise NotRunning
    return subscriptions.start_checkout(
        subscription=_subscription(membership),
        success_url=success_url,
        cancel_url=cancel_url,
        kind=KIND,
        at=at,
    )


def is_member(user: User | AnonymousUser, club: Club, at: datetime) -> bool:
    """Return whether this person belongs to the club at this moment."""
    if not user.is_authenticated:
        return False
    return Membership.objects.holding(at).filter(club=club, member=user).exists()


def current(user: User | AnonymousUser, club: Club) -> Membership | None:
    """Return the membership that runs or waits for payment, if there is one."""
    if not user.is_authenticated:
        return None
    running = Membership.objects.running().filter(club=club, member=user)
    return running.select_related("plan", "subscription", "club").first()


def cancel(*, membership: Membership, by: User, at: datetime) -> None:
    """Let it end with the paid month. Must not run in a transaction.

    Raise StripeUnavailable, StripeRefused, NotRunning. What has ended at Stripe already is no refusal.
    """
    _must_run(membership)
    subscriptions.cancel_at_period_end(subscription=_subscription(membership), by=by, at=at)
    _set_ending(membership, ends=True, by=by, verb="membership-cancelled", at=at)


def has_ended(membership: Membership) -> bool:
    """Say whether it is over by what Stripe said last, also if nobody has been told yet."""
    return _subscription(membership).status == Subscription.Status.ENDED


def resume(*, membership: Membership, by: User, at: datetime) -> None:
    """Take a cancellation back while the month still runs. As for cancel()."""
    _must_run(membership)
    subscriptions.resume(subscription=_subscription(membership), by=by, at=at)
    _set_ending(membership, ends=False, by=by, verb="membership-resumed", at=at)


def renew(*, subscription: Subscription, at: datetime) -> None:
    """Follow a payment: the first makes a member and writes the welcome, each adds a month."""
    if subscription.status == Subscription.Status.ENDED:  # the end overtook the payment
        end(subscription=subscription, at=at)
        return
    membership = _of(subscription)
    try:
        move(membership, Membership.Status.ACTIVE, paid_until=subscription.paid_until)
    except WrongState:  # not the first payment, or the end was told before it
        follow(subscription=subscription)
        return
    _write(membership, "welcome", at=at)


def follow(*, subscription: Subscription) -> None:
    """Take over until when it is paid and whether it goes on, as the subscription has it now."""
    Membership.objects.filter(subscription=subscription, status=Membership.Status.ACTIVE).update(
        paid_until=subscription.paid_until, ends_at_period_end=subscription.ends_at_period_end
    )


def end(*, subscription: Subscription, at: datetime) -> None:
    """End the membership. Somebody who was a member is told; somebody who never paid is not."""
    membership = _of(subscription)
    was_member = membership.status == Membership.Status.ACTIVE
    try:
        move(membership, Membership.Status.ENDED, ended_at=at)
    except WrongState:  # told twice
        return
    if was_member:
        _write(membership, "goodbye", at=at)


def _of(subscription: Subscription) -> Membership:
    rows = Membership.objects.select_related("club", "member", "plan")
    return rows.get(subscription=subscription)


def _subscription(membership: Membership) -> Subscription:
    assert membership.subscription is not None, "join() gives every membership its subscription"  # noqa: S101 -- only a bug could break it
    return membership.subscription


def _must_run(membership: Membership) -> None:
    if membership.status != Membership.Status.ACTIVE:
        raise NotRunning


def _set_ending(membership: Membership, *, ends: bool, by: User, verb: str, at: datetime) -> None:
    with transaction.atomic():
        Membership.objects.filter(pk=membership.pk).update(ends_at_period_end=ends)
        audit.record(actor=by, verb=verb, subject=membership, at=at)
    membership.ends_at_period_end = ends


def _write(membership: Membership, letter: str, *, at: datetime) -> None:
    if not membership.member.is_active:
        return
    mail.write(
        key=f"membership-{letter}-{membership.pk}",
        to=membership.member.email,
        template=f"clubs/mail/{letter}",
        context={
            "membership": membership,
            "club": membership.club,
            "plan": membership.plan,
            "url": links.absolute(membership.club.get_absolute_url()),
        },
        at=at,
    )
