"""What finance staff have to look at: opened once per cause, settled with a reason, on the desk's page."""

from datetime import datetime

import structlog
from django.apps import apps
from django.db import transaction
from django.db.models import Model, QuerySet

from accounts import audit
from accounts.models import User
from core import retries
from payments.models import Case

log = structlog.get_logger(__name__)


class AlreadySettled(Exception):
    """Somebody settled the case before."""


class NothingToTry(Exception):
    """The case is about nothing that could be tried again."""


def report(
    *, kind: Case.Kind, cause: str, what: str, subject: Model | None = None, stripe_id: str = "", at: datetime
) -> Case:
    """Return the case for this cause, in the caller's transaction; the first one, however often it comes.

    `what` tells in plain words what happened and what is left to do. A settled one stays settled.
    """
    case, is_new = Case.objects.get_or_create(
        cause=cause,
        defaults={
            "kind": kind,
            "subject_kind": subject._meta.label_lower if subject else "",  # noqa: SLF001 -- Django's public name for a model's own facts
            "subject_id": str(subject.pk) if subject else "",
            "stripe_id": stripe_id,
            "what": what,
            "opened_at": at,
        },
    )
    if is_new:
        log.error("case_opened", kind=str(kind), cause=cause)
    return case


@transaction.atomic
def settle(*, case: Case, by: User | None, note: str, at: datetime) -> Case:
    """Close a case, with the reason. By nobody: the house did it. One transaction. Raise AlreadySettled."""
    open_ones = Case.objects.filter(Case.OPEN, pk=case.pk)
    if not open_ones.update(settled_at=at, settled_by=by, note=note):
        raise AlreadySettled
    audit.record(actor=by, verb="case-settled", subject=case, reason=note, at=at)
    case.refresh_from_db()
    return case


@transaction.atomic
def try_again(*, case: Case, by: User, at: datetime) -> None:
    """Put the row that the case is about back among those that are tried; the sweep takes it at once.

    One transaction. Raise AlreadySettled, NothingToTry.
    """
    case = Case.objects.select_for_update(of=("self",), no_key=True).get(pk=case.pk)
    if case.settled_at is not None:
        raise AlreadySettled
    row = subject_of(case)
    if not isinstance(row, retries.Retried):
        raise NothingToTry
    retries.try_again(row, at=at)
    audit.record(actor=by, verb="case-tried-again", subject=case, at=at)


def subject_of(case: Case) -> Model | None:
    """Return the row that a case is about, if there is one."""
    if not case.subject_kind:
        return None
    rows: QuerySet[Model] = apps.get_model(case.subject_kind)._base_manager.filter(pk=case.subject_id)  # noqa: SLF001 -- the one manager that never filters
    return rows.first()


def it_worked(*, cause: str, note: str, at: datetime) -> None:
    """Settle the case of this cause, if there is an open one: what it was about has come right by itself."""
    for case in Case.objects.filter(Case.OPEN, cause=cause):
        settle(case=case, by=None, note=note, at=at)
