"""The control socket, over the real Redis channel layer."""

import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio
from channels.db import database_sync_to_async
from channels.layers import get_channel_layer

from accounts.models import User
from clubs.models import Officer
from payments.states import move
from rooms import admission, callboard, grants, presence, protocol
from rooms.models import Ban, Grant, Room, Seat
from rooms.protocol import Close
from tests.rooms import people
from tests.rooms.sockets import Page, inside, opened
from ticketing import aftersales
from ticketing.models import Event, Ticket

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.asyncio,
    pytest.mark.usefixtures("nothing_left_open"),
]


@pytest_asyncio.fixture
async def pages(
    ada: User, ben: User, bens_ticket: Ticket, tonight: Event, at: datetime
) -> AsyncIterator[tuple[Page, Page]]:
    """Yield Ada's page, who has opened the doors, and Ben's, who has come in."""
    async with AsyncExitStack() as stack:
        adas, _ = await stack.enter_async_context(inside(ada, tonight, at))
        assert (await adas.ask("open_doors"))["op"] == "ok"
        bens, _ = await stack.enter_async_context(inside(ben, tonight, at))
        yield adas, bens


async def seat_of(user: User) -> Seat:
    return await Seat.objects.seated().select_related("user").aget(user=user)


# ---- Coming in


async def test_a_hello_is_answered_with_who_you_are_and_how_the_room_stands(
    ada: User, tonight: Event, at: datetime
) -> None:
    async with inside(ada, tonight, at) as (_page, welcome):
        seat = await seat_of(ada)
        assert welcome == {
            "op": "welcome",
            "v": 1,
            "you": {"seat": seat.pk, "name": "Ada", "role": "host", "stage": "off", "muted": True},
            "room": {
                "status": "shut",
                "audience": 1,
                "host_gone": False,
                "host_left": False,
                "hands_up": 0,
                "stage": [],
                "hands": [],
                "sound": {"music": False, "frame_ms": 20},
            },
            "speaking": [],
            "seq": 0,
            "ping": 10,
            "grace": 45,
        }


async def test_whoever_says_nothing_is_shown_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "HELLO_SECONDS", 0.1)
    async with opened() as page:
        assert (await page.until_closed())[1] == Close.BAD_GRANT


async def test_a_grant_nobody_issued_opens_nothing() -> None:
    async with opened() as page:
        await page.say("hello", v=1, grant="x" * 43)
        last, code = await page.until_closed()
        assert (last["final"], code) == (False, Close.BAD_GRANT)


async def test_asking_before_saying_hello_ends_it() -> None:
    async with opened() as page:
        await page.say("ping", id=1)
        assert (await page.until_closed())[1] == Close.BAD_GRANT


async def test_a_grant_for_the_sound_does_not_open_the_socket(bens_seat: Seat, at: datetime) -> None:
    token = await database_sync_to_async(grants.issue)(seat=bens_seat, use=Grant.Use.LISTEN, at=at)
    async with opened() as page:
        await page.say("hello", v=1, grant=token)
        assert (await page.until_closed())[1] == Close.BAD_GRANT


async def test_a_ticket_that_died_since_the_grant_closes_for_good(
    bens_seat: Seat, bens_ticket: Ticket, at: datetime
) -> None:
    token = await database_sync_to_async(grants.issue)(seat=bens_seat, use=Grant.Use.SOCKET, at=at)
    await database_sync_to_async(move)(bens_ticket, Ticket.Status.DEAD)
    async with opened() as page:
        await page.say("hello", v=1, grant=token)
        last, code = await page.until_closed()
        assert (last["final"], last["text"], code) == (
            True,
            "You need a ticket for this room.",
            Close.TICKET_GONE,
        )


# ---- Being there


