"""What has rooms look again at once: a person's standing, session, office, ticket or payment has changed.

Each is a nudge after a commit, and may be lost: the round asks the same of every seat within ten seconds.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib.sessions.models import Session
from django.db.models.signals import post_delete, post_save
from django.utils.timezone import now

from accounts import standing
from accounts.afterwards import once_committed
from clubs.models import Officer
from payments.models import Dispute
from rooms import admission, doors, rounds
from ticketing import aftersales, programme


def listen() -> None:
    """Begin to listen: called once, when the apps are ready."""
    if admission.revoke_tickets not in aftersales.on_ticket_death:
        aftersales.on_ticket_death.append(admission.revoke_tickets)
    if doors.close_when_over not in programme.on_over:
        programme.on_over.append(doors.close_when_over)
    post_delete.connect(_session_ended, sender=Session)
    for signal in (post_save, post_delete):
        signal.connect(_office_changed, sender=Officer)
    post_save.connect(_bank_spoke, sender=Dispute)


@standing.told
def _person_changed(*, person: UUID, at: datetime) -> None:
    rounds.look_at(person=person, at=at)


def _session_ended(sender: type[Session], instance: Session, **_signal: Any) -> None:  # noqa: ARG001 -- Django's signature
    at = now()
    if (
        instance.expire_date > at
    ):  # the others are swept away by the thousand; the round sees that they expired
        once_committed(rounds.look_at_session, session=instance.session_key, at=at)


def _office_changed(sender: type[Officer], instance: Officer, **_signal: Any) -> None:  # noqa: ARG001 -- the same
    once_committed(rounds.look_at, person=instance.user_id, at=now())


def _bank_spoke(sender: type[Dispute], instance: Dispute, **_signal: Any) -> None:  # noqa: ARG001 -- the same
    if instance.is_withdrawn:
        once_committed(rounds.look_at_order, charge=instance.charge_id, at=now())
