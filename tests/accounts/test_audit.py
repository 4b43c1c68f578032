"""What was done stays written."""

from datetime import datetime

import pytest
from django.db import IntegrityError, transaction

from accounts import audit
from accounts.models import AuditEntry, User

pytestmark = pytest.mark.django_db


def test_an_entry_names_who_what_and_why(ada: User, ben: User, at: datetime) -> None:
    audit.record(actor=ada, verb="waved", subject=ben, reason="friends", details={"hand": "left"}, at=at)
    [entry] = AuditEntry.objects.values(
        "actor", "verb", "subject_kind", "subject_id", "reason", "details", "at"
    )
    assert entry == {
        "actor": ada.pk,
        "verb": "waved",
        "subject_kind": "accounts.user",
        "subject_id": str(ben.pk),
        "reason": "friends",
        "details": {"hand": "left"},
        "at": at,
    }


def test_nobody_changes_or_deletes_an_entry(ben: User, at: datetime) -> None:
    entry = audit.record(actor=None, verb="rained", subject=ben, at=at)
    rows = AuditEntry.objects.filter(pk=entry.pk)
    for attempt in (lambda: rows.update(verb="shone"), rows.delete):
        with pytest.raises(IntegrityError, match="what was done stays written"), transaction.atomic():
            attempt()
