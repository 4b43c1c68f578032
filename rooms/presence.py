"""Who is here: sockets come, are heard of every ten seconds, get lost, and are waited for."""

from datetime import datetime, timedelta

from django.db import transaction

from payments.states import move
from rooms import callboard
from rooms.admission import raise_seq
from rooms.models import Ban, Room, Seat
from rooms.protocol import GRACE_SECONDS, PING_SECONDS, Close

TAKEN_SECONDS = 60  # a seat whose page never opened its socket
LOST_SECONDS = 3 * PING_SECONDS  # a socket that says nothing for so long is gone, whatever the network thinks
MOST_AT_ONCE = 500


class Gone(Exception):
    """The socket no longer holds its seat. `code` says why, as the browser is told."""

    def __init__(self, code: Close) -> None:
        super().__init__(f"This socket has lost its seat: {code.name}.")
        self.code = code


def connect(*, seat: Seat, socket: str, at: datetime) -> Seat:
    """Let this socket hold the seat; an older one of the same seat is closed. Return the seat as it is now. Raise Gone."""
    with transaction.atomic():
        room = Room.objects.select_for_update().get(pk=seat.room_id)
        now = room.seats.seated().select_related("user", "room").filter(pk=seat.pk, epoch=seat.epoch).first()
        if now is None:
            raise Gone(why_gone(seat=seat, socket=socket))
        callboard.end_seat(now.pk, epoch=now.epoch, code=Close.TAKEN_OVER, keep=socket)
        move(now, Seat.Status.PRESENT, socket=socket, seen_at=at)
        if now.role == Seat.Role.HOST and room.host_gone_at is not None:
            Room.objects.filter(pk=room.pk).update(host_gone_at=None)
            _tell(room, now)
        elif now.is_on_stage:
            _tell(room, now)
    return now


def touch(*, seat: Seat, socket: str, at: datetime) -> int:
    """Note that the socket is alive, and return the room's seq. Raise Gone when the seat is no longer its own."""
    mine = Seat.objects.filter(pk=seat.pk, epoch=seat.epoch, socket=socket, status=Seat.Status.PRESENT)
    if not mine.update(seen_at=at):
        raise Gone(why_gone(seat=seat, socket=socket))
    return Room.objects.values_list("seq", flat=True).get(pk=seat.room_id)


def away(*, seat: Seat, socket: str, at: datetime) -> None:
    """Note that the socket is lost. The seat waits; nothing happens if another socket holds it by now."""
    with transaction.atomic():
        room = Room.objects.select_for_update().filter(pk=seat.room_id).first()
        now = Seat.objects.filter(pk=seat.pk, socket=socket, status=Seat.Status.PRESENT).first()
        if room is None or now is None:
            return
        move(now, Seat.Status.AWAY, seen_at=at)
        if now.is_on_stage:
            _tell(room, now)


def leave(*, seat: Seat, socket: str, at: datetime) -> None:
    """Give the seat up, as its person asked. Raise Gone when it is no longer this socket's."""
    with transaction.atomic():
        room = Room.objects.select_for_update().get(pk=seat.room_id)
        now = room.seats.seated().filter(pk=seat.pk, socket=socket).first()
        if now is None:
            raise Gone(why_gone(seat=seat, socket=socket))
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
    gone = 0
    for room_id in dict.fromkeys(room_id for room_id, _ in found):
        with transaction.atomic():
            room = Room.objects.select_for_update().get(pk=room_id)
            # Looked at again under the lock: somebody may have come back just now.
            seats = list(waited.filter(pk__in=[pk for of, pk in found if of == room_id]).order_by("pk"))
            _give_up(room, seats, at=at)
            gone += len(seats)
    return gone


def why_gone(*, seat: Seat, socket: str) -> Close:
    """Say why a socket lost its seat, as its browser is told."""
    now = Seat.objects.select_related("room").filter(pk=seat.pk).first()
    if now is None or now.room.status == Room.Status.CLOSED:
        return Close.ROOM_CLOSED
    if now.status == Seat.Status.REVOKED:
        banned = Ban.objects.filter(room_id=now.room_id, user_id=now.user_id).exists()
        return Close.REMOVED if banned else Close.TICKET_GONE
    taken_over = now.is_seated and (now.epoch != seat.epoch or now.socket not in {"", socket})
    return Close.TAKEN_OVER if taken_over else Close.BAD_GRANT


def _give_up(room: Room, seats: list[Seat], *, at: datetime) -> None:
    """The census, or the page itself, ends the sound of a seat that was given up."""
    was_seen = [seat for seat in seats if seat.stage != Seat.Stage.OFF]
    for seat in seats:
        callboard.end_seat(seat.pk, epoch=seat.epoch, code=Close.BAD_GRANT)
        move(
            seat, Seat.Status.LEFT, stage=Seat.Stage.OFF, muted=True, hand_at=None, resume_hash="", seen_at=at
        )
    if was_seen:
        raise_seq(room)
        callboard.announce(room.pk)


def _tell(room: Room, seat: Seat) -> None:
    raise_seq(room)
    callboard.announce(room.pk, touched=[seat.pk])
