"""What we hold about a person: given to them on demand, and forgotten when they close their account.

Every app may add to it in a module of its own named personal_data.py, found as Django finds admin.py:

- `@exports("tickets")` a function that returns that app's part of the export,
- `@objects_to_closing` a function that returns why the account cannot be closed yet, in plain words,
- `@says_goodbye` a function that ends what runs for the person. It may ask others (Stripe), so it runs before
  the transaction that anonymises; it may raise NotNow.
- `@forgets` a function that takes the person out of the rows that stay, in that transaction. It is told what
  the person was called (Traces), since the row says it no more afterwards.

The row of the person stays, since orders and the books point at it, but nothing on it tells who it was.
"""

import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db import connection, transaction
from django.db.models import F, Func, Q, TextField, Value
from django.db.models.functions import Cast

from accounts import audit
from accounts.models import AddressChange, AuditEntry, KeptHandle, Letter, User
from accounts.signup import CLOSED_PREFIX

LONGEST_LIST = 10_000
FORGOTTEN = "…"  # what stands where somebody wrote about a person who has left


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


@dataclass(frozen=True, slots=True)
class Traces:
    """What tells who somebody was: their addresses, their handle and their name."""

    addresses: frozenset[str]
    handle: str
    name: str

    @property
    def pattern(self) -> str:
        """A pattern of PostgreSQL's that finds one of them as a word of its own."""
        words = [*self.addresses, self.handle, *([self.name] if self.name else [])]
        return rf"(^|\W)({'|'.join(map(re.escape, words))})(?=\W|$)"

    def in_text(self, column: str) -> Q:
        """Return the condition that a column holds one of them."""
        return Q(**{f"{column}__iregex": self.pattern})

    def left_out(self, column: str) -> Func:
        """Return what a column holds without them."""
        words = [Value(self.pattern), Value(rf"\1{FORGOTTEN}"), Value("gi")]
        return Func(F(column), *words, function="regexp_replace")


class Oblivion(Protocol):
    def __call__(self, *, user: User, traces: Traces) -> None: ...


_exports: dict[str, Export] = {}
_objections: list[Objection] = []
_farewells: list[Farewell] = []
_oblivions: list[Oblivion] = []


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


def forgets(function: Oblivion) -> Oblivion:
    _oblivions.append(function)
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
        user = locked(user)
        reasons = objections(user=user)  # again: a payment may have come in while we said goodbye
        if reasons:
            raise StillNeeded(reasons)
        _forget(user, at=at)
        audit.record(actor=user, verb="account-closed", subject=user, at=at)


def locked(user: User) -> User:
    """Return the person, locked. Whoever gives somebody what only an open account can use asks this first."""
    return User.objects.select_for_update(of=("self",), no_key=True).get(pk=user.pk)


def _forget(user: User, *, at: datetime) -> None:
    traces = _traces_of(user)
    for oblivion in _oblivions:
        oblivion(user=user, traces=traces)
    _forget_letters(traces)
    _forget_what_staff_did(user, traces)
    KeptHandle.objects.filter(handle=user.handle.lower()).delete()
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


def _traces_of(user: User) -> Traces:
    known = EmailAddress.objects.filter(user=user).values_list("email", flat=True)
    changes = AddressChange.objects.filter(person=user).values_list("old", "new")
    addresses = {user.email, *known, *(address for change in changes for address in change)}
    return Traces(frozenset(address.lower() for address in addresses), user.handle, user.name)


def _forget_letters(traces: Traces) -> None:
    """Blank their letters, and those to others which speak of them, once they have left."""
    to_them = Q()
    for address in traces.addresses:
        to_them |= Q(to__iexact=address)
    over = Q(status__in=[Letter.Status.SENT, Letter.Status.FAILED])
    about_them = over & (traces.in_text("text") | traces.in_text("subject"))
    Letter.objects.filter(to_them | about_them).update(to="", subject="", text="", html="", last_error="")
    Letter.objects.filter(to="", status=Letter.Status.WAITING).update(status=Letter.Status.FAILED)


def _forget_what_staff_did(user: User, traces: Traces) -> None:
    """Blank the person in the admin's own log, and in the words of the audit; what was done stays."""
    kind = ContentType.objects.get_for_model(User)
    LogEntry.objects.filter(content_type=kind, object_id=str(user.pk)).update(object_repr="")
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL stagedoor.forgets = 'on'")  # migration 0009: reasons may be blanked then
    told = traces.in_text("reason") | traces.in_text("details_as_text")
    entries = AuditEntry.objects.annotate(details_as_text=Cast("details", TextField()))
    entries.filter(told).update(reason="", details={})
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL stagedoor.forgets = ''")


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
    rows = letters.values("key", "subject", "text", "status", "written_at", "sent_at")[:LONGEST_LIST]
    # What opens an account is in no file: the words of letters about it stay in the mailbox.
    about_the_account = ("account/", "mfa/", "address-")
    return [{**row, "text": "" if row["key"].startswith(about_the_account) else row["text"]} for row in rows]


@exports("address_changes")
def _address_changes(*, user: User) -> list[dict[str, Any]]:
    changes = AddressChange.objects.filter(person=user).values("old", "new", "changed_at", "undone_at")
    return [dict(row) for row in changes]


@exports("done")
def _done(*, user: User) -> list[dict[str, Any]]:
    entries = AuditEntry.objects.filter(actor=user).order_by("id")
    rows = entries.values("at", "verb", "subject_kind", "subject_id", "reason")[:LONGEST_LIST]
    return [dict(row) for row in rows]
