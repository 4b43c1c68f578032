"""Rooms whose mixer has died or drains: they move once, and the new home is told what it must know."""

from datetime import datetime
from typing import Any

import pytest

from accounts.models import User
from rooms import doors, homes, placement, stage
from rooms.models import Room, Seat
from tests import factories
from tests.rooms import people
from tests.rooms.extras import Extras, without_letterhead
from ticketing.models import Event

pytestmark = pytest.mark.django_db


@pytest.fixture
def orphaned(extras: Extras, adas_seat: Seat) -> Seat:
    """Return the seat of Ada, who speaks in a room whose mixer has died."""
    stage.step_up(by=adas_seat)
    stage.unmute(by=adas_seat)
    extras.settle(adas_seat.room_id, "dead")
    extras.sign_on("mixer", "new")
    return people.now(adas_seat)


def test_a_room_whose_mixer_died_gets_another_that_knows_it(
    extras: Extras, orphaned: Seat, at: datetime
) -> None:
    Room.objects.update(frame_ms=60, music=True)
    assert homes.watch(at=at) == 1
    room, sound = orphaned.room_id, {"frames": 3, "music": True}
    seats = {orphaned.pk: {"epoch": 1, "stage": True, "muted": False}}
    assert [without_letterhead(call) for call in extras.told("new")] == [
        {"op": "open", "room": room, **sound},
        {"op": "census", "room": room, "seats": seats, "at": at.timestamp(), **sound},
    ]
    assert homes.watch(at=at) == 0
    assert extras.told("new") == []


def test_a_room_is_moved_before_its_doors_open_as_well(
    extras: Extras, ada: User, tonight: Event, at: datetime
) -> None:
    seat = people.sit(ada, tonight, at)
    extras.settle(seat.room_id, "dead")
    extras.sign_on("mixer", "new")
    assert homes.watch(at=at) == 1


def test_a_closed_room_needs_no_home(extras: Extras, orphaned: Seat, at: datetime) -> None:
    doors.close_room(by=orphaned, at=at)
    extras.settle(orphaned.room_id, "dead")
    assert homes.watch(at=at) == 0


def test_without_another_mixer_the_room_waits(extras: Extras, orphaned: Seat, at: datetime) -> None:
    extras.die("mixer", "new")
    assert homes.watch(at=at) == 0
    extras.sign_on("mixer", "newer")
    assert homes.watch(at=at) == 1


def test_whoever_comes_to_speak_first_moves_the_room_with_all_that_follows(
    extras: Extras, orphaned: Seat, at: datetime
) -> None:
    assert homes.carry(room_id=orphaned.room_id, at=at) == "new"
    assert [call["op"] for call in extras.told("new")] == ["open", "census"]
    assert homes.watch(at=at) == 0


def test_a_room_that_never_had_a_home_gets_one_from_its_first_speaker(
    extras: Extras, adas_seat: Seat, at: datetime
) -> None:
    with pytest.raises(placement.NoMediaProcess):
        homes.carry(room_id=adas_seat.room_id, at=at)
    extras.sign_on("mixer", "new")
    assert homes.carry(room_id=adas_seat.room_id, at=at) == "new"
    assert extras.told("new") == []  # the speaker's own call says what there is to know


@pytest.mark.parametrize("rooms", [1, 3])
def test_a_look_costs_one_query_and_a_move_three_for_any_number_of_rooms(
    extras: Extras, rooms: int, at: datetime, django_assert_num_queries: Any
) -> None:
    for _ in range(rooms):
        seat = factories.SeatFactory.create(stage=Seat.Stage.ON)
        extras.settle(seat.room_id, "old")
    extras.sign_on("mixer", "old")
    extras.sign_on("mixer", "new", speakers=9)
    with django_assert_num_queries(1):
        assert homes.watch(at=at) == 0
    extras.sign_on("mixer", "old", draining=True)
    with django_assert_num_queries(3):
        assert homes.watch(at=at) == rooms
