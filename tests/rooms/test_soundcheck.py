"""How a room sounds, and who may say so."""

from datetime import datetime

import pytest
from django.db import IntegrityError, transaction

from clubs.models import Officer
from rooms import admission, soundcheck
from rooms.models import Room, Seat
from rooms.stage import NotAllowed, NotSeated
from tests.rooms import people
from tests.rooms.extras import Extras, without_letterhead
from ticketing.models import Event

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_host_tunes_the_room_and_its_home_is_told_at_once(extras: Extras, adas_seat: Seat) -> None:
    extras.settle(adas_seat.room_id, extras.sign_on("mixer", "home"))
    before = Room.objects.get().seq
    soundcheck.tune(by=adas_seat, music=True, frame_ms=40)
    soundcheck.tune(by=adas_seat, music=True, frame_ms=40)  # said twice
    room = Room.objects.get()
    assert (room.music, room.frame_ms, room.seq) == (True, 40, before + 1)
    assert [without_letterhead(call) for call in extras.told("home")] == [
        {"op": "settings", "room": room.pk, "frames": 2, "music": True}
    ]


def test_nobody_but_a_host_tunes_the_room(
    adas_seat: Seat, bens_seat: Seat, tonight: Event, at: datetime
) -> None:
    moderator = people.sit(people.officer(tonight, Officer.Role.MODERATOR), tonight, at)
    for seat in (bens_seat, moderator):
        with pytest.raises(NotAllowed):
            soundcheck.tune(by=seat, music=True, frame_ms=20)
    assert Room.objects.get().music is False


def test_a_seat_that_has_gone_tunes_nothing(adas_seat: Seat, at: datetime) -> None:
    admission.revoke(seats=[adas_seat.pk], reason=admission.Reason.TICKET, at=at)
    with pytest.raises(NotSeated):
        soundcheck.tune(by=adas_seat, music=True, frame_ms=20)


def test_the_database_knows_which_packets_there_are(adas_seat: Seat) -> None:
    with pytest.raises(IntegrityError, match="a_packet_holds_20_40_or_60_ms"), transaction.atomic():
        Room.objects.update(frame_ms=30)
