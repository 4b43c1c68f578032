"""What is asked of mixers and edges: of whom, in which words, and what happens when nobody answers."""

from collections.abc import Mapping
from contextlib import ExitStack
from datetime import datetime
from typing import Any

import pytest

from rooms import media_calls
from rooms.media_calls import MediaRefused, MediaSilent, Roll, Sound, Standing
from rooms.placement import NoMediaProcess
from tests.rooms.extras import Extras, opens, refuses, without_letterhead

ROOM, SEAT = "a" * 32, "b" * 32


async def listen() -> media_calls.Opened:
    return await media_calls.listen(room=ROOM, seat=SEAT, epoch=1, offer="v=0")


@pytest.fixture
def house(extras: Extras) -> Extras:
    """Return a house with a home for the room, one edge that drains and one that does not."""
    extras.sign_on("mixer", "home")
    extras.sign_on("mixer", "elsewhere")
    extras.sign_on("edge", "east")
    extras.sign_on("edge", "west", draining=True)
    extras.settle(ROOM, "home")
    return extras


# ---- Listening


@pytest.mark.asyncio
async def test_a_listener_goes_to_the_edge_with_most_room(extras: Extras) -> None:
    extras.sign_on("edge", "east", listeners=1)
    extras.sign_on("edge", "west")
    with extras.answering("west", opens) as asked:
        opened = await listen()
    assert opened == media_calls.Opened(answer="v=0 answered", session="s" * 22, process="west")
    assert [without_letterhead(call) for call in asked] == [
        {"op": "listen", "room": ROOM, "seat": SEAT, "epoch": 1, "offer": "v=0"}
    ]


