"""A room forgets: once it is closed, nothing in Redis names it or what it had."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from channels.db import database_sync_to_async
from django.db import connections
from django.test import AsyncClient
from redis import Redis

from rooms import doors, grants, stage, stagehand
from rooms.models import Grant, Seat
from tests.rooms.extras import Extras, opens
from tests.rooms.media.test_gate import FIREFOX, SPEAKING
from ticketing.models import Event

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.asyncio,
    pytest.mark.usefixtures("nothing_left_open"),
]


def everything(redis_url: str) -> Iterator[tuple[str, str]]:
    """Yield each key of both databases that tests use, with all that it holds, as text."""
    for number in (0, 1):
        with Redis.from_url(
            f"{redis_url}?db={number}", decode_responses=True, encoding_errors="replace"
        ) as redis:
            for key in redis.scan_iter():
                kind = redis.type(key)
                read = {
                    "string": redis.get,
                    "hash": redis.hgetall,
                    "set": redis.smembers,
                    "list": lambda name: redis.lrange(name, 0, -1),
                    "zset": lambda name: redis.zrange(name, 0, -1),
                }[str(kind)]
                yield key, str(read(key))


def naming(redis_url: str, *names: str) -> list[str]:
    """Return the keys that name one of these, or hold something that does."""
    return [key for key, held in everything(redis_url) if any(name in key + held for name in names)]


async def post(event: Event, seat: Seat, use: Grant.Use, at: datetime, offer: str) -> str:
    """Come in by WHEP or WHIP, and return the address of the session."""
    token = await database_sync_to_async(grants.issue)(seat=seat, use=use, at=at)
    door = {Grant.Use.LISTEN: "whep", Grant.Use.SPEAK: "whip"}[use]
    answer = await AsyncClient().post(
        f"/rooms/{event.slug}/{door}",
        data=offer,
        content_type="application/sdp",
        headers={"Authorization": f"Bearer {token}"},
    )
    assert answer.status_code == 201
    return str(answer["Location"])


async def test_no_key_names_a_room_that_was_closed(
    redis_url: str, extras: Extras, adas_seat: Seat, bens_seat: Seat, tonight: Event, at: datetime
) -> None:
    names = ("home", "edge")
    extras.sign_on("mixer", "home")
    extras.sign_on("edge", "edge")
    room, seats = adas_seat.room_id, (adas_seat.pk, bens_seat.pk)
    await database_sync_to_async(stage.step_up)(by=adas_seat)
    with extras.answering("home", opens), extras.answering("edge", opens):
        await post(tonight, adas_seat, Grant.Use.SPEAK, at, SPEAKING)
        place = await post(tonight, bens_seat, Grant.Use.LISTEN, at, FIREFOX)
    speaking = {"event": "speaking", "room": room, "seats": [adas_seat.pk]}
    await stagehand.pass_on(speaking)
    assert len(naming(redis_url, room, *seats)) >= 3  # who speaks, and each session

    await database_sync_to_async(doors.close_room)(by=adas_seat, at=at)
    await stagehand.pass_on(speaking)  # which the mixer told last

    for name in names:
        assert [call["op"] for call in extras.told(name)][-1] == "close"
    assert naming(redis_url, room, *seats, "s" * 22) == []
    assert (await AsyncClient().delete(place)).status_code == 404


async def test_who_comes_in_while_the_room_closes_is_forgotten_too(
    redis_url: str, extras: Extras, adas_seat: Seat, bens_seat: Seat, tonight: Event, at: datetime
) -> None:
    extras.sign_on("edge", "edge")

    def closes(call: Mapping[str, Any]) -> Mapping[str, Any]:
        if call["op"] == "listen":
            doors.close_room(by=adas_seat, at=at)
            connections.close_all()
        return opens(call)

    with extras.answering("edge", closes):
        await post(tonight, bens_seat, Grant.Use.LISTEN, at, FIREFOX)
    await sync_to_async(extras.told)("edge")
    assert naming(redis_url, adas_seat.room_id) == []
