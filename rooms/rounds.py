"""The rounds the stagehand makes every ten seconds: rows are the truth, and whatever differs is put right.

Nothing here depends on a message having arrived; a lost one costs ten seconds.
"""

from datetime import datetime

from django.db.models import Count, Exists, F, OuterRef, Q

from clubs import officers
from clubs.models import Officer
from rooms import admission, doors, grants, homes, presence
from rooms.models import Room, Seat
from ticketing.models import Ticket

MOST_AT_ONCE = 500
MODERATING = [role for role, powers in officers.POWERS.items() if officers.Power.MODERATE in powers]


def make(*, at: datetime) -> None:
    """Make one round of every room."""
    revoke_dead_tickets(at=at)
    revoke_banned(at=at)
    revoke_former_officers(at=at)
    presence.expire(at=at)
    doors.watch_hosts(at=at)
    doors.close_forgotten(at=at)
    grants.forget_old(at=at)
    homes.find_for_the_homeless(at=at)
    homes.tell_census(at=at)


def revoke_dead_tickets(*, at: datetime) -> int:
    """Take the seats of listeners whose ticket no longer lives, or is somebody else's by now."""
    listeners = Seat.objects.seated().filter(role=Seat.Role.LISTENER)
    good = Q(ticket__status=Ticket.Status.LIVE, ticket__holder=F("user"), ticket__event=F("room__event"))
    dead = listeners.exclude(good).values_list("pk", flat=True)[:MOST_AT_ONCE]
    return admission.revoke(seats=list(dead), reason=admission.Reason.TICKET, at=at)


def revoke_banned(*, at: datetime) -> int:
    """Take the seats of people who were banned, wherever they came back from."""
    banned = Seat.objects.seated().filter(room__bans__user=F("user")).values_list("pk", flat=True)
    return admission.revoke(seats=list(banned[:MOST_AT_ONCE]), reason=admission.Reason.REMOVED, at=at)


def revoke_former_officers(*, at: datetime) -> int:
    """Take the seats of hosts and moderators who are no longer officers of the club."""
    office = Officer.objects.filter(
        club=OuterRef("room__event__club"), user=OuterRef("user"), role__in=MODERATING
    )
    running = Seat.objects.seated().exclude(role=Seat.Role.LISTENER)
    former = running.exclude(Exists(office)).values_list("pk", flat=True)[:MOST_AT_ONCE]
    return admission.revoke(seats=list(former), reason=admission.Reason.TICKET, at=at)


def audiences() -> dict[str, tuple[int, int]]:
    """Return how many listen in each room that is open or holds somebody, and its seq. Costs two queries."""
    counted = Seat.objects.audience().values("room_id").annotate(listening=Count("pk"))
    listening = {row["room_id"]: row["listening"] for row in counted}
    rooms = Room.objects.filter(Q(status=Room.Status.OPEN) | Q(pk__in=listening)).values_list("pk", "seq")
    return {room_id: (listening.get(room_id, 0), seq) for room_id, seq in rooms}
