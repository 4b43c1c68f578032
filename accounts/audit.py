"""Who did what to which, why and when."""

from datetime import datetime
from typing import Any

from django.db.models import Model

from accounts.models import AuditEntry, User


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
    return AuditEntry.objects.create(
        at=at,
        actor=actor,
        verb=verb,
        subject_kind=subject._meta.label_lower,  # noqa: SLF001 -- Django's public name for a model's own facts
        subject_id=str(subject.pk),
        reason=reason,
        details=details or {},
    )
