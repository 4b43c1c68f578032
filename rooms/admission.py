"""The one door. What may_enter says holds for the page, the socket, WHEP, WHIP, and for coming back.

Locks are taken in this order: room, then seat.
"""

import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

import structlog
from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _

from accounts import standing
from accounts.afterwards import once_committed
from accounts.models import User
from clubs import officers
from payments.states import move
from rooms import callboard, grants, media_calls
from rooms.models import Grant, Room, Seat
from rooms.protocol import Close
from ticketing import entitlement, programme
from ticketing.models import Event, Ticket

log = structlog.get_logger(__name__)


class Code(TextChoices):
    """What the door says. The label is told to the person."""

    OK = "ok", _("Come in.")
    SIGN_IN = "sign_in", _("Sign in, so that we can find your ticket.")
    NO_TICKET = "no_ticket", _("You need a ticket for this room.")
    CHARGED_BACK = (
        "charged_back",
        _("Your bank has taken the payment for this ticket back, so it lets nobody in."),
    )
    CONFIRMING = "confirming", _("Your payment is being confirmed. You keep your place.")
    BANNED = "banned", _("A moderator has removed you from this room.")
    FULL = "full", _("The room is full. As soon as somebody leaves, you can come in.")
    DOORS_SHUT = "doors_shut", _("The doors are not open yet.")
    CLOSED = "closed", _("This room is closed.")


@dataclass(frozen=True)
class Verdict:
    """What the door says to one person, and as what they would come in."""

    code: Code
    role: Seat.Role = Seat.Role.LISTENER
    ticket: Ticket | None = None

    @property
    def is_ok(self) -> bool:
        return self.code == Code.OK


class NotAdmitted(Exception):
    """The door said no; `verdict` says why."""

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(f"Not admitted: {verdict.code}.")
        self.verdict = verdict


class SeatedElsewhere(Exception):
    """Another page holds this person's seat. It is taken over only when they ask for it."""


class NoSeatToResume(Exception):
    """No seat waits for this secret: it was given up, or the secret is not the last one issued."""


class StandsNoMore(Exception):
    """The person has to come in anew: their session, their account or their ticket changed since they did."""


class NotOnStage(Exception):
    """Only somebody on stage may send sound."""


class Reason(StrEnum):
    """Why a seat is revoked."""

    REMOVED = "removed"
    TICKET = "ticket"
    SIGNED_OUT = "signed-out"  # or closed, or deactivated; the door says so when the page asks
    OFFICE = "office"  # no longer host or moderator; perhaps a listener with a ticket
    SHUT = "shut"  # the doors were shut again


# After ASK_AGAIN a page asks the door, and tells what the door says now.
CLOSES = {
    Reason.REMOVED: Close.REMOVED,
    Reason.TICKET: Close.TICKET_GONE,
    Reason.SIGNED_OUT: Close.ASK_AGAIN,
    Reason.OFFICE: Close.ASK_AGAIN,
    Reason.SHUT: Close.ASK_AGAIN,
}


@dataclass(frozen=True)
class Admitted:
    """A seat, and what its page needs: a grant for the socket, one for WHEP, a secret to come back with."""

    seat: Seat
    socket_grant: str
    listen_grant: str
    resume: str


def room_of(event: Event) -> Room:
    """Return the event's room, made on first use."""
    return Room.objects.get_or_create(event=event)[0]


def may_enter(*, user: User | AnonymousUser, event: Event, at: datetime) -> Verdict:
    """Decide. Nobody else does: every way into a room asks here, each time."""
    room = Room.objects.filter(event=event).first()
    if _is_over(event, room, at):
        return Verdict(Code.CLOSED)
    if not isinstance(user, User) or not user.is_active:
        return Verdict(Code.SIGN_IN)
    if room is not None and room.bans.filter(user=user).exists():
        return Verdict(Code.BANNED)
    role = _office(user, event)
    if role is not None:
        return Verdict(Code.OK, role=role)
    return _as_listener(user, event, room)


def admit(
    *,
    user: User | AnonymousUser,
    event: Event,
    tab: str,
    at: datetime,
    take_over: bool = False,
    session: str = "",
) -> Admitted:
    """Give the person a seat, or the one they have. Raise NotAdmitted or SeatedElsewhere.

    A seat that another page holds goes to this one only with `take_over`; that page and its sound end. The
    seat ends with the browser's `session`; a program of ours, which has none, sits until it is put out.
    """
    room = room_of(event)
    with transaction.atomic():
        room = Room.objects.select_for_update(of=("self",), no_key=True).get(pk=room.pk)
        person, verdict = _welcome(user=user, event=event, at=at)
        seat = room.seats.seated().select_related("user").filter(user=person).first()
        if seat is None:
            seat = Seat(room=room, user=person, taken_at=at)
        elif seat.status == Seat.Status.PRESENT and not take_over:
            raise SeatedElsewhere("Another page holds this seat.")
        else:
            _end_old_page(seat, at=at)
        return _hold(seat, person, verdict=verdict, tab=tab, session=session, at=at)


