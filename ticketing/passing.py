"""Passing a ticket on: one link, one guest."""

from datetime import datetime

from django.db import transaction
from django.db.models import F

from accounts import personal_data
from accounts.models import User
from ticketing import letters
from ticketing.models import Ticket


class LinkIsVoid(Exception):
    """The link is none of ours, somebody took the ticket already, or it is valid no longer."""


class HasTicket(Exception):
    """Who wants to take the ticket has one for this event: it can still make somebody else happy."""


def read(*, token: str) -> Ticket:
    """Return the ticket that a link passes on. Raise LinkIsVoid."""
    found = Ticket.objects.passed_on_by(token)
    ticket = found.select_related("event__club", "ticket_type", "order__buyer").first()
    if ticket is None or not ticket.event.is_on_sale:
        raise LinkIsVoid
    return ticket


@transaction.atomic
def take(*, ticket: Ticket, by: User, at: datetime) -> Ticket:
    """Make the ticket theirs; of two who follow the same link, one gets it. Raise LinkIsVoid or HasTicket."""
    # The person first: an order of theirs that completes in this moment would give them a second ticket.
    if personal_data.locked(by).closed_at is not None:
        raise LinkIsVoid
    free = Ticket.objects.live().filter(pk=ticket.pk, pass_number=ticket.pass_number, holder=None)
    if Ticket.objects.live().filter(event=ticket.event_id, holder=by).exists():
        raise HasTicket
    taken = free.update(holder=by)
    if not taken:
        raise LinkIsVoid
    ticket.holder = by
    letters.ticket_taken(ticket=ticket, at=at)
    return ticket


def renew(*, ticket: Ticket) -> None:
    """Make the link void that went to the wrong place, and another one valid. Raise LinkIsVoid when taken."""
    free = Ticket.objects.live().filter(pk=ticket.pk, holder=None)
    if not free.update(pass_number=F("pass_number") + 1):
        raise LinkIsVoid
