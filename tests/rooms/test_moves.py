"""Every move of what has a status here, tried from everywhere to everywhere against a table of its own."""

from datetime import datetime, timedelta

import pytest

from payments.states import WrongState, move
from rooms import stage
from rooms.models import Room, Seat
from tests.rooms import people
from ticketing.models import Event

pytestmark = pytest.mark.django_db

# Written down here by hand: what a room and a seat may become, in the words of docs/rooms.md.
ROOM = {
    ("shut", "open"),  # a host opens the doors
    ("shut", "closed"),  # the event is over before anybody opened
    ("open", "closed"),  # a host closes
    ("open", "shut"),  # every host stayed away, and the evening is not over
}
SEAT = {
    ("taken", "present"),
    ("taken", "away"),
    ("taken", "left"),
    ("taken", "revoked"),
    ("present", "present"),  # another socket of the same page
    ("present", "away"),
    ("present", "left"),
    ("present", "revoked"),
    ("away", "present"),
    ("away", "left"),
    ("away", "revoked"),
}
STAGE = {
    ("off", "hand"),
    ("off", "invited"),
    ("off", "on"),  # hosts and moderators, of themselves
    ("hand", "off"),
    ("hand", "invited"),
    ("hand", "on"),  # the same
    ("invited", "off"),
    ("invited", "on"),
    ("on", "off"),
}


@pytest.fixture
def room(tonight: Event) -> Room:
    return Room.objects.create(event=tonight)


@pytest.mark.parametrize("start", Room.Status.values)
@pytest.mark.parametrize("end", Room.Status.values)
def test_a_room_moves_as_the_table_says(start: str, end: str, room: Room, at: datetime) -> None:
    Room.objects.update(status=start, opened_at=at, closed_at=at)
    room.refresh_from_db()
    moments = {"opened_at": at + timedelta(hours=1), "closed_at": at + timedelta(hours=1)}
    if (start, end) in ROOM:
        move(room, end, **moments)
        assert Room.objects.get().status == end
    else:
        with pytest.raises(WrongState):
            move(room, end, **moments)
        assert Room.objects.get().status == start


@pytest.mark.parametrize("start", Seat.Status.values)
@pytest.mark.parametrize("end", Seat.Status.values)
def test_a_seat_moves_as_the_table_says(start: str, end: str, bens_seat: Seat) -> None:
    Seat.objects.filter(pk=bens_seat.pk).update(status=start)
    seat = people.now(bens_seat)
    if (start, end) in SEAT:
        move(seat, end)
        assert people.now(bens_seat).status == end
    else:
        with pytest.raises(WrongState):
            move(seat, end)
        assert people.now(bens_seat).status == start


@pytest.mark.parametrize("start", Seat.Stage.values)
@pytest.mark.parametrize("end", Seat.Stage.values)
def test_a_seat_goes_on_and_off_stage_as_the_table_says(
    start: str, end: str, bens_seat: Seat, at: datetime
) -> None:
    Seat.objects.filter(pk=bens_seat.pk).update(stage=start, hand_at=at)
    seat = people.now(bens_seat)
    if (start, end) in STAGE:
        stage._put(seat, Seat.Stage(end), hand_at=at)
        assert people.now(bens_seat).stage == end
    else:
        with pytest.raises(stage.NotNow):
            stage._put(seat, Seat.Stage(end), hand_at=at)
        assert people.now(bens_seat).stage == start


@pytest.mark.parametrize(
    ("moves", "values", "table"),
    [
        (Room.MOVES, Room.Status.values, ROOM),
        (Seat.MOVES, Seat.Status.values, SEAT),
        (Seat.STAGE_MOVES, Seat.Stage.values, STAGE),
    ],
)
def test_the_moves_beside_a_status_are_those_of_the_table_and_no_more(
    moves: dict[str, set[str]], values: list[str], table: set[tuple[str, str]]
) -> None:
    assert {(str(start), str(end)) for start, ends in moves.items() for end in ends} == table
    assert {str(start) for start in moves} <= set(values)
