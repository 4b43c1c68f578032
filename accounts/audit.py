"""Who did what to which, why and when."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Model

from accounts.models import AuditEntry, User


@dataclass(frozen=True, slots=True)
class Entry:
    """One of many entries that are written at once: see record()."""

    actor: User | None
    verb: str
    subject: Model
    reason: str = ""
    details: dict[str, Any] | None = None


def record(
    *,
    actor: User | None,
    verb: str,
    subject: Model,
    reason: str = "",
    details: dict[str, Any] | None = None,
    at: datetime,
) -> AuditEntry:
    """Write down what was done, in the caller's transaction: no deed without its entry, and vice versa.

    No actor means that the house itself did it.
    """
    entry = _row(Entry(actor, verb, subject, reason, details), at)
    entry.save(force_insert=True)
    return entry


def record_many(entries: Iterable[Entry], *, at: datetime) -> None:
    """Write down many deeds in one statement, in the caller's transaction."""
    AuditEntry.objects.bulk_create(_row(entry, at) for entry in entries)


def _row(entry: Entry, at: datetime) -> AuditEntry:
    return AuditEntry(
        at=at,
        actor=entry.actor,
        verb=entry.verb,
        subject_kind=entry.subject._meta.label_lower,  # noqa: SLF001 -- Django's public name for a model's own facts
        subject_id=str(entry.subject.pk),
        reason=entry.reason,
        details=entry.details or {},
    )