async def test_everybody_sees_a_hand_and_only_those_who_moderate_see_whose(
    pages: tuple[Page, Page], ben: User
) -> None:
    adas, bens = pages
    assert (await bens.ask("raise_hand"))["op"] == "ok"
    for_ada = await adas.room_where(hands_up=1)
    assert [(hand["name"], hand["handle"], hand["stage"]) for hand in for_ada["hands"]] == [
        ("Ben", "ben", "hand")
    ]
    assert (await bens.ask("sync"))["room"] == {
        key: value for key, value in for_ada.items() if key not in {"hands", "sound"}
    }


async def test_the_way_up_and_down_again_as_both_see_it(pages: tuple[Page, Page], ben: User) -> None:
    adas, bens = pages
    seat = await seat_of(ben)
    await adas.ask("invite", seat=seat.pk)
    assert (await bens.until("you"))["you"]["stage"] == "invited"
    await bens.ask("step_up")
    await bens.ask("unmute")
    while not (shown := (await adas.room_where(audience=1, hands_up=0))["stage"]):
        pass  # the room as it was before he stepped up
    assert [(person["name"], person["role"], person["away"]) for person in shown] == [
        ("Ben", "listener", False)
    ]
    await adas.ask("mute", seat=seat.pk)
    while (you := (await bens.until("you"))["you"])["muted"] is False or you["stage"] != "on":
        pass
    await adas.ask("demote", seat=seat.pk)
    assert (await bens.until("you", you={**you, "stage": "off"}))["you"]["muted"] is True


async def test_a_listener_who_plays_host_is_refused_in_words(pages: tuple[Page, Page], ada: User) -> None:
    _adas, bens = pages
    seat = (await seat_of(ada)).pk
    asked = [
        await bens.ask("open_doors"),
        await bens.ask("close_room"),
        await bens.ask("invite", seat=seat),
        await bens.ask("mute", seat=seat),
        await bens.ask("demote", seat=seat),
        await bens.ask("remove", seat=seat),
        await bens.ask("lower_hands"),
        await bens.ask("step_up"),
    ]
    assert {(answer["op"], answer["code"]) for answer in asked} == {("err", "not_allowed")}
    assert {answer["words"] for answer in asked} == {"You are not allowed to do that."}


async def test_a_seat_of_another_room_is_nobody_here(pages: tuple[Page, Page]) -> None:
    adas, _bens = pages
    assert (await adas.ask("invite", seat="0" * 32))["code"] == "not_here"


async def test_a_grant_to_speak_is_given_on_stage_only(pages: tuple[Page, Page], ada: User) -> None:
    adas, bens = pages
    assert (await bens.ask("grant", use="speak"))["code"] == "not_on_stage"
    await adas.ask("step_up")
    answer = await adas.ask("grant", use="speak")
    token = answer["grant"]
    assert answer["ice_servers"] == []
    seat = await database_sync_to_async(admission.enter)(
        token=token, use=Grant.Use.SPEAK, at=datetime.now().astimezone()
    )
    assert seat.user_id == ada.pk


async def test_a_ping_tells_the_seq_so_that_a_lost_message_is_noticed(pages: tuple[Page, Page]) -> None:
    adas, bens = pages
    before = (await bens.ask("ping"))["seq"]
    await adas.ask("step_up")
    assert (await bens.ask("ping"))["seq"] == before + 1


async def test_who_speaks_is_passed_on(pages: tuple[Page, Page]) -> None:
    _adas, bens = pages
    room = await Room.objects.aget()
    await get_channel_layer().group_send(
        callboard.room_group(room.pk), {"type": "room.speaking", "seats": ["a" * 32]}
    )
    assert await bens.until("speaking") == {"op": "speaking", "seats": ["a" * 32]}


async def test_a_host_tunes_the_room_and_only_hosts_are_told(
    pages: tuple[Page, Page], tonight: Event, at: datetime
) -> None:
    adas, bens = pages
    moderator = await database_sync_to_async(people.officer)(tonight, Officer.Role.MODERATOR)
    async with inside(moderator, tonight, at) as (mods, welcome):
        assert "sound" not in welcome["room"]
        assert (await adas.ask("sound", music=True, frame_ms=60))["op"] == "ok"
        for_ada = await adas.room_where(sound={"music": True, "frame_ms": 60})
        assert for_ada == {**(await adas.ask("sync"))["room"]}
        for page in (bens, mods):
            assert (await page.ask("sound", music=False, frame_ms=20))["code"] == "not_allowed"
            assert "sound" not in (await page.ask("sync"))["room"]
    room = await Room.objects.aget()
    assert (room.music, room.frame_ms, room.frames) == (True, 60, 3)


