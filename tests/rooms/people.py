"""Who comes to a room in the tests, and how they get in."""

from datetime import datetime, timedelta

from accounts.models import User
from clubs.models import Officer
from rooms import admission, doors, presence
from rooms.models import Seat
from tests import factories
from ticketing.models import Event, Ticket

TAB = "a" * 32
OTHER_TAB = "b" * 32


def with_ticket(user: User, event: Event) -> Ticket:
    """Give the person a free, valid ticket."""
    ticket_type = event.ticket_types.filter(price_minor=0).first()
    ticket_type = ticket_type or factories.TicketTypeFactory.create(event=event, price_minor=0)
    type(ticket_type).objects.filter(pk=ticket_type.pk).update(sold=ticket_type.sold + 1)
    return factories.TicketFactory.create(ticket_type=ticket_type, holder=user)


def fan(event: Event, *, name: str = "") -> User:
    """Return somebody who holds a ticket."""
    user = factories.UserFactory.create(name=name, password=None)
    with_ticket(user, event)
    return user


def officer(event: Event, role: Officer.Role) -> User:
    user = factories.UserFactory.create(password=None)
    factories.OfficerFactory.create(club=event.club, user=user, role=role)
    return user


def sit(user: User, event: Event, at: datetime) -> Seat:
    """Take the person through the door, up to a connected socket."""
    seat = admission.admit(user=user, event=event, tab=TAB, at=at).seat
    return presence.connect(seat=seat, at=at)


def open_room(event: Event, host: User, at: datetime) -> Seat:
    """Seat the host and open the doors. The event is moved to start in ten minutes, so that they may open."""
    event.starts_at = at + timedelta(minutes=10)
    event.save(update_fields=["starts_at"])
    seat = sit(host, event, at)
    doors.open_doors(by=seat, at=at)
    event.refresh_from_db()
    return seat


def now(seat: Seat) -> Seat:
    """Return the seat as the database has it."""
    return Seat.objects.select_related("user", "room").get(pk=seat.pk)
