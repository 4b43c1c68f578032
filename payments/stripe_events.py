"""The inbox: Stripe's events come in once, and are answered until that has succeeded.

An event is only a signal that something about an object is new. The object is read from Stripe anew, so the
order and the number of events do not matter. What follows from which is told in `dispatch`; what was bought
is answered by the app that sold it, which registers with @answers in its own `stripe_events.py`.
"""

from collections import deque
from datetime import datetime, timedelta
from functools import partial
from itertools import islice

import structlog
from celery.exceptions import SoftTimeLimitExceeded
from django.db import transaction
from django.utils.translation import gettext as _

from core import retries
from payments import cases, dispatch, stripe_gateway
from payments.answers import answers
from payments.models import Case, StripeEvent
from payments.nudges import nudge
from payments.people_in_events import without_people
from payments.states import move
from payments.stripe_gateway import InvalidSignature
from payments.stripe_records import SignedEvent

__all__ = [
    "InvalidSignature",
    "answers",
    "fetch_undelivered",
    "handle",
    "handle_due",
    "receive",
]

log = structlog.get_logger(__name__)

AT_ONCE = 200
NUDGE_LEAD = timedelta(seconds=15)  # the task comes first, the sweep only if it did not
Status = StripeEvent.Status


@transaction.atomic
def receive(*, payload: bytes, signature: str, at: datetime) -> StripeEvent:
    """Return the inbox's row of a webhook; the same event again returns the first. Handled after commit.

    In whatever version of Stripe's API it is: the object is read anew, in ours. Raise InvalidSignature.
    """
    return _keep(stripe_gateway.read_event(payload, signature), at=at)


def _keep(event: SignedEvent, *, at: datetime) -> StripeEvent:
    row, is_new = StripeEvent.objects.get_or_create(
        stripe_id=event.id,
        defaults={
            "kind": event.kind,
            "account": event.account,
            "api_version": event.api_version,
            "body": without_people(event.body),
            "received_at": at,
            "next_attempt_at": at + NUDGE_LEAD,
        },
    )
    if is_new and event.api_version not in {"", stripe_gateway.API_VERSION}:
        _report_version(event.api_version, at=at)
    if is_new or (row.status == Status.RECEIVED and row.attempts == 0):
        nudge("payments.tasks.handle_event", row.pk)
    return row


def _report_version(version: str, *, at: datetime) -> None:
    cases.report(
        kind=Case.Kind.OTHER,
        cause=f"api-version-{version}",
        what=_(
            "Stripe sends events in its version %(theirs)s, and Stagedoor was made for %(ours)s. They are "
            "handled all the same; make the webhook endpoint anew with our version when you can."
        )
        % {"theirs": version, "ours": stripe_gateway.API_VERSION},
        at=at,
    )


def handle(*, event: StripeEvent, at: datetime) -> None:
    """Do what follows from an event, once, however many try at the same time. Asks Stripe.

    If that fails, nothing of it stands; the row keeps the error and when to try again, and the error goes on.
    """
    if event.status != Status.RECEIVED or not retries.claim(event, at=at):
        return
    try:
        _take_in(event, at=at)
    except SoftTimeLimitExceeded:
        raise
    except Exception as error:
        retries.postpone(event, error, at=at, give_up=partial(_dead_letter, at=at))
        raise


def _take_in(event: StripeEvent, *, at: datetime) -> None:
    try:
        deed, reason = dispatch.deed_of(event, at=at), ""  # 1. read the object, outside any transaction
    except dispatch.NothingFollows as none:
        deed, reason = None, str(none)
    with transaction.atomic():
        # 2. of many, one at a time from here on; 3. whoever comes second finds it done
        row = StripeEvent.objects.select_for_update(of=("self",), no_key=True).get(pk=event.pk)
        if row.status == Status.RECEIVED:
            if deed is not None:
                deed()  # 4. all that follows; 5. the mark, in the same transaction
            done = Status.IGNORED if deed is None else Status.HANDLED
            move(row, done, handled_at=at, last_error="", reason=reason[:200])
            cases.it_worked(cause=_cause(event), note=_("It was taken in when it was tried again."), at=at)
    event.refresh_from_db()


def handle_due(*, at: datetime) -> int:
    """Handle what nobody woke, and what failed and is due again; return how many were handled."""
    return retries.work(
        StripeEvent.objects.filter(status=Status.RECEIVED),
        partial(_take_in, at=at),
        at=at,
        at_once=AT_ONCE,
        give_up=partial(_dead_letter, at=at),
    )


def _dead_letter(event: StripeEvent, error: Exception, *, at: datetime) -> None:
    cases.report(
        kind=Case.Kind.EVENT,
        cause=_cause(event),
        what=_(
            "Stripe told us of “%(kind)s”, and it could not be taken in, however often it was tried. "
            "The books may lack what it tells of. The last error: %(error)s"
        )
        % {"kind": event.kind, "error": str(error)[:300] or type(error).__name__},
        subject=event,
        stripe_id=event.stripe_id,
        at=at,
    )


def _cause(event: StripeEvent) -> str:
    return f"event-{event.stripe_id}"


def fetch_undelivered(*, at: datetime) -> int:
    """Bring in what Stripe could not deliver, oldest first; return how many events were new. Asks Stripe.

    A batch per call, the oldest that we do not have: the next call brings what came after them.
    """
    new: deque[SignedEvent] = deque(maxlen=AT_ONCE)
    missed = stripe_gateway.undelivered_events()
    while batch := list(islice(missed, AT_ONCE)):
        ids = [event.id for event in batch]
        known = StripeEvent.objects.filter(stripe_id__in=ids).values_list("stripe_id", flat=True)
        wanted = set(ids) - set(known)
        new.extend(event for event in batch if event.id in wanted)
    return sum(_bring_in(event, at=at) for event in reversed(new))


def _bring_in(event: SignedEvent, *, at: datetime) -> bool:
    try:
        with transaction.atomic():
            _keep(event, at=at)
    except SoftTimeLimitExceeded:
        raise
    except Exception:  # the others are brought in all the same, and this one is found again the next time
        log.exception("event_not_kept", stripe_event=event.id)
        return False
    return True
