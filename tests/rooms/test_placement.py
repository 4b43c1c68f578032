"""Which mixer carries a room and which edge takes a listener, as the register in Redis says."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from redis.connection import AbstractConnection

from rooms import placement
from rooms.placement import NoMediaProcess
from tests.rooms.extras import Extras

pytestmark = pytest.mark.django_db

ROOM, OTHER, THIRD = "a" * 32, "b" * 32, "c" * 32


# ---- Edges


def test_the_edge_with_most_room_left_takes_the_listener(extras: Extras) -> None:
    extras.sign_on("edge", "half-full", listeners=50, most=100)
    extras.sign_on("edge", "big", listeners=300, most=1000)
    assert placement.choose_edge() == "big"
    assert placement.choose_edge(avoid={"big"}) == "half-full"


def test_neither_the_dead_nor_the_draining_take_anybody(extras: Extras) -> None:
    extras.die("edge", "dead")
    extras.sign_on("edge", "draining", draining=True)
    with pytest.raises(NoMediaProcess):
        placement.choose_edge()
    extras.sign_on("edge", "alive", listeners=99)
    assert placement.choose_edge() == "alive"


def test_what_is_taken_away_is_told_to_draining_edges_as_well(extras: Extras) -> None:
    extras.die("edge", "dead")
    extras.sign_on("edge", "draining", draining=True)
    extras.sign_on("edge", "alive")
    assert placement.edges() == ["alive", "draining"]


# ---- Homes


def test_the_least_busy_mixer_gets_the_room_and_keeps_it(extras: Extras) -> None:
    extras.sign_on("mixer", "busy", rooms=2, speakers=6)
    extras.sign_on("mixer", "idle", rooms=3, speakers=1)
    assert placement.choose_home(ROOM) == "idle"
    extras.sign_on("mixer", "idle", rooms=9, speakers=9)
    assert (placement.choose_home(ROOM), placement.home_of(ROOM)) == ("idle", "idle")


def test_a_room_without_a_living_mixer_has_no_home(extras: Extras) -> None:
    extras.settle(ROOM, "dead")
    extras.die("mixer", "dead")
    assert placement.home_of(ROOM) is None
    with pytest.raises(NoMediaProcess):
        placement.choose_home(ROOM)


def test_a_draining_mixer_is_still_home_but_nobody_is_sent_there(extras: Extras) -> None:
    extras.sign_on("mixer", "draining", draining=True)
    extras.settle(ROOM, "draining")
    assert placement.home_of(ROOM) == "draining"
    extras.sign_on("mixer", "other")
    assert placement.choose_home(ROOM) == "other"


def test_of_many_that_choose_at_once_all_get_the_same_home(extras: Extras) -> None:
    for number in range(8):
        extras.sign_on("mixer", f"mixer-{number}")

    def choose(number: int) -> str:
        extras.sign_on("mixer", f"mixer-{number}", speakers=number)  # so that the choosers differ
        return placement.choose_home(ROOM)

    with ThreadPoolExecutor(8) as threads:
        assert len(set(threads.map(choose, reversed(range(8))))) == 1


# ---- Moving


@pytest.mark.parametrize("old", ["drains", "died"])
def test_a_room_moves_off_a_mixer_that_drains_or_died_once(extras: Extras, old: str) -> None:
    extras.settle(ROOM, "old")
    if old == "drains":
        extras.sign_on("mixer", "old", draining=True)
    assert placement.rehome(ROOM) is False  # where to?
    extras.sign_on("mixer", "new")
    assert [placement.rehome(ROOM), placement.rehome(ROOM)] == [True, False]
    assert extras.home(ROOM) == "new"


def test_a_room_whose_mixer_lives_or_that_has_none_stays_as_it_is(extras: Extras) -> None:
    extras.sign_on("mixer", "alive", speakers=5)
    extras.sign_on("mixer", "idle")
    extras.settle(ROOM, "alive")
    assert placement.rehome_all([ROOM, OTHER]) == []
    assert (extras.home(ROOM), extras.home(OTHER)) == ("alive", None)
    assert placement.rehome_all([ROOM, OTHER], homeless=True) == [OTHER]


# Seen failing while whoever found the room where they wanted it thought to have moved it.
def test_of_two_that_move_a_room_at_once_one_wins(extras: Extras) -> None:
    extras.sign_on("mixer", "new")
    rooms = [f"{number:032x}" for number in range(40)]
    for room in rooms:
        extras.settle(room, "dead")
    with ThreadPoolExecutor(4) as threads:
        moved = list(threads.map(lambda _: placement.rehome_all(rooms), range(4)))
    assert sorted(room for some in moved for room in some) == rooms


def test_the_rooms_of_a_dead_mixer_are_spread_over_the_living(extras: Extras) -> None:
    extras.sign_on("mixer", "one", rooms=2)
    extras.sign_on("mixer", "two")
    rooms = [ROOM, OTHER, THIRD, "d" * 32]
    for room in rooms:
        extras.settle(room, "dead")
    assert placement.rehome_all(rooms) == rooms
    assert sorted(str(extras.home(room)) for room in rooms) == ["one", "two", "two", "two"]


def test_a_look_asks_redis_as_often_for_many_rooms_as_for_one(
    extras: Extras, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[int] = []
    send = AbstractConnection.send_packed_command

    def count(self: AbstractConnection, *args: Any, **how: Any) -> None:
        sent[-1] += 1
        send(self, *args, **how)  # type: ignore[no-untyped-call]

    extras.sign_on("mixer", "new")
    monkeypatch.setattr(AbstractConnection, "send_packed_command", count)
    for rooms in (1, 30):
        names = [f"{rooms}-{number}" for number in range(rooms)]
        sent.append(0)
        for name in names:
            extras.settle(name, "dead")
        sent[-1] = 0
        assert placement.rehome_all(names) == names
    assert sent[0] == sent[1]


def test_who_lives_is_told_of_both_kinds(extras: Extras) -> None:
    extras.sign_on("edge", "edge")
    extras.sign_on("mixer", "mixer", draining=True)
    extras.die("edge", "dead")
    assert [placement.lives(name) for name in ("edge", "mixer", "dead", "nobody")] == [
        True,
        True,
        False,
        False,
    ]
