"""A person's standing, in numbers: may they still be where they once came in.

It changes when an account is closed or deactivated, when its password, address or second factor changes and
when its sessions are ended. `User.standing` counts these changes; the database itself raises it for whatever
changes on the row (`a_new_standing_for_what_changed`). Whoever let a person in keeps the number of that
moment: another number now means that the person has to come in anew.

Whoever can act at once registers with `@told`, and is called after each commit. That call is a nudge: it may
be lost, and a sweep that compares numbers finds the same people.
"""

from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from allauth.mfa.signals import authenticator_removed, authenticator_reset
from allauth.usersessions.models import UserSession
from django.contrib.auth.signals import user_logged_out
from django.db.models import F
from django.db.models.signals import post_delete, post_save, pre_save
from django.utils.timezone import now

from accounts.afterwards import once_committed
from accounts.models import User

# What the trigger looks at, too: migration 0004.
WATCHED = ("email", "password", "is_active", "closed_at")
CHANGES = "_standing_changes"  # what a row notes between the two signals of its saving


class Told(Protocol):
    def __call__(self, *, person: UUID, at: datetime) -> object: ...


_told: list[Told] = []


def told(function: Told) -> Told:
    """Register a function that is called after the commit in which a person's standing changed.

    It is called also when one session ended by signing out, which leaves `User.standing` as it is. It has to
    be quick and may fail: what it raises is logged.
    """
    _told.append(function)
    return function


def changed(*, person: UUID, at: datetime) -> None:
    """Say that this person has to come in anew everywhere, for a reason that is not on their row."""
    User.objects.filter(pk=person).update(standing=F("standing") + 1)
    nudge(person=person, at=at)


def nudge(*, person: UUID, at: datetime) -> None:
    """Call all who registered, after the commit."""
    for function in _told:
        once_committed(function, person=person, at=at)


def of(person: UUID) -> int | None:
    """Return the number to compare with; nothing for who may not come in at all."""
    return User.objects.filter(pk=person, is_active=True).values_list("standing", flat=True).first()


def _look_before_saving(sender: type[User], instance: User, **signal: Any) -> None:  # noqa: ARG001 -- Django's signature
    fields = signal["update_fields"]
    watched = [name for name in WATCHED if fields is None or name in fields]
    before = User.objects.filter(pk=instance.pk).values(*watched).first() if watched else None
    vars(instance)[CHANGES] = before is not None and any(
        before[name] != getattr(instance, name) for name in watched
    )


def _tell_after_saving(sender: type[User], instance: User, **_signal: Any) -> None:  # noqa: ARG001 -- the same
    if vars(instance).pop(CHANGES, False):
        nudge(person=instance.pk, at=now())


def _session_ended(sender: type[UserSession], instance: UserSession, **_signal: Any) -> None:  # noqa: ARG001 -- the same
    nudge(person=instance.user_id, at=now())


def _signed_out(sender: Any, user: User | None, **_signal: Any) -> None:  # noqa: ARG001 -- the same
    if user is not None:
        nudge(person=user.pk, at=now())


def _factor_changed(sender: Any, user: User, **_signal: Any) -> None:  # noqa: ARG001 -- the same
    changed(person=user.pk, at=now())


def watch() -> None:
    """Begin to watch what changes: called once, when the apps are ready."""
    pre_save.connect(_look_before_saving, sender=User)
    post_save.connect(_tell_after_saving, sender=User)
    post_delete.connect(_session_ended, sender=UserSession)
    user_logged_out.connect(_signed_out)
    for signal in (authenticator_removed, authenticator_reset):
        signal.connect(_factor_changed)