async def test_a_new_grant_brings_new_credentials_for_turn(pages: tuple[Page, Page], settings: Any) -> None:
    settings.TURN_URLS, settings.TURN_SECRET = ["turn:turn.example.com"], "north"
    _adas, bens = pages
    told = [(await bens.ask("grant", use="listen"))["ice_servers"] for _ in range(2)]
    assert [[sorted(server) for server in servers] for servers in told] == [
        [["credential", "urls", "username"]]
    ] * 2
    assert told[0] != told[1]


async def test_one_page_is_asked_to_connect_its_sound_anew(pages: tuple[Page, Page], ben: User) -> None:
    adas, bens = pages
    await callboard.ask_sound_again([(await seat_of(ben)).pk], again="listen", within=4.5)
    assert await bens.until("sound") == {"op": "sound", "again": "listen", "within": 4.5}
    await adas.say("ping", id=77)
    while (message := await adas.hear())["op"] != "ok":
        assert message["op"] != "sound"


# ---- Going


async def test_leaving_gives_the_seat_up(pages: tuple[Page, Page], ben: User) -> None:
    _adas, bens = pages
    assert (await bens.ask("leave"))["op"] == "ok"
    assert (await bens.until_closed())[1] == 1000
    assert await Seat.objects.seated().filter(user=ben).aexists() is False


async def test_a_lost_line_leaves_the_seat_waiting(
    ben: User, bens_ticket: Ticket, adas_seat: Seat, tonight: Event, at: datetime
) -> None:
    async with inside(ben, tonight, at):
        pass
    assert (await seat_of(ben)).status == Seat.Status.AWAY


async def test_a_second_page_ends_the_first_for_good(
    pages: tuple[Page, Page], ben: User, tonight: Event, at: datetime
) -> None:
    _adas, bens = pages
    async with inside(ben, tonight, at, take_over=True):
        last, code = await bens.until_closed()
        assert (last["final"], code) == (True, Close.TAKEN_OVER)
    assert (await seat_of(ben)).status == Seat.Status.AWAY


async def test_the_same_page_coming_back_early_ends_its_dead_socket(
    ben: User, bens_ticket: Ticket, adas_seat: Seat, tonight: Event, at: datetime
) -> None:
    admitted = await database_sync_to_async(admission.admit)(user=ben, event=tonight, tab=people.TAB, at=at)
    async with opened() as first:
        await first.say("hello", v=1, grant=admitted.socket_grant)
        await first.until("welcome")
        again = await database_sync_to_async(admission.resume)(
            user=ben, event=tonight, secret=admitted.resume, tab=people.TAB, at=at
        )
        async with opened() as second:
            await second.say("hello", v=1, grant=again.socket_grant)
            await second.until("welcome")
            assert (await first.until_closed())[1] == Close.TAKEN_OVER
            assert (await second.ask("ping"))["op"] == "ok"


async def test_a_reason_that_nobody_can_type_is_refused_and_the_socket_stays(
    pages: tuple[Page, Page], ben: User
) -> None:
    adas, _bens = pages
    await adas.say("remove", id=7, seat=(await seat_of(ben)).pk, reason="a\0b")
    assert (await adas.until("err"))["code"] == "bad_message"
    assert (await adas.ask("ping"))["op"] == "ok"


