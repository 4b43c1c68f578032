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
from accounts.models import AuditEntry, User
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
MANAGING = [role for role, powers in POWERS.items() if Power.MANAGE in powers]
HOSTING = [role for role, powers in POWERS.items() if Power.HOST in powers]
MODERATING = [role for role, powers in POWERS.items() if Power.MODERATE in powers]


class NotAllowed(Exception):
    """Only somebody who may manage the club does this."""


class InvitationGone(Exception):
    """The link was used, withdrawn or is too old, or there never was such a link."""


class AlreadyOfficer(Exception):
    """Whoever opened the link has a task in this club already. The link stays good for somebody else."""


class TooManyInvitations(Exception):
    """So many links are open that some must be withdrawn first."""


class OfficerGone(Exception):
    """Somebody took this person's task away in this very moment."""


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


def lock(club: Club) -> Club:
    """Return the club, locked. Whoever changes what belongs to it begins here.

    Whoever asks for a right asks after this: before it, somebody may be about to lose it.
    """
    return Club.objects.select_for_update(of=("self",), no_key=True).get(pk=club.pk)


def managed(club: Club, *, by: User) -> Club:
    """Return the club, locked, for somebody who may manage it. Raise NotAllowed."""
    locked = lock(club)
    if not may_manage(by, locked):
        raise NotAllowed
    return locked


def invite(*, club: Club, role: Officer.Role, by: User, at: datetime) -> tuple[Invitation, str]:
    """Return an invitation and its token, which is told only now: the row keeps no more than a hash.

    Raise NotAllowed or TooManyInvitations.
    """
    token = secrets.token_urlsafe(24)
    with transaction.atomic():
        club = managed(club, by=by)
        if open_invitations(club=club, at=at).count() >= MOST_INVITATIONS:
            raise TooManyInvitations
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
    """Make this person an officer. Raise InvitationGone or AlreadyOfficer. A link serves one person.

    Whoever was removed comes back only by an invitation that was made afterwards.
    """
    found = look_up(token=token, at=at)
    with transaction.atomic():
        lock(found.club)
        invitation = look_up(token=token, at=at)  # again: who invited may have been removed meanwhile
        if _was_removed(user, invitation.club, since=invitation.created_at):
            raise InvitationGone
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
    with transaction.atomic():
        managed(invitation.club, by=by)
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
        # Two owners who leave at the same moment would each see the other stay.
        officer = Officer.objects.filter(club=lock(club), user=user).first()
        if officer is not None:
            _dismiss(officer, by=user, verb="officer-left", at=at)


def remove(*, officer: Officer, by: User, at: datetime) -> None:
    """Take somebody's task away. Raise NotAllowed or LastOwner."""
    with transaction.atomic():
        managed(officer.club, by=by)
        current = Officer.objects.filter(pk=officer.pk).first()
        if current is not None:
            _dismiss(current, by=by, verb="officer-removed", at=at)


def change_role(*, officer: Officer, role: Officer.Role, by: User, at: datetime) -> Officer:
    """Give somebody another task. Raise NotAllowed, OfficerGone or LastOwner."""
    with transaction.atomic():
        managed(officer.club, by=by)
        current = Officer.objects.filter(pk=officer.pk).first()
        if current is None:
            raise OfficerGone
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


def _was_removed(user: User, club: Club, *, since: datetime) -> bool:
    removals = AuditEntry.objects.filter(
        subject_kind=Club._meta.label_lower,  # noqa: SLF001 -- Django's public name for a model's own facts
        subject_id=str(club.pk),
        verb="officer-removed",
        at__gte=since,
    )
    return removals.filter(details__user=str(user.pk)).exists()


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


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
