"""What we hold about a person: given to them on demand, and forgotten when they close their account.

Every app may add to it in a module of its own named personal_data.py, found as Django finds admin.py:

- `@exports("tickets")` a function that returns that app's part of the export,
- `@objects_to_closing` a function that returns why the account cannot be closed yet, in plain words,
- `@says_goodbye` a function that ends what runs for the person. It may ask others (Stripe), so it runs before
  the transaction that anonymises; it may raise NotNow.

The row of the person stays, since orders and the books point at it, but nothing on it tells who it was.
"""

import secrets
from collections.abc import Callable
from datetime import datetime
from typing import Any, Protocol

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.db import transaction

from accounts import audit
from accounts.models import AddressChange, AuditEntry, Letter, User
from accounts.signup import CLOSED_PREFIX

LONGEST_LIST = 10_000


class StillNeeded(Exception):
    """The account cannot be closed yet; `reasons` say why and what to do, in words for the person."""

    def __init__(self, reasons: list[str]) -> None:
        super().__init__(*reasons)
        self.reasons = reasons


class NotNow(Exception):
    """Somebody we must ask (Stripe) does not answer. The same again in a few minutes is right."""


class Export(Protocol):
    def __call__(self, *, user: User) -> Any: ...


class Objection(Protocol):
    def __call__(self, *, user: User) -> list[str]: ...


class Farewell(Protocol):
    def __call__(self, *, user: User, at: datetime) -> None: ...


_exports: dict[str, Export] = {}
_objections: list[Objection] = []
_farewells: list[Farewell] = []


def exports(name: str) -> Callable[[Export], Export]:
    def register(function: Export) -> Export:
        _exports[name] = function
        return function

    return register


def objects_to_closing(function: Objection) -> Objection:
    _objections.append(function)
    return function


def says_goodbye(function: Farewell) -> Farewell:
    _farewells.append(function)
    return function


def export(*, user: User) -> dict[str, Any]:
    """Return all that we hold about this person, ready for JSON. Secrets of signing in stay here."""
    return {name: function(user=user) for name, function in sorted(_exports.items())}


def objections(*, user: User) -> list[str]:
    """Return why this account cannot be closed yet."""
    return [reason for function in _objections for reason in function(user=user)]


def close(*, user: User, at: datetime) -> None:
    """Close the account and forget who it was. Raise StillNeeded or NotNow; must not run in a transaction."""
    reasons = objections(user=user)
    if reasons:
        raise StillNeeded(reasons)
    for goodbye in _farewells:
        goodbye(user=user, at=at)
    with transaction.atomic():
        _forget(user, at=at)
        audit.record(actor=user, verb="account-closed", subject=user, at=at)


def _forget(user: User, *, at: datetime) -> None:
    addresses = {user.email, *EmailAddress.objects.filter(user=user).values_list("email", flat=True)}
    Letter.objects.filter(to__in=addresses).update(to="", subject="", text="", html="", last_error="")
    Letter.objects.filter(to="", status=Letter.Status.WAITING).update(status=Letter.Status.FAILED)
    EmailAddress.objects.filter(user=user).delete()
    Authenticator.objects.filter(user=user).delete()
    AddressChange.objects.filter(person=user).delete()
    for session in UserSession.objects.filter(user=user):
        session.end()
    user.groups.clear()
    user.user_permissions.clear()
    mark = secrets.token_hex(8)
    user.handle = f"{CLOSED_PREFIX}{mark}"
    user.email = f"{mark}@closed.invalid"
    user.name = user.timezone = ""
    user.is_active = user.is_staff = user.is_finance = user.is_superuser = False
    user.last_login = None
    user.closed_at = at
    user.set_unusable_password()
    user.save()


@exports("account")
def _account(*, user: User) -> dict[str, Any]:
    fields = ("email", "handle", "name", "locale", "timezone", "date_joined", "last_login")
    return {field: getattr(user, field) for field in fields}


@exports("addresses")
def _addresses(*, user: User) -> list[dict[str, Any]]:
    return list(EmailAddress.objects.filter(user=user).order_by("id").values("email", "verified", "primary"))


@exports("second_factors")
def _second_factors(*, user: User) -> list[dict[str, Any]]:
    factors = Authenticator.objects.filter(user=user).order_by("id")
    return list(factors.values("type", "created_at", "last_used_at"))


@exports("sessions")
def _sessions(*, user: User) -> list[dict[str, Any]]:
    sessions = UserSession.objects.filter(user=user).order_by("id")
    return list(sessions.values("ip", "user_agent", "created_at", "last_seen_at"))


@exports("letters")
def _letters(*, user: User) -> list[dict[str, Any]]:
    letters = Letter.objects.filter(to__iexact=user.email).order_by("written_at")
    rows = letters.values("subject", "status", "written_at", "sent_at")[:LONGEST_LIST]
    return [dict(row) for row in rows]


@exports("done")
def _done(*, user: User) -> list[dict[str, Any]]:
    entries = AuditEntry.objects.filter(actor=user).order_by("id")
    rows = entries.values("at", "verb", "subject_kind", "subject_id", "reason")[:LONGEST_LIST]
    return [dict(row) for row in rows]
