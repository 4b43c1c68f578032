"""How a room sounds: for speech or for music, and how much of it is in one packet."""

from django.db import transaction

from accounts.afterwards import once_committed
from rooms import callboard, media_calls
from rooms.admission import raise_seq
from rooms.media_calls import Sound
from rooms.models import Room, Seat
from rooms.stage import NotAllowed, NotSeated


def tune(*, by: Seat, music: bool, frame_ms: int) -> None:
    """Have the room sound like this, at once. Only hosts may. Raise NotAllowed or NotSeated."""
    with transaction.atomic():
        room = Room.objects.select_for_update(of=("self",), no_key=True).get(pk=by.room_id)
        me = room.seats.seated().filter(pk=by.pk).first()
        if me is None:
            raise NotSeated("This seat has gone.")
        if me.role != Seat.Role.HOST:
            raise NotAllowed("Only a host tunes the room.")
        if (room.music, room.frame_ms) == (music, frame_ms):
            return  # said twice: nothing changes, and nobody is told
        room.music, room.frame_ms = music, frame_ms
        room.save(update_fields=["music", "frame_ms"])
        once_committed(media_calls.tune, room=room.pk, sound=Sound(frames=room.frames, music=room.music))
        raise_seq(room)
        callboard.announce(room.pk)