def seat_of(*, user: User | AnonymousUser, event: Event, at: datetime, session: str = "") -> Seat:
    """Return the person's seat, or a new one; a page that holds it keeps it. Raise NotAdmitted."""
    person, verdict = _welcome(user=user, event=event, at=at)
    room = room_of(event)
    seat = room.seats.seated().select_related("user", "room").filter(user=person).first()
    if seat is not None and seat.role == _role(seat, verdict) and stands(seat):
        return seat
    return admit(user=user, event=event, tab="", at=at, take_over=True, session=session).seat


def resume(
    *,
    user: User | AnonymousUser,
    event: Event,
    secret: str,
    tab: str,
    at: datetime,
    session: str = "",
) -> Admitted:
    """Give a page its own seat back after a lost connection.

    Raise NotAdmitted, NoSeatToResume or SeatedElsewhere.
    Capacity, ban and ticket are asked again. Whoever was on stage still is, and is muted until they unmute.
    """
    room = room_of(event)
    with transaction.atomic():
        room = Room.objects.select_for_update(of=("self",), no_key=True).get(pk=room.pk)
        person, verdict = _welcome(user=user, event=event, at=at)
        mine = room.seats.seated().select_related("user").filter(user=person)
        seat = mine.filter(resume_hash=grants.digest(secret)).first()
        if seat is None:
            raise NoSeatToResume("No seat waits for this secret.")
        if seat.status == Seat.Status.PRESENT and seat.tab != tab:
            raise SeatedElsewhere("Another page of this browser holds this seat.")
        return _hold(seat, person, verdict=verdict, tab=tab, session=session, at=at)


def enter(*, token: str, use: Grant.Use, at: datetime) -> Seat:
    """Use a grant up for what it was issued. Raise grants.BadGrant, NotAdmitted or NotOnStage.

    The door is asked again: a minute is long enough to lose a ticket in.
    """
    seat = grants.redeem(token=token, use=use, at=at)
    try:
        _ask_again(seat, use=use, at=at)
    except StandsNoMore as gone:
        raise grants.BadGrant("The seat's person has to come in anew.") from gone
    return seat


def grant(*, seat: Seat, use: Grant.Use, at: datetime) -> str:
    """Return leave for one more use, to a seat that has its place and whose person may still be there.

    Raise StandsNoMore, NotAdmitted or NotOnStage.
    """
    again = Seat.objects.seated().select_related("room__event__club", "user")
    now = again.filter(pk=seat.pk, epoch=seat.epoch).first()
    if now is None:
        raise StandsNoMore("The seat has gone.")
    _ask_again(now, use=use, at=at)
    return grants.issue(seat=now, use=use, at=at)


def stands(seat: Seat) -> bool:
    """Say whether the seat's person is who they came in as: of the same standing, and still signed in."""
    person = standing.of(seat.user_id)
    if person is None or person != seat.standing:
        return False
    return not seat.session or Session.objects.filter(pk=seat.session).exists()


def due_role(seat: Seat) -> Seat.Role:
    """Return the role that this seat has by the office its person holds now."""
    office = _office(seat.user, seat.room.event)
    if office is None:
        return Seat.Role.LISTENER
    return Seat.Role.HOST if seat.is_deputy else office


def revoke(*, seats: Collection[str], reason: Reason, at: datetime) -> int:
    """Take these seats away: what was issued to them is dead, their sound stops, their sockets close.

    Return how many were taken; the others had gone before. The database comes first, so that whatever message
    is lost after it, the census and the next ping of the socket find the truth.
    """
    taken = 0
    for room_id in sorted(set(Seat.objects.filter(pk__in=seats).values_list("room_id", flat=True))):
        with transaction.atomic():
            room = Room.objects.select_for_update(of=("self",), no_key=True).get(pk=room_id)
            leaving = list(room.seats.seated().filter(pk__in=seats).order_by("pk"))
            for seat in leaving:
                _put_out(seat, reason=reason)
            if leaving:
                taken += len(leaving)
                raise_seq(room)
                callboard.announce(room.pk)
    if taken:
        log.info("seats_revoked", reason=reason.value, seats=taken, at=at.isoformat())
    return taken


def revoke_tickets(*, tickets: Collection[UUID], at: datetime) -> None:
    """Take the seats of these dead tickets away. Registered with ticketing's aftersales."""
    seats = Seat.objects.seated().filter(ticket_id__in=tickets).values_list("pk", flat=True)
    revoke(seats=list(seats), reason=Reason.TICKET, at=at)


def raise_seq(room: Room) -> None:
    """Count a change that people in the room see. The caller holds the room's lock."""
    room.seq += 1
    room.save(update_fields=["seq"])