async def test_who_is_removed_is_told_so_and_cannot_come_back(
    pages: tuple[Page, Page], ben: User, tonight: Event, at: datetime
) -> None:
    adas, bens = pages
    await adas.ask("remove", seat=(await seat_of(ben)).pk, reason="Shouting")
    last, code = await bens.until_closed()
    assert (last["op"], last["final"], code) == ("bye", True, Close.REMOVED)
    with pytest.raises(admission.NotAdmitted):
        await database_sync_to_async(admission.admit)(user=ben, event=tonight, tab=people.TAB, at=at)


async def test_a_refund_ends_the_socket_for_good_within_two_seconds(
    pages: tuple[Page, Page], bens_ticket: Ticket, ada: User, at: datetime
) -> None:
    _adas, bens = pages
    began = time.monotonic()
    await database_sync_to_async(aftersales.refund)(
        order=bens_ticket.order, by=ada, reason="Cannot come", at=at
    )
    last, code = await bens.until_closed()
    assert (last["final"], code) == (True, Close.TICKET_GONE)
    assert last["text"] == "Your ticket is no longer valid, so you cannot stay in this room."
    assert time.monotonic() - began < 2


async def test_a_lost_message_is_made_up_for_by_the_next_ping(
    pages: tuple[Page, Page], ben: User, ada: User, at: datetime
) -> None:
    """The row alone is changed, as if every message about it had been lost."""
    _adas, bens = pages
    seat = await seat_of(ben)
    await Ban.objects.acreate(room_id=seat.room_id, user=ben, by=ada, at=at)
    await Seat.objects.filter(pk=seat.pk).aupdate(
        status=Seat.Status.REVOKED, epoch=seat.epoch + 1, closed_with=Close.REMOVED
    )
    await bens.say("ping", id=1)
    assert (await bens.until_closed())[1] == Close.REMOVED


async def test_closing_the_room_ends_every_socket_and_forgets_who_sat_there(pages: tuple[Page, Page]) -> None:
    await pages[0].say("close_room", id=1)
    assert [(await page.until_closed())[1] for page in pages] == [Close.ROOM_CLOSED] * 2
    assert [await model.objects.acount() for model in (Seat, Grant, Ban)] == [0, 0, 0]


# ---- Limits


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        '{"op":"fly"}',
        '{"op":"invite"}',
        '{"op":"ping","more":1}',
        '{"op":"mute","seat":"x"}',
        '{"op":"ping","id":-1}',
        '{"op":"sound","music":true,"frame_ms":30}',
        '{"op":"sound","music":"yes","frame_ms":20}',
        '{"op":"sound","music":true}',
    ],
)
async def test_what_is_no_message_is_refused_and_the_socket_lives(
    text: str, ada: User, tonight: Event, at: datetime
) -> None:
    async with inside(ada, tonight, at) as (page, _welcome):
        await page.socket.send_to(text_data=text)
        assert (await page.until("err"))["code"] == "bad_message"
        assert (await page.ask("ping"))["op"] == "ok"


@pytest.mark.parametrize("how", [{"text_data": "x" * (protocol.MOST_BYTES + 1)}, {"bytes_data": b"x"}])
async def test_too_long_a_message_ends_the_socket(
    how: dict[str, Any], ada: User, tonight: Event, at: datetime
) -> None:
    async with inside(ada, tonight, at) as (page, _welcome):
        await page.socket.send_to(**how)
        assert (await page.until_closed())[1] == Close.TOO_MUCH


async def test_a_flood_ends_the_socket(ada: User, tonight: Event, at: datetime) -> None:
    async with inside(ada, tonight, at) as (page, _welcome):
        for number in range(protocol.BURST + 20):
            await page.say("ping", id=number)
        assert (await page.until_closed())[1] == Close.TOO_MUCH


async def test_a_socket_that_lost_its_seat_to_time_is_told_to_come_anew(
    ada: User, tonight: Event, at: datetime
) -> None:
    async with inside(ada, tonight, at) as (page, _welcome):
        later = at + timedelta(minutes=5)
        assert await database_sync_to_async(presence.expire)(at=later) == 1
        last, code = await page.until_closed()
        assert (last["final"], code) == (False, Close.BAD_GRANT)
