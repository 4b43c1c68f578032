"""A changed e-mail address: the old one is told, and can undo it for a week.

Whoever took an account over changes its address first. The letter to the old one holds a signed link that
works without signing in, once; it brings the address back and shuts out whoever is in.
"""

from datetime import datetime, timedelta
from typing import Any

from allauth.account.adapter import get_adapter
from allauth.account.models import EmailAddress
from allauth.account.signals import email_changed
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.core import signing
from django.db import IntegrityError, transaction
from django.http import HttpRequest
from django.urls import reverse
from django.utils.timezone import now

from accounts import audit, letters, links, standing
from accounts.models import AddressChange, User

CHANGED = "account/email/email_changed"
RESTORED = "account/email/email_restored"
UNDONE_WITHIN = timedelta(days=7)
ADDED_BEFORE = timedelta(days=7)  # a thief sets up a factor of theirs first, and changes the address then
SALT = "undo a changed address"


class NothingToUndo(Exception):
    """The link is none of ours, was used, or is older than a week."""


class AddressTaken(Exception):
    """Somebody else has confirmed this address since."""


def remember(*, person: User, old: str, new: str, ip: str, at: datetime) -> AddressChange:
    """Keep that the address changed, and tell the old one, once."""
    change = AddressChange.objects.create(person=person, old=old, new=new, changed_at=at)
    undo = links.absolute(reverse("accounts:undo_address", args=[signing.dumps(str(change.pk), salt=SALT)]))
    context = {"from_email": old, "to_email": new, "timestamp": at, "ip": ip, "undo_url": undo}
    letters.write(CHANGED, key=f"address-changed-{change.pk}", to=old, context=context, at=at)
    return change


def find(*, token: str, at: datetime) -> AddressChange:
    """Return the change that this link may still undo. Raise NothingToUndo."""
    try:
        pk = signing.loads(token, salt=SALT)
    except signing.BadSignature as error:
        raise NothingToUndo from error
    recent = AddressChange.objects.filter(
        pk=pk, undone_at=None, changed_at__gt=at - UNDONE_WITHIN, person__closed_at=None
    )
    change = recent.select_related("person").first()
    if change is None:
        raise NothingToUndo
    return change


@transaction.atomic
def undo(*, token: str, at: datetime) -> AddressChange:
    """Bring the old address back, and shut out whoever is in. Raise NothingToUndo or AddressTaken.

    Sessions, password, recovery codes and the second factors of since then and of the week before are gone,
    also passkeys that sign in alone: whoever reads the old mailbox comes in by a code, and chooses anew.
    Factors older than that stay, and are asked for. Later changes are undone with it.
    """
    change = find(token=token, at=at)
    later = AddressChange.objects.filter(person=change.person_id, changed_at__gte=change.changed_at)
    if not later.filter(pk=change.pk, undone_at=None).update(undone_at=at):
        raise NothingToUndo
    later.filter(undone_at=None).update(undone_at=at)
    person = User.objects.select_for_update(of=("self",), no_key=True).get(pk=change.person_id)
    _make_room(change.old, person)
    _shut_out(person, since=change.changed_at - ADDED_BEFORE)
    person.email = change.old
    person.set_unusable_password()
    try:
        person.save()
    except IntegrityError as error:
        raise AddressTaken from error
    EmailAddress.objects.filter(user=person).delete()
    EmailAddress.objects.create(user=person, email=change.old, verified=True, primary=True)
    email_changed.send(
        sender=EmailAddress,
        request=None,
        user=person,
        from_email_address=EmailAddress(user=person, email=change.new),
        to_email_address=EmailAddress(user=person, email=change.old),
    )
    standing.changed(person=person.pk, at=at)
    audit.record(actor=person, verb="address-restored", subject=person, at=at)
    letters.write(RESTORED, key=f"address-restored-{change.pk}", to=change.old, context={}, at=at)
    return change


def forget(*, at: datetime) -> int:
    """Delete what nobody can undo any more. Return how many."""
    return AddressChange.objects.filter(changed_at__lte=at - UNDONE_WITHIN).delete()[0]


def _make_room(address: str, person: User) -> None:
    """Delete sign-ups with this address that nobody confirmed: they would keep its owner out."""
    others = User.objects.filter(email__iexact=address, last_login=None).exclude(pk=person.pk)
    others.exclude(emailaddress__verified=True).delete()


def _shut_out(person: User, *, since: datetime) -> None:
    for session in UserSession.objects.filter(user=person):
        session.end()
    factors = Authenticator.objects.filter(user=person)
    factors.filter(created_at__gte=since).delete()
    factors.filter(type=Authenticator.Type.RECOVERY_CODES).delete()


def _told_of_change(
    sender: Any,  # noqa: ARG001 -- Django's signature
    request: HttpRequest | None,
    user: User,
    from_email_address: EmailAddress | None,
    to_email_address: EmailAddress,
    **_signal: Any,
) -> None:
    # An address that was never confirmed is perhaps a stranger's: it is told nothing, and can undo nothing.
    if request is not None and from_email_address is not None and from_email_address.verified:
        remember(
            person=user,
            old=from_email_address.email,
            new=to_email_address.email,
            ip=get_adapter().get_client_ip(request),
            at=now(),
        )


def watch() -> None:
    """Begin to watch for changes: called once, when the apps are ready."""
    email_changed.connect(_told_of_change)