def _is_over(event: Event, room: Room | None, at: datetime) -> bool:
    if event.status in {Event.Status.ENDED, Event.Status.CANCELLED}:
        return True
    if room is not None and room.status == Room.Status.CLOSED:
        return True
    is_open = room is not None and room.status == Room.Status.OPEN
    return not is_open and event.ends_at + programme.MISSED_AFTER < at


def _office(user: User, event: Event) -> Seat.Role | None:
    """Return the role of those who run the club. They need no ticket."""
    powers = officers.powers(user, event.club)
    if officers.Power.HOST in powers:
        return Seat.Role.HOST
    return Seat.Role.MODERATOR if officers.Power.MODERATE in powers else None


def _as_listener(user: User, event: Event, room: Room | None) -> Verdict:
    ticket = entitlement.holds_ticket(user, event)
    if ticket is None:
        why = {
            entitlement.Standing.CONFIRMING: Code.CONFIRMING,
            entitlement.Standing.CHARGED_BACK: Code.CHARGED_BACK,
        }
        return Verdict(why.get(entitlement.standing(user, event), Code.NO_TICKET))
    if room is None or room.status == Room.Status.SHUT:
        return Verdict(Code.DOORS_SHUT, ticket=ticket)
    if room.seats.seated().exclude(user=user).count() >= settings.ROOM_CAPACITY:
        return Verdict(Code.FULL, ticket=ticket)
    return Verdict(Code.OK, ticket=ticket)


def _ask_again(seat: Seat, *, use: Grant.Use, at: datetime) -> None:
    """Ask the door for somebody who came in earlier. Raise StandsNoMore, NotAdmitted or NotOnStage."""
    if not stands(seat):
        raise StandsNoMore("This person has to come in anew.")
    _person, verdict = _welcome(user=seat.user, event=seat.room.event, at=at)
    if _role(seat, verdict) != seat.role:
        raise StandsNoMore("This person has another role by now.")
    if use == Grant.Use.SPEAK and not seat.is_on_stage:
        raise NotOnStage("Only somebody on stage may send sound.")


def _welcome(*, user: User | AnonymousUser, event: Event, at: datetime) -> tuple[User, Verdict]:
    """Return who comes in, and as what. Raise NotAdmitted."""
    verdict = may_enter(user=user, event=event, at=at)
    if not verdict.is_ok or not isinstance(user, User):
        raise NotAdmitted(verdict)
    return user, verdict


def _end_old_page(seat: Seat, *, at: datetime) -> None:
    """End whatever the seat's last page had: its grants by the epoch, its sound, then its sockets."""
    _stop_sound(seat)
    callboard.end_seat(seat.pk, upto=seat.connection, code=Close.TAKEN_OVER)
    seat.epoch += 1
    if seat.status == Seat.Status.PRESENT:
        move(seat, Seat.Status.AWAY, seen_at=at)


def _hold(seat: Seat, person: User, *, verdict: Verdict, tab: str, session: str, at: datetime) -> Admitted:
    """Write that this page holds the seat, and issue what it needs. The caller holds the room's lock."""
    secret = secrets.token_urlsafe(32)
    was_heard = not seat.muted
    seat.role = _role(seat, verdict)
    seat.is_deputy = seat.is_deputy and verdict.role == Seat.Role.MODERATOR
    seat.ticket = verdict.ticket
    seat.standing, seat.session = person.standing, session
    seat.muted = True
    seat.tab, seat.seen_at, seat.resume_hash = tab, at, grants.digest(secret)
    seat.save()
    if was_heard:
        once_committed(media_calls.mute, room=seat.room_id, seat=seat.pk, muted=True)
    if seat.is_on_stage:
        raise_seq(seat.room)
        callboard.announce(seat.room_id, touched=[seat.pk])
    return Admitted(
        seat=seat,
        socket_grant=grants.issue(seat=seat, use=Grant.Use.SOCKET, at=at),
        listen_grant=grants.issue(seat=seat, use=Grant.Use.LISTEN, at=at),
        resume=secret,
    )


def _role(seat: Seat, verdict: Verdict) -> Seat.Role:
    """Return the role by office. A moderator to whom an absent host's role has passed keeps it."""
    inherited = seat.is_deputy and verdict.role == Seat.Role.MODERATOR
    return Seat.Role.HOST if inherited else verdict.role


def _put_out(seat: Seat, *, reason: Reason) -> None:
    _stop_sound(seat)
    callboard.end_seat(seat.pk, upto=seat.connection, code=CLOSES[reason])
    move(
        seat,
        Seat.Status.REVOKED,
        stage=Seat.Stage.OFF,
        muted=True,
        hand_at=None,
        epoch=seat.epoch + 1,
        resume_hash="",
        closed_with=CLOSES[reason],
    )


def _stop_sound(seat: Seat) -> None:
    once_committed(media_calls.drop, room=seat.room_id, seat=seat.pk, epoch=seat.epoch)