@pytest.mark.asyncio
async def test_nobody_waits_for_an_edge_that_died_a_moment_ago(
    extras: Extras, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(media_calls, "PATIENCE_SECONDS", 0.1)
    extras.sign_on("edge", "dead")
    extras.sign_on("edge", "well", listeners=50)
    with extras.answering("well", opens):
        assert (await listen()).process == "well"
    assert [call["op"] for call in extras.told("dead")] == ["listen"]


@pytest.mark.asyncio
async def test_an_edge_that_is_only_slow_is_waited_for(
    extras: Extras, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(media_calls, "PATIENCE_SECONDS", 0.05)
    extras.sign_on("edge", "slow")

    def after_a_while(call: Mapping[str, Any]) -> Mapping[str, Any]:
        extras.redis.blpop(["nothing"], timeout=0.3)
        return opens(call)

    with extras.answering("slow", after_a_while) as asked:
        assert (await listen()).process == "slow"
    assert len(asked) == 1


@pytest.mark.asyncio
@pytest.mark.parametrize("code", ["full", "closing"])
async def test_an_edge_without_a_place_sends_on_to_another(extras: Extras, code: str) -> None:
    extras.sign_on("edge", "one")
    extras.sign_on("edge", "two", listeners=50)
    with ExitStack() as house:
        house.enter_context(extras.answering("one", refuses(code)))
        house.enter_context(extras.answering("two", opens))
        assert (await listen()).process == "two"


@pytest.mark.asyncio
async def test_when_every_edge_is_full_the_door_says_so(extras: Extras) -> None:
    with ExitStack() as house:
        for name in ("one", "two"):
            extras.sign_on("edge", name)
            house.enter_context(extras.answering(name, refuses("full")))
        with pytest.raises(MediaRefused) as refused:
            await listen()
    assert refused.value.code == "full"


@pytest.mark.asyncio
async def test_a_seat_that_is_denied_tries_no_other_door(extras: Extras) -> None:
    extras.sign_on("edge", "one")
    extras.sign_on("edge", "two", listeners=50)
    with extras.answering("one", refuses("denied")), pytest.raises(MediaRefused) as refused:
        await listen()
    assert refused.value.code == "denied"
    assert extras.told("two") == []


@pytest.mark.asyncio
async def test_without_edges_nobody_listens(extras: Extras) -> None:
    extras.die("edge", "dead")
    with pytest.raises(NoMediaProcess):
        await listen()


@pytest.mark.asyncio
async def test_when_nobody_answers_the_waiting_ends(extras: Extras, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(media_calls, "ANSWER_SECONDS", 0.2)
    extras.sign_on("edge", "deaf")
    with pytest.raises(MediaSilent):
        await listen()


@pytest.mark.asyncio
async def test_calls_to_the_dead_are_forgotten(extras: Extras, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(media_calls, "ANSWER_SECONDS", 0.2)
    extras.sign_on("edge", "deaf")
    with pytest.raises(MediaSilent):
        await listen()
    assert 0 < extras.redis.ttl("media:calls:deaf") <= media_calls.QUEUE_SECONDS


# ---- Speaking


@pytest.mark.asyncio
async def test_a_speaker_s_home_learns_how_the_room_sounds(house: Extras) -> None:
    with house.answering("home", opens) as asked:
        opened = await media_calls.speak(
            home="home", room=ROOM, seat=SEAT, epoch=2, muted=True, sound=Sound(3, music=True), offer="v=0"
        )
    assert opened.process == "home"
    assert [without_letterhead(call) for call in asked] == [
        {
            "op": "speak", "room": ROOM, "seat": SEAT, "epoch": 2, "muted": True, "offer": "v=0",
            "frames": 3, "music": True,
        }
    ]  # fmt: skip


# ---- What is only told


def test_what_takes_somebody_away_is_told_to_the_home_and_to_every_edge(house: Extras) -> None:
    media_calls.drop(room=ROOM, seat=SEAT, epoch=1)
    for name in ("home", "east", "west"):
        assert [without_letterhead(call) for call in house.told(name)] == [
            {"op": "drop", "room": ROOM, "seat": SEAT, "epoch": 1}
        ]
    assert house.told("elsewhere") == []


def test_a_closed_room_is_closed_everywhere_and_has_no_home(house: Extras) -> None:
    media_calls.close(rooms=[ROOM])
    told = {name: [call["op"] for call in house.told(name)] for name in ("home", "east", "west", "elsewhere")}
    # A room that was closed before has no home that anybody knows of: so every mixer is told.
    assert told == {name: ["close"] for name in ("home", "east", "west", "elsewhere")}
    assert house.home(ROOM) is None


def test_edges_are_put_out_of_a_room_that_has_no_home(extras: Extras) -> None:
    extras.sign_on("edge", "east")
    media_calls.drop(room=ROOM, seat=SEAT, epoch=1)
    assert [call["op"] for call in extras.told("east")] == ["drop"]


def test_what_is_about_the_stage_is_told_to_the_home_alone(house: Extras) -> None:
    media_calls.stage(room=ROOM, seat=SEAT, on=True)
    media_calls.mute(room=ROOM, seat=SEAT, muted=False)
    media_calls.tune(room=ROOM, sound=Sound(2, music=False))
    assert [without_letterhead(call) for call in house.told("home")] == [
        {"op": "stage", "room": ROOM, "seat": SEAT, "on": True},
        {"op": "mute", "room": ROOM, "seat": SEAT, "muted": False},
        {"op": "settings", "room": ROOM, "frames": 2, "music": False},
    ]
    assert [house.told(name) for name in ("east", "west", "elsewhere")] == [[], [], []]


def test_the_census_goes_to_the_home_and_to_every_edge(house: Extras, at: datetime) -> None:
    seats = {SEAT: Standing(epoch=3, stage=True, muted=False)}
    media_calls.census({ROOM: Roll(seats, Sound(2, music=True)), "b" * 32: Roll({})}, at=at)
    expected = {
        "op": "census", "room": ROOM, "at": at.timestamp(), "frames": 2, "music": True,
        "seats": {SEAT: {"epoch": 3, "stage": True, "muted": False}},
    }  # fmt: skip
    assert [without_letterhead(call) for call in house.told("home")] == [expected]
    for edge in ("east", "west"):
        told = [without_letterhead(call) for call in house.told(edge)]
        assert told[0] == expected
        assert [(call["op"], call["room"]) for call in told[1:]] == [("census", "b" * 32)]


def test_a_new_home_is_told_how_the_room_sounds_before_who_is_in_it(house: Extras, at: datetime) -> None:
    media_calls.settle({ROOM: Roll({}, Sound(3, music=False))}, at=at)
    told = house.told("home")
    assert [call["op"] for call in told] == ["open", "census"]
    assert without_letterhead(told[0]) == {"op": "open", "room": ROOM, "frames": 3, "music": False}
    assert house.told("east") == []
