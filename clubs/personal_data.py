"""What clubs hold about a person, and what must be settled before they go."""

from datetime import datetime
from typing import Any

from allauth.account.models import EmailAddress
from allauth.account.signals import email_changed
from django.db import transaction
from django.dispatch import receiver
from django.utils.translation import gettext as _

from accounts.models import User
from accounts.personal_data import NotNow, Traces, exports, forgets, objects_to_closing, says_goodbye
from clubs import memberships, officers
from clubs.models import Invitation, Membership, Officer
from payments import checkouts, subscriptions
from payments.models import Payee
from payments.stripe_gateway import StripeRefused, StripeUnavailable
from payments.stripe_records import Paid


@exports("clubs")
def _clubs(*, user: User) -> list[dict[str, Any]]:
    offices = Officer.objects.filter(user=user).select_related("club").order_by("since")
    return [{"club": office.club.name, "task": office.role, "since": office.since} for office in offices]


@exports("memberships")
def _memberships(*, user: User) -> list[dict[str, Any]]:
    found = Membership.objects.filter(member=user).select_related("club", "plan").order_by("created_at")
    return [
        {
            "club": membership.club.name,
            "plan": membership.plan.name,
            "price": str(membership.plan.price),
            "status": membership.status,
            "since": membership.created_at,
            "paid_until": membership.paid_until,
        }
        for membership in found
    ]


@exports("invitations")
def _invitations(*, user: User) -> dict[str, Any]:
    fields = ("club__name", "role", "created_at")
    return {
        "made": [dict(row) for row in Invitation.objects.filter(invited_by=user).values(*fields)],
        "accepted": [dict(row) for row in Invitation.objects.filter(accepted_by=user).values(*fields)],
    }


@objects_to_closing
def _clubs_without_another_owner(*, user: User) -> list[str]:
    words = _("%s has no other owner. Make somebody else an owner first.")
    return [words % club.name for club in officers.owned_alone(user=user)]


@says_goodbye
def _end_what_runs(*, user: User, at: datetime) -> None:
    running = Membership.objects.running().filter(member=user, ends_at_period_end=False)
    for membership in running.filter(status=Membership.Status.ACTIVE).select_related("subscription"):
        try:
            memberships.cancel(membership=membership, by=user, at=at)
        except (StripeUnavailable, StripeRefused) as error:
            raise NotNow from error
    for membership in running.filter(status=Membership.Status.ASKED).select_related("subscription"):
        _give_up(membership, at=at)
    for office in Officer.objects.filter(user=user).select_related("club"):
        officers.leave(club=office.club, user=user, at=at)


def _give_up(membership: Membership, *, at: datetime) -> None:
    """Shut the page on which it could still be paid, and end it. Asks Stripe."""
    subscription = membership.subscription
    if subscription is None:
        return
    try:
        page = checkouts.shut(subscription)
    except (StripeUnavailable, StripeRefused) as error:
        raise NotNow from error
    if page.state is Paid.PAID:  # somebody was quicker: once that is known, it ends with its month
        raise NotNow
    with transaction.atomic():
        subscriptions.give_up(subscription=subscription, at=at)
        memberships.end(subscription=subscription, at=at)


@receiver(email_changed)
def _follow_address(
    sender: Any,  # noqa: ARG001 -- Django's signature
    user: User,
    from_email_address: EmailAddress | None,
    to_email_address: EmailAddress,
    **_signal: Any,
) -> None:
    """Renew the copy of their address that the payees of their clubs hold."""
    if from_email_address is not None:
        copies = Payee.objects.filter(email__iexact=from_email_address.email, club__officers__user=user)
        Payee.objects.filter(pk__in=list(copies.values_list("pk", flat=True))).update(
            email=to_email_address.email
        )


@forgets
def _renew_copies(*, user: User, traces: Traces) -> None:
    """Give the payees of their clubs the address of another owner: theirs is not kept there either."""
    copies = Payee.objects.filter(email__in=[*traces.addresses, user.email])
    for payee in copies:
        owners = Officer.objects.filter(club__payee=payee, role=Officer.Role.OWNER).exclude(user=user)
        other = owners.select_related("user").order_by("since").first()
        Payee.objects.filter(pk=payee.pk).update(email=other.user.email if other else "nobody@closed.invalid")
