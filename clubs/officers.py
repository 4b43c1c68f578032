"""The officers of a club, and what each may do. Every other module asks here.

An owner may do everything; a host runs rooms; a moderator keeps order in them; a cashier sees the money.
"""

import hashlib
import secrets
from datetime import datetime, timedelta
from enum import StrEnum

from django.contrib.auth.models import AnonymousUser
from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet

from accounts import audit
from accounts.models import User
from clubs.models import Club, Invitation, Officer

INVITATION_LASTS = timedelta(days=7)
MOST_INVITATIONS = 50  # open at a time, for one club


class Power(StrEnum):
    MANAGE = "manage"
    HOST = "host"
    MODERATE = "moderate"
    SEE_MONEY = "see_money"


EVERYTHING = frozenset(Power)
POWERS: dict[str, frozenset[Power]] = {
    Officer.Role.OWNER: EVERYTHING,
    Officer.Role.HOST: frozenset({Power.HOST, Power.MODERATE}),
    Officer.Role.MODERATOR: frozenset({Power.MODERATE}),
    Officer.Role.CASHIER: frozenset({Power.SEE_MONEY}),
}


class NotAllowed(Exception):
    """Only somebody who may manage the club does this."""


class InvitationGone(Exception):
    """The link was used, withdrawn or is too old, or there never was such a link."""


class AlreadyOfficer(Exception):
    """Whoever opened the link has a task in this club already. The link stays good for somebody else."""


class TooManyInvitations(Exception):
    """So many links are open that some must be withdrawn first."""


class LastOwner(Exception):
    """A club keeps at least one owner: somebody else must become owner first."""


def powers(user: User | AnonymousUser, club: Club) -> frozenset[Power]:
    """Return all that this person may do in this club, with one query. Without a task that is nothing."""
    if not user.is_authenticated or not user.is_active:
        return frozenset()
    role = Officer.objects.filter(club=club, user=user).values_list("role", flat=True).first()
    return POWERS[role] if role else frozenset()


def may_manage(user: User | AnonymousUser, club: Club) -> bool:
    """Change the club, its officers and its plan."""
    return Power.MANAGE in powers(user, club)


def may_host(user: User | AnonymousUser, club: Club) -> bool:
    """Plan events, open doors, go on stage and call others up."""
    return Power.HOST in powers(user, club)


def may_moderate(user: User | AnonymousUser, club: Club) -> bool:
    """Mute, remove and ban in the club's rooms."""
    return Power.MODERATE in powers(user, club)


def may_see_money(user: User | AnonymousUser, club: Club) -> bool:
    """See sales and balances, and ask for payouts."""
    return Power.SEE_MONEY in powers(user, club)


def owned_alone(*, user: User) -> QuerySet[Club]:
    """Return the clubs that would have no owner without this person."""
    others = Officer.objects.filter(club=OuterRef("pk"), role=Officer.Role.OWNER).exclude(user=user)
    return Club.objects.filter(
        ~Exists(others), officers__user=user, officers__role=Officer.Role.OWNER
    ).order_by("name")


def open_invitations(*, club: Club, at: datetime) -> QuerySet[Invitation]:
    return Invitation.objects.filter(
        club=club, accepted_at=None, withdrawn_at=None, expires_at__gt=at
    ).order_by("-created_at")


def invite(*, club: Club, role: Officer.Role, by: User, at: datetime) -> tuple[Invitation, str]:
    """Return an invitation and its token, which is told only now: the row keeps no more than a hash.

    Raise NotAllowed or TooManyInvitations.
    """
    _must_manage(by, club)
    if open_invitations(club=club, at=at).count() >= MOST_INVITATIONS:
        raise TooManyInvitations
    token = secrets.token_urlsafe(24)
    with transaction.atomic():
        invitation = Invitation.objects.create(
            club=club,
            role=role,
            token_hash=_hash(token),
            invited_by=by,
            created_at=at,
            expires_at=at + INVITATION_LASTS,
        )
        audit.record(
            actor=by,
            verb="officer-invited",
            subject=club,
            details={"role": role, "invitation": str(invitation.pk)},
            at=at,
        )
    return invitation, token


