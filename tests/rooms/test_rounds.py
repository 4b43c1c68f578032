"""The rounds: rows are the truth, and whatever differs is put right."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import OperationalError

from accounts.models import User
from clubs.models import Officer
from payments.states import move
from rooms import doors, grants, presence, rounds, stage
from rooms.models import Ban, Grant, Room, Seat
from tests import factories
from tests.rooms import people
from tests.rooms.extras import Extras
from ticketing.models import Event, Ticket

pytestmark = pytest.mark.django_db


def statuses(*seats: Seat) -> list[str]:
    return [people.now(seat).status for seat in seats]


def test_a_round_finds_dead_tickets(bens_seat: Seat, bens_ticket: Ticket, at: datetime) -> None:
    move(bens_ticket, Ticket.Status.DEAD)
    rounds.make(at=at)
    assert statuses(bens_seat) == [Seat.Status.REVOKED]


def test_a_round_finds_tickets_that_are_somebody_else_s_by_now(
    bens_seat: Seat, bens_ticket: Ticket, max: User, at: datetime
) -> None:
    Ticket.objects.filter(pk=bens_ticket.pk).update(holder=max)
    rounds.make(at=at)
    assert statuses(bens_seat) == [Seat.Status.REVOKED]


def test_a_round_finds_the_banned(adas_seat: Seat, bens_seat: Seat, ben: User, at: datetime) -> None:
    Ban.objects.create(room=adas_seat.room, user=ben, by=adas_seat.user, at=at)
    rounds.make(at=at)
    assert statuses(adas_seat, bens_seat) == [Seat.Status.PRESENT, Seat.Status.REVOKED]


def test_a_round_finds_those_who_no_longer_run_the_club(
    adas_seat: Seat, tonight: Event, at: datetime
) -> None:
    user = people.officer(tonight, Officer.Role.MODERATOR)
    seat = people.sit(user, tonight, at)
    Officer.objects.filter(user=user).update(role=Officer.Role.CASHIER)
    rounds.make(at=at)
    assert statuses(adas_seat, seat) == [Seat.Status.PRESENT, Seat.Status.REVOKED]


def test_a_round_leaves_everybody_else_where_they_are(adas_seat: Seat, bens_seat: Seat, at: datetime) -> None:
    before = people.now(bens_seat).epoch
    rounds.make(at=at)
    assert statuses(adas_seat, bens_seat) == [Seat.Status.PRESENT] * 2
    assert people.now(bens_seat).epoch == before


def test_a_round_forgets_old_grants(bens_seat: Seat, at: datetime) -> None:
    grants.issue(seat=bens_seat, use=Grant.Use.LISTEN, at=at - timedelta(hours=1))
    rounds.make(at=at)
    assert Grant.objects.filter(expires_at__lt=at).count() == 0


@pytest.mark.parametrize("listeners", [1, 3])
def test_a_round_costs_the_same_for_any_number_of_listeners(
    listeners: int, adas_seat: Seat, tonight: Event, at: datetime, django_assert_num_queries: Any
) -> None:
    for _ in range(listeners):
        people.sit(people.fan(tonight), tonight, at)
    with django_assert_num_queries(14):
        rounds.make(at=at)


def test_audiences_are_counted_without_the_stage(
    adas_seat: Seat, bens_seat: Seat, at: datetime, django_assert_num_queries: Any
) -> None:
    stage.step_up(by=adas_seat)
    seq = Room.objects.values_list("seq", flat=True).get()
    with django_assert_num_queries(2):
        assert rounds.audiences() == {adas_seat.room_id: (1, seq)}


def test_an_open_room_that_everybody_has_left_counts_nobody(adas_seat: Seat) -> None:
    Seat.objects.all().delete()
    assert [count for count, _seq in rounds.audiences().values()] == [0]


def test_the_census_tells_who_is_in_the_room_and_nothing_else(
    extras: Extras, adas_seat: Seat, bens_seat: Seat, at: datetime
) -> None:
    stage.step_up(by=adas_seat)
    stage.unmute(by=adas_seat)
    Room.objects.update(frame_ms=40, music=True)
    extras.sign_on("edge", "edge")
    extras.settle(adas_seat.room_id, extras.sign_on("mixer", "home"))
    rounds.make(at=at)
    for name in ("home", "edge"):
        [call] = extras.told(name)
        assert (call["op"], call["room"], call["at"]) == ("census", adas_seat.room_id, at.timestamp())
        assert (call["frames"], call["music"]) == (2, True)
        assert call["seats"] == {
            adas_seat.pk: {"epoch": 1, "stage": True, "muted": False},
            bens_seat.pk: {"epoch": 1, "stage": False, "muted": True},
        }


def test_the_census_counts_the_team_in_a_room_whose_doors_are_shut(
    extras: Extras, ada: User, tonight: Event, at: datetime
) -> None:
    seat = people.sit(ada, tonight, at)
    Room.objects.update(frame_ms=60)
    extras.settle(seat.room_id, extras.sign_on("mixer", "home"))
    rounds.make(at=at)
    [call] = extras.told("home")
    assert (list(call["seats"]), call["frames"]) == ([seat.pk], 3)


def test_a_round_finds_a_home_for_a_room_that_redis_has_forgotten(
    extras: Extras, adas_seat: Seat, at: datetime
) -> None:
    extras.sign_on("mixer", "home")
    rounds.make(at=at)
    assert extras.home(adas_seat.room_id) is None  # nobody speaks in it, so it needs none
    stage.step_up(by=adas_seat)
    stage.unmute(by=adas_seat)
    rounds.make(at=at)
    assert extras.home(adas_seat.room_id) == "home"
    assert [call["op"] for call in extras.told("home")] == ["open", "census", "census"]


# ---- One odd room


def rooms_without_a_host(at: datetime, count: int = 3) -> list[Room]:
    """Return open rooms that every host left long ago, after their planned end."""
    rooms = []
    for _ in range(count):
        event = factories.EventFactory.create(status=Event.Status.LIVE, starts_at=at - timedelta(days=1))
        gone = at - timedelta(hours=1)
        rooms.append(
            factories.RoomFactory.create(
                event=event, status=Room.Status.OPEN, opened_at=gone, host_gone_at=gone
            )
        )
    return rooms


def test_one_odd_room_keeps_no_other_waiting(at: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    odd, *others = rooms_without_a_host(at)
    close = doors._close

    def stumbles(room: Room, *, at: datetime) -> None:
        if room.pk == odd.pk:
            raise RuntimeError("an odd room")
        close(room, at=at)

    monkeypatch.setattr(doors, "_close", stumbles)
    rounds.make(at=at)
    closed = Room.objects.filter(status=Room.Status.CLOSED).values_list("pk", flat=True)
    assert set(closed) == {room.pk for room in others}


def test_one_odd_part_keeps_no_other_part_of_the_round_waiting(
    extras: Extras, adas_seat: Seat, at: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stumbles(*, at: datetime) -> int:
        raise RuntimeError(f"an odd part at {at}")

    monkeypatch.setattr(presence, "expire", stumbles)
    extras.sign_on("edge", "edge")
    rounds.make(at=at)
    assert [call["op"] for call in extras.told("edge")] == ["census"]


def test_a_database_that_is_away_is_told_to_whoever_made_the_round(
    at: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*, at: datetime) -> int:
        raise OperationalError(f"nobody answers at {at}")

    monkeypatch.setattr(presence, "expire", away)
    with pytest.raises(OperationalError):
        rounds.make(at=at)
