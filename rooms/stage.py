"""The role machine: who may ask for the stage, be asked, step up, speak, and be taken down.

Every function takes who acts (`by`) and who it is about; both are read again under the room's lock. Nothing
moves without authority, only those seated are on stage, and nobody is unmuted but by themselves.
"""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from django.db import transaction

from accounts import audit
from accounts.afterwards import once_committed
from rooms import admission, callboard, media_calls
from rooms.admission import Reason, raise_seq, revoke
from rooms.models import Ban, Room, Seat

MOST_ON_STAGE = 12


class NotSeated(Exception):
    """The seat has gone since."""


class NotAllowed(Exception):
    """The seat that acts has not the authority."""


class NotNow(Exception):
    """The seat it is about is not where this starts: no hand to lower, not on stage, not invited."""


class StageFull(Exception):
    """As many as fit are on stage."""


def raise_hand(*, by: Seat, at: datetime) -> None:
    """Ask for the stage. Raise NotNow when it is asked already, or on stage."""
    with _changing(by) as (room, me, _):
        _put(me, Seat.Stage.HAND, hand_at=at)
        _seen(room, me)


def lower_hand(*, by: Seat, seat: Seat) -> None:
    """Take a hand or an invitation back; a moderator may take anybody's. Raise NotAllowed or NotNow."""
    with _changing(by, seat) as (room, me, them):
        _check(me.pk == them.pk or me.moderates)
        if them.stage not in {Seat.Stage.HAND, Seat.Stage.INVITED}:
            raise NotNow("There is no hand to lower.")
        _put(them, Seat.Stage.OFF, hand_at=None)
        _seen(room, them)


def lower_hands(*, by: Seat) -> None:
    """Lower every hand in the room; invitations stay."""
    with _changing(by) as (room, me, _):
        _check(me.moderates)
        up = list(room.seats.seated().filter(stage=Seat.Stage.HAND))
        for seat in up:
            _put(seat, Seat.Stage.OFF, hand_at=None)
        _seen(room, *up)


def invite(*, by: Seat, seat: Seat, at: datetime) -> None:
    """Ask somebody on stage; they step up themselves. Raise NotAllowed, NotNow or StageFull."""
    with _changing(by, seat) as (room, me, them):
        _check(me.moderates)
        _check_room_on(room)
        _put(them, Seat.Stage.INVITED, hand_at=them.hand_at or at)
        _seen(room, them)


def step_up(*, by: Seat) -> None:
    """Go on stage, muted: the invited, hosts and moderators. Raise NotAllowed, NotNow or StageFull."""
    with _changing(by) as (room, me, _):
        _check(me.stage == Seat.Stage.INVITED or me.moderates)
        _check_room_on(room)
        _put(me, Seat.Stage.ON, muted=True, hand_at=None)
        _tell_media(me)
        _seen(room, me)


def step_down(*, by: Seat) -> None:
    """Leave the stage and listen on."""
    with _changing(by) as (room, me, _):
        _take_down(room, me)


def demote(*, by: Seat, seat: Seat) -> None:
    """Take somebody of a lower rank off the stage; their upstream closes. Raise NotAllowed or NotNow."""
    with _changing(by, seat) as (room, me, them):
        _check(_outranks(me, them))
        _take_down(room, them)


def mute(*, by: Seat, seat: Seat) -> None:
    """Mute oneself, or somebody of a lower rank, on the server. Raise NotAllowed or NotNow."""
    with _changing(by, seat) as (room, me, them):
        _check(me.pk == them.pk or _outranks(me, them))
        _set_muted(room, them, muted=True)


def unmute(*, by: Seat) -> None:
    """Unmute oneself; nobody else can. Raise NotNow when not on stage."""
    with _changing(by) as (room, me, _):
        _set_muted(room, me, muted=False)


def remove(*, by: Seat, seat: Seat, reason: str, at: datetime) -> None:
    """Put somebody of a lower rank out of the room for good. Raise NotAllowed.

    The audit says that it was done and why; whom it met goes with the room.
    """
    with _changing(by, seat) as (room, me, them):
        _check(_outranks(me, them))
        Ban.objects.get_or_create(
            room=room, user=them.user, defaults={"by": me.user, "reason": reason, "at": at}
        )
        revoke(seats=[them.pk], reason=Reason.REMOVED, at=at)
        audit.record(actor=me.user, verb="person-removed-from-room", subject=room, reason=reason, at=at)


@contextmanager
def _changing(by: Seat, seat: Seat | None = None) -> Iterator[tuple[Room, Seat, Seat]]:
    """Lock the room and read both seats again. Raise NotSeated for one that has gone."""
    with transaction.atomic():
        room = Room.objects.select_for_update(of=("self",), no_key=True).get(pk=by.room_id)
        me = _again(room, by)
        if me.moderates:
            me.role = min(Seat.Role(me.role), admission.due_role(me), key=Seat.RANKS.__getitem__)
        them = me if seat is None or seat.pk == by.pk else _again(room, seat)
        yield room, me, them


def _again(room: Room, seat: Seat) -> Seat:
    now = room.seats.seated().select_related("user", "room__event__club").filter(pk=seat.pk).first()
    if now is None:
        raise NotSeated("This seat has gone.")
    return now


def _check(allowed: bool) -> None:  # noqa: FBT001 -- reads as a sentence
    if not allowed:
        raise NotAllowed("This seat has not the authority.")


def _outranks(me: Seat, them: Seat) -> bool:
    return me.moderates and me.rank > them.rank


def _check_room_on(room: Room) -> None:
    if room.seats.on_stage().count() >= MOST_ON_STAGE:
        raise StageFull(f"A stage holds {MOST_ON_STAGE}.")


def _put(seat: Seat, to: Seat.Stage, **fields: Any) -> None:
    """Move a seat's stage, once, by one conditional UPDATE. Raise NotNow."""
    starts = [start for start, ends in Seat.STAGE_MOVES.items() if to in ends]
    if not Seat.objects.seated().filter(pk=seat.pk, stage__in=starts).update(stage=to, **fields):
        raise NotNow(f"A seat that is {seat.stage} cannot become {to}.")
    seat.stage = to
    for name, value in fields.items():
        setattr(seat, name, value)


def _take_down(room: Room, seat: Seat) -> None:
    if not seat.is_on_stage:
        raise NotNow("Not on stage.")
    _put(seat, Seat.Stage.OFF, muted=True, hand_at=None)
    _tell_media(seat)
    _seen(room, seat)


def _set_muted(room: Room, seat: Seat, *, muted: bool) -> None:
    if not seat.is_on_stage:
        raise NotNow("Only on stage is there something to mute.")
    if not Seat.objects.filter(pk=seat.pk).exclude(muted=muted).update(muted=muted):
        return  # said twice: nothing changes, and nobody is told
    once_committed(media_calls.mute, room=room.pk, seat=seat.pk, muted=muted)
    _seen(room, seat)


def _tell_media(seat: Seat) -> None:
    once_committed(media_calls.stage, room=seat.room_id, seat=seat.pk, on=seat.is_on_stage)


def _seen(room: Room, *seats: Seat) -> None:
    """Everybody sees the change; those it is about look themselves up."""
    touched: Collection[str] = [seat.pk for seat in seats]
    raise_seq(room)
    callboard.announce(room.pk, touched=touched)
