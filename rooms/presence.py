"""Who is here: sockets come, are heard of every ten seconds, get lost, and are waited for."""

from datetime import datetime, timedelta

from django.db import transaction

from payments.states import move
from rooms import callboard, one_by_one
from rooms.admission import raise_seq
from rooms.models import Room, Seat
from rooms.models.seat import SeatQuerySet
from rooms.protocol import GRACE_SECONDS, PING_SECONDS, Close

TAKEN_SECONDS = 60  # a seat whose page never opened its socket
LOST_SECONDS = 3 * PING_SECONDS  # a socket that says nothing for so long is gone, whatever the network thinks
MOST_AT_ONCE = 500


class Gone(Exception):
    """The socket no longer holds its seat. `code` says why, as the browser is told."""

    def __init__(self, code: Close) -> None:
        super().__init__(f"This socket has lost its seat: {code.name}.")
        self.code = code


def connect(*, seat: Seat, at: datetime) -> Seat:
    """Let a new socket hold the seat; older ones are closed. Return the seat as it is now. Raise Gone."""
    with transaction.atomic():
        room = Room.objects.select_for_update(of=("self",), no_key=True).get(pk=seat.room_id)
        now = room.seats.seated().select_related("user", "room").filter(pk=seat.pk, epoch=seat.epoch).first()
        if now is None:
            raise Gone(why_gone(seat))
        callboard.end_seat(now.pk, upto=now.connection, code=Close.TAKEN_OVER)
        move(now, Seat.Status.PRESENT, connection=now.connection + 1, seen_at=at)
        if now.role == Seat.Role.HOST and room.host_gone_at is not None:
            Room.objects.filter(pk=room.pk).update(host_gone_at=None)
            _tell(room, now)
        elif now.is_on_stage:
            _tell(room, now)
    return now


def touch(*, seat: Seat, at: datetime) -> int:
    """Note that the socket is alive, and return the room's seq. Raise Gone when it lost the seat."""
    if not _held_by(seat).filter(status=Seat.Status.PRESENT).update(seen_at=at):
        raise Gone(why_gone(seat))
    return Room.objects.values_list("seq", flat=True).get(pk=seat.room_id)


def away(*, seat: Seat, at: datetime) -> None:
    """Note that the socket is lost. The seat waits; nothing happens if another socket holds it by now."""
    with transaction.atomic():
        room = Room.objects.select_for_update(of=("self",), no_key=True).filter(pk=seat.room_id).first()
        now = _held_by(seat).filter(status=Seat.Status.PRESENT).first()
        if room is None or now is None:
            return
        move(now, Seat.Status.AWAY, seen_at=at)
        if now.is_on_stage:
            _tell(room, now)


def leave(*, seat: Seat, at: datetime) -> None:
    """Give the seat up, as its person asked. Raise Gone when it is no longer this socket's."""
    with transaction.atomic():
        room = Room.objects.select_for_update(of=("self",), no_key=True).get(pk=seat.room_id)
        now = _held_by(seat).seated().first()
        if now is None:
            raise Gone(why_gone(seat))
        _give_up(room, [now], at=at)


def expire(*, at: datetime) -> int:
    """Give up the seats that were waited for long enough. Return how many, at most five hundred at a time."""
    waited = (
        Seat.objects.filter(status=Seat.Status.TAKEN, seen_at__lt=at - timedelta(seconds=TAKEN_SECONDS))
        | Seat.objects.filter(status=Seat.Status.AWAY, seen_at__lt=at - timedelta(seconds=GRACE_SECONDS))
        | Seat.objects.filter(
            status=Seat.Status.PRESENT, seen_at__lt=at - timedelta(seconds=LOST_SECONDS + GRACE_SECONDS)
        )
    )
    found = list(waited.order_by("room_id", "pk").values_list("room_id", "pk")[:MOST_AT_ONCE])
    gone: list[Seat] = []

    def give_up(room_id: str) -> None:
        with transaction.atomic():
            room = Room.objects.select_for_update(of=("self",), no_key=True).get(pk=room_id)
            # Looked at again under the lock: somebody may have come back just now.
            seats = list(waited.filter(pk__in=[pk for of, pk in found if of == room_id]).order_by("pk"))
            _give_up(room, seats, at=at)
        gone.extend(seats)

    one_by_one.each(dict.fromkeys(room_id for room_id, _ in found), give_up)
    return len(gone)


def why_gone(seat: Seat) -> Close:
    """Say why the socket that holds this copy of the seat lost it, as its browser is told."""
    now = Seat.objects.select_related("room").filter(pk=seat.pk).first()
    if now is None or now.room.status == Room.Status.CLOSED:
        return Close.ROOM_CLOSED
    if now.status == Seat.Status.REVOKED:
        return Close(now.closed_with or Close.ASK_AGAIN)
    taken_over = now.is_seated and (now.epoch, now.connection) != (seat.epoch, seat.connection)
    return Close.TAKEN_OVER if taken_over else Close.BAD_GRANT


def _held_by(seat: Seat) -> SeatQuerySet:
    """Return the seat's row, as long as the socket that holds this copy of it is the last one."""
    return Seat.objects.filter(pk=seat.pk, epoch=seat.epoch, connection=seat.connection)


def _give_up(room: Room, seats: list[Seat], *, at: datetime) -> None:
    # The sound of a seat that was given up is ended by the next census, if the page has not ended it itself.
    was_seen = [seat for seat in seats if seat.stage != Seat.Stage.OFF]
    for seat in seats:
        callboard.end_seat(seat.pk, upto=seat.connection, code=Close.BAD_GRANT)
        move(
            seat, Seat.Status.LEFT, stage=Seat.Stage.OFF, muted=True, hand_at=None, resume_hash="", seen_at=at
        )
    if was_seen:
        raise_seq(room)
        callboard.announce(room.pk)


def _tell(room: Room, seat: Seat) -> None:
    raise_seq(room)
    callboard.announce(room.pk, touched=[seat.pk])