def look_up(*, token: str, at: datetime) -> Invitation:
    """Return the invitation behind a link while it can be accepted. Raise InvitationGone."""
    found = (
        Invitation.objects.filter(
            token_hash=_hash(token), accepted_at=None, withdrawn_at=None, expires_at__gt=at
        )
        .select_related("club", "invited_by")
        .first()
    )
    # Whoever lost the right to invite leaves no doors open behind them.
    if found is None or not may_manage(found.invited_by, found.club):
        raise InvitationGone
    return found


def accept(*, token: str, user: User, at: datetime) -> Officer:
    """Make this person an officer. Raise InvitationGone or AlreadyOfficer. A link serves one person."""
    invitation = look_up(token=token, at=at)
    with transaction.atomic():
        used = Invitation.objects.filter(pk=invitation.pk, accepted_at=None, withdrawn_at=None).update(
            accepted_by=user, accepted_at=at
        )
        if not used:
            raise InvitationGone
        officer, is_new = Officer.objects.get_or_create(
            club=invitation.club, user=user, defaults={"role": invitation.role, "since": at}
        )
        if not is_new:
            raise AlreadyOfficer  # and the transaction gives the link back
        audit.record(
            actor=user,
            verb="officer-joined",
            subject=invitation.club,
            details={"role": officer.role, "invitation": str(invitation.pk)},
            at=at,
        )
    return officer


def withdraw(*, invitation: Invitation, by: User, at: datetime) -> None:
    """Make a link worthless. Raise NotAllowed, or InvitationGone if it was used or withdrawn before."""
    _must_manage(by, invitation.club)
    with transaction.atomic():
        withdrawn = Invitation.objects.filter(pk=invitation.pk, accepted_at=None, withdrawn_at=None).update(
            withdrawn_at=at
        )
        if not withdrawn:
            raise InvitationGone
        audit.record(
            actor=by,
            verb="invitation-withdrawn",
            subject=invitation.club,
            details={"invitation": str(invitation.pk)},
            at=at,
        )


def leave(*, club: Club, user: User, at: datetime) -> None:
    """Give one's task in the club back. Raise LastOwner. Whoever has none is left in peace."""
    with transaction.atomic():
        officer = _under_lock(club).filter(user=user).first()
        if officer is not None:
            _dismiss(officer, by=user, verb="officer-left", at=at)


def remove(*, officer: Officer, by: User, at: datetime) -> None:
    """Take somebody's task away. Raise NotAllowed or LastOwner."""
    with transaction.atomic():
        current = _under_lock(officer.club).filter(pk=officer.pk).first()
        _must_manage(by, officer.club)
        if current is not None:
            _dismiss(current, by=by, verb="officer-removed", at=at)


def change_role(*, officer: Officer, role: Officer.Role, by: User, at: datetime) -> Officer:
    """Give somebody another task. Raise NotAllowed or LastOwner."""
    with transaction.atomic():
        current = _under_lock(officer.club).get(pk=officer.pk)
        _must_manage(by, officer.club)
        if role != Officer.Role.OWNER:
            _keep_an_owner(current)
        before, current.role = current.role, role
        current.save(update_fields=["role"])
        audit.record(
            actor=by,
            verb="officer-changed",
            subject=officer.club,
            details={"user": str(officer.user_id), "from": before, "to": role},
            at=at,
        )
    return current


def _under_lock(club: Club) -> QuerySet[Officer]:
    # Two owners who leave at the same moment would each see the other stay. The club's row lets one go first.
    Club.objects.select_for_update().only("pk").get(pk=club.pk)
    return Officer.objects.filter(club=club)


def _dismiss(officer: Officer, *, by: User, verb: str, at: datetime) -> None:
    _keep_an_owner(officer)
    audit.record(
        actor=by,
        verb=verb,
        subject=officer.club,
        details={"user": str(officer.user_id), "role": officer.role},
        at=at,
    )
    officer.delete()


def _keep_an_owner(officer: Officer) -> None:
    if officer.role != Officer.Role.OWNER:
        return
    others = Officer.objects.filter(club=officer.club_id, role=Officer.Role.OWNER).exclude(pk=officer.pk)
    if not others.exists():
        raise LastOwner


def _must_manage(user: User, club: Club) -> None:
    if not may_manage(user, club):
        raise NotAllowed


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
