"""The rounds the stagehand makes every ten seconds: rows are the truth, and whatever differs is put right.

Nothing here depends on a message having arrived; a lost one costs ten seconds. Whatever changes about a
person has their seats looked at at once, by the same rules: look_at().
"""

from datetime import datetime, timedelta
from uuid import UUID

from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models import Case, CharField, Count, Exists, F, OuterRef, Q, Subquery, Value, When

from clubs import officers
from clubs.models import Officer
from rooms import admission, callboard, doors, grants, homes, media_calls, one_by_one, presence
from rooms.admission import Reason
from rooms.models import Room, Seat
from rooms.models.seat import SeatQuerySet
from ticketing import entitlement
from ticketing.models import Ticket

MOST_AT_ONCE = 500
CLOSED_AGAIN = timedelta(minutes=1)  # for so long each round closes a room again, should the message be lost


def make(*, at: datetime) -> None:
    """Make one round of every room. A room or a part of it that fails keeps none of the others waiting."""
    one_by_one.each(
        (
            revoke_all,
            presence.expire,
            doors.watch_hosts,
            doors.close_forgotten,
            close_again,
            grants.forget_old,
            homes.find_for_the_homeless,
            homes.tell_census,
        ),
        lambda part: part(at=at),
    )


def revoke_all(*, at: datetime) -> None:
    """Put right what every seat is."""
    _put_right(Seat.objects.seated(), at=at)


def look_at(*, person: UUID, at: datetime) -> None:
    """Put right what this person's seats are, now that something about the person has changed."""
    _put_right(Seat.objects.seated().filter(user=person), at=at)


def look_at_session(*, session: str, at: datetime) -> None:
    """Take the seats that came in by a browser session which has ended."""
    revoke_signed_out(Seat.objects.seated().filter(session=session), at=at)


def look_at_order(*, charge: UUID, at: datetime) -> None:
    """Put right the seats of those who came in by what this charge paid for."""
    _put_right(Seat.objects.seated().filter(ticket__order__charge=charge), at=at)


def _put_right(seats: SeatQuerySet, *, at: datetime) -> None:
    rules = (revoke_signed_out, revoke_dead_tickets, revoke_banned, follow_office)
    one_by_one.each(rules, lambda rule: rule(seats, at=at))


def revoke_signed_out(seats: SeatQuerySet, *, at: datetime) -> int:
    """Take the seats of those whose session ended, or whose standing is another than when they came in."""
    session = Session.objects.filter(pk=OuterRef("session"), expire_date__gt=at)
    ended = ~Q(session="") & ~Exists(session)
    out = seats.filter(Q(user__is_active=False) | ~Q(standing=F("user__standing")) | ended)
    return _revoke(out, reason=Reason.SIGNED_OUT, at=at)


def revoke_dead_tickets(seats: SeatQuerySet, *, at: datetime) -> int:
    """Take the seats of listeners whose ticket is dead, somebody else's by now, or charged back."""
    mine = Q(ticket__status=Ticket.Status.LIVE, ticket__holder=F("user"), ticket__event=F("room__event"))
    good = Ticket.objects.filter(~entitlement.charged_back(), pk=OuterRef("ticket"))
    listeners = seats.filter(role=Seat.Role.LISTENER)
    return _revoke(listeners.exclude(mine & Exists(good)), reason=Reason.TICKET, at=at)


def revoke_banned(seats: SeatQuerySet, *, at: datetime) -> int:
    """Take the seats of people who were banned, wherever they came back from."""
    return _revoke(seats.filter(room__bans__user=F("user")), reason=Reason.REMOVED, at=at)


def follow_office(seats: SeatQuerySet, *, at: datetime) -> int:
    """Give each seat the role of the office that its person holds now; who lost theirs comes in anew."""
    office = Officer.objects.filter(club=OuterRef("room__event__club"), user=OuterRef("user"))
    due = Case(
        When(
            Q(office__in=officers.HOSTING) | Q(office__in=officers.MODERATING, is_deputy=True),
            then=Value(Seat.Role.HOST),
        ),
        When(office__in=officers.MODERATING, then=Value(Seat.Role.MODERATOR)),
        default=Value(Seat.Role.LISTENER),
        output_field=CharField(),
    )
    office_now = seats.annotate(office=Subquery(office.values("role")[:1])).annotate(due=due)
    wrong = list(office_now.exclude(role=F("due")).values_list("pk", "room_id", "due")[:MOST_AT_ONCE])
    for pk, room_id, role in wrong:
        if role != Seat.Role.LISTENER:
            _change_role(pk, room_id, role)
    out = [pk for pk, _room_id, role in wrong if role == Seat.Role.LISTENER]
    admission.revoke(seats=out, reason=Reason.OFFICE, at=at)
    return len(wrong)


def close_again(*, at: datetime) -> int:
    """Tell the media processes once more that rooms have closed. Return of how many it was told."""
    lately = Room.objects.filter(status=Room.Status.CLOSED, closed_at__gt=at - CLOSED_AGAIN)
    rooms = list(lately.values_list("pk", flat=True)[:MOST_AT_ONCE])
    media_calls.close(rooms=rooms)
    return len(rooms)


def close_if_over(*, room_id: str) -> bool:
    """Close a room's sound that goes on although nobody has a seat in it. Say whether it was so."""
    live = Room.objects.filter(pk=room_id).filter(
        Q(status=Room.Status.OPEN) | Exists(Seat.objects.seated().filter(room=OuterRef("pk")))
    )
    if live.exists():
        return False
    media_calls.close(rooms=[room_id])
    return True


def _revoke(seats: SeatQuerySet, *, reason: Reason, at: datetime) -> int:
    rooms: dict[str, list[str]] = {}
    for room_id, pk in seats.values_list("room_id", "pk")[:MOST_AT_ONCE]:
        rooms.setdefault(room_id, []).append(pk)
    return one_by_one.each(
        rooms.values(), lambda leaving: admission.revoke(seats=leaving, reason=reason, at=at)
    )


def _change_role(seat_id: str, room_id: str, role: Seat.Role) -> None:
    with transaction.atomic():
        room = Room.objects.select_for_update(of=("self",), no_key=True).get(pk=room_id)
        if room.seats.seated().filter(pk=seat_id).exclude(role=role).update(role=role):
            admission.raise_seq(room)
            callboard.announce(room.pk, touched=[seat_id])


def audiences() -> dict[str, tuple[int, int]]:
    """Return how many listen in each room that is open or holds somebody, and its seq. Costs two queries."""
    counted = Seat.objects.audience().values("room_id").annotate(listening=Count("pk"))
    listening = {row["room_id"]: row["listening"] for row in counted}
    rooms = Room.objects.filter(Q(status=Room.Status.OPEN) | Q(pk__in=listening)).values_list("pk", "seq")
    return {room_id: (listening.get(room_id, 0), seq) for room_id, seq in rooms}
