"""What tickets an event offers: put up, changed, taken off sale."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db import transaction

from payments.money import LARGEST_CHARGE, SMALLEST_CHARGE, Money
from ticketing.models import Event, TicketType


@dataclass(frozen=True, kw_only=True)
class Offer:
    """What is to be said of one ticket type; `pk` names the one it changes. No capacity: as many as come."""

    name: str
    price: Money
    capacity: int | None = None
    members_only: bool = False
    per_person: int = 6
    is_open: bool = True
    pk: UUID | None = None


class NotChargeable(Exception):
    """A price below or above what a card can be charged. Free is fine."""


class FewerThanTaken(Exception):
    """More seats are held or sold than the new capacity has."""

    def __init__(self, ticket_type: TicketType) -> None:
        super().__init__(f"{ticket_type.taken} seats of {ticket_type.pk} are taken.")
        self.ticket_type = ticket_type


class NotOfThisEvent(Exception):
    """An offer names a ticket type that the event does not have."""


@dataclass(frozen=True, kw_only=True)
class PutUp:
    """What an event offers now, and what was taken away from it although somebody had asked for it."""

    types: list[TicketType]
    withdrawn: list[TicketType]


@transaction.atomic
def put_up(*, event: Event, offers: Sequence[Offer]) -> PutUp:
    """Make these the event's ticket types, in this order. What is left out goes, or stays for who has it.

    Raise NotChargeable, FewerThanTaken, NotOfThisEvent.
    """
    # The event first: two who save it at once would each see the other's new types missing.
    Event.objects.select_for_update(of=("self",), no_key=True).get(pk=event.pk)
    rows = TicketType.objects.select_for_update(of=("self",)).filter(event=event, is_withdrawn=False)
    known = {row.pk: row for row in rows.order_by("id")}
    kept = {offer.pk: offer for offer in offers if offer.pk}
    if not kept.keys() <= known.keys():
        raise NotOfThisEvent
    withdrawn = _withdraw([row for pk, row in known.items() if pk not in kept])
    _free_names([known[pk] for pk, offer in kept.items() if known[pk].name != offer.name])
    types = [
        _write(known[offer.pk] if offer.pk else TicketType(event=event), offer, place)
        for place, offer in enumerate(offers)
    ]
    return PutUp(types=types, withdrawn=withdrawn)


def _free_names(rows: Sequence[TicketType]) -> None:
    """Let go of names that change, so that each is free for whoever gets it: two rows may swap theirs."""
    for row in rows:
        TicketType.objects.filter(pk=row.pk).update(name=str(row.pk), seen_name=str(row.pk))


def close(*, event: Event) -> None:
    """Take everything off sale, in the caller's transaction: nobody can hold a seat any more."""
    for row in (
        TicketType.objects.select_for_update(of=("self",), no_key=True)
        .filter(event=event, is_open=True)
        .order_by("id")
    ):
        TicketType.objects.filter(pk=row.pk).update(is_open=False)


def _withdraw(rows: Sequence[TicketType]) -> list[TicketType]:
    """Take these away; return those that stay as rows, off sale for good, because somebody asked for them."""
    asked_for = [row for row in rows if row.tickets.exists()]
    for row in rows:
        if row in asked_for:
            TicketType.objects.filter(pk=row.pk).update(is_open=False, is_withdrawn=True)
        else:
            row.delete()
    return asked_for


def _write(row: TicketType, offer: Offer, place: int) -> TicketType:
    least, most = SMALLEST_CHARGE[offer.price.currency], LARGEST_CHARGE[offer.price.currency]
    if offer.price and not least <= offer.price.minor <= most:
        raise NotChargeable
    if offer.capacity is not None and offer.capacity < row.taken:
        raise FewerThanTaken(row)
    row.name, row.position = offer.name, place
    row.price_minor, row.currency = offer.price.minor, offer.price.currency
    row.capacity, row.per_person = offer.capacity, offer.per_person
    row.members_only, row.is_open = offer.members_only, offer.is_open
    # Never the counts: those belong to seats.py alone.
    columns = [
        "name",
        "seen_name",
        "position",
        "price_minor",
        "currency",
        "capacity",
        "per_person",
        "members_only",
        "is_open",
    ]
    row.save(update_fields=None if row._state.adding else columns)  # noqa: SLF001 -- Django's own word for a new row
    return row
