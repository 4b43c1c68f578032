"""What clubs hold about a person, and what must be settled before they go."""

from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _

from accounts.models import User
from accounts.personal_data import NotNow, exports, objects_to_closing, says_goodbye
from clubs import memberships, officers
from clubs.models import Membership, Officer
from payments.stripe_gateway import StripeRefused, StripeUnavailable


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
    for office in Officer.objects.filter(user=user).select_related("club"):
        officers.leave(club=office.club, user=user, at=at)
