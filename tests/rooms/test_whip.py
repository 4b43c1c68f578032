"""WHIP and WHEP: who is let through, what is answered, and what is heard, with a real media process."""

import asyncio
import json
import re
import time
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

import pytest
from channels.db import database_sync_to_async
from django.test import AsyncClient

from accounts.models import User
from payments.states import move
from rooms import admission, doors, grants, media_calls, rounds, stage
from rooms.admission import Reason
from rooms.models import Grant, Room, Seat
from tests.rooms import sound
from tests.rooms.extras import Extras, opens, refuses, without_letterhead
from tests.rooms.media.ground import listening_offer
from ticketing import aftersales
from ticketing.models import Event, Ticket

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.asyncio,
    pytest.mark.usefixtures("nothing_left_open"),
]

issue = database_sync_to_async(grants.issue)
on_the_row = database_sync_to_async


def up_and_unmuted(seat: Seat) -> None:
    stage.step_up(by=seat)
    stage.unmute(by=seat)


async def leave_to(seat: Seat, use: Grant.Use, at: datetime) -> str:
    token: str = await issue(seat=seat, use=use, at=at)
    return token


# ---- What is heard


async def test_a_listener_hears_who_is_on_stage(
    media: None, adas_seat: Seat, bens_seat: Seat, tonight: Event, at: datetime
) -> None:
    await on_the_row(up_and_unmuted)(adas_seat)
    async with (
        sound.singing(tonight.slug, grant=await leave_to(adas_seat, Grant.Use.SPEAK, at), hz=440.0),
        sound.hearing(tonight.slug, grant=await leave_to(bens_seat, Grant.Use.LISTEN, at)) as (notes, _),
    ):
        await asyncio.sleep(2)
        heard = notes.heard(cut=False)
    assert heard.dominant_hz == pytest.approx(440, abs=5)
    assert heard.level_db(660) < -40


async def test_who_goes_up_is_muted_until_they_unmute_and_again_when_muted(
    media: None, adas_seat: Seat, bens_seat: Seat, tonight: Event, at: datetime
) -> None:
    await on_the_row(people_on_stage)(adas_seat, bens_seat, at)
    async with (
        sound.singing(tonight.slug, grant=await leave_to(bens_seat, Grant.Use.SPEAK, at)),
        sound.hearing(tonight.slug, grant=await leave_to(adas_seat, Grant.Use.LISTEN, at)) as (notes, _),
    ):
        await asyncio.sleep(0.8)
        assert loudness(notes) == "silent"
        await on_the_row(stage.unmute)(by=bens_seat)
        await asyncio.sleep(1)
        assert loudness(notes) == "heard"
        await on_the_row(stage.mute)(by=adas_seat, seat=bens_seat)
        await asyncio.sleep(1)
        assert loudness(notes) == "silent"


async def test_a_page_that_comes_back_is_muted_in_the_sound_at_once(
    media: None, adas_seat: Seat, bens_seat: Seat, ben: User, tonight: Event, at: datetime
) -> None:
    """Its old connection still sends: the row alone would leave it heard until the next census."""
    await on_the_row(people_on_stage)(adas_seat, bens_seat, at)
    await on_the_row(stage.unmute)(by=bens_seat)
    secret = "the secret of Ben's page"
    await Seat.objects.filter(pk=bens_seat.pk).aupdate(
        status=Seat.Status.AWAY, resume_hash=grants.digest(secret)
    )
    async with (
        sound.singing(tonight.slug, grant=await leave_to(bens_seat, Grant.Use.SPEAK, at)),
        sound.hearing(tonight.slug, grant=await leave_to(adas_seat, Grant.Use.LISTEN, at)) as (notes, _),
    ):
        await asyncio.sleep(1)
        assert loudness(notes) == "heard"
        again = await on_the_row(admission.resume)(
            user=ben, event=tonight, secret=secret, tab=bens_seat.tab, at=at
        )
        await asyncio.sleep(1)
        assert (again.seat.muted, loudness(notes)) == (True, "silent")


async def test_who_is_taken_down_is_cut_off_at_once(
    media: None, adas_seat: Seat, bens_seat: Seat, tonight: Event, at: datetime
) -> None:
    await on_the_row(people_on_stage)(adas_seat, bens_seat, at)
    await on_the_row(stage.unmute)(by=bens_seat)
    token = await leave_to(bens_seat, Grant.Use.SPEAK, at)
    async with (
        sound.singing(tonight.slug, grant=await leave_to(bens_seat, Grant.Use.SPEAK, at)),
        sound.hearing(tonight.slug, grant=await leave_to(adas_seat, Grant.Use.LISTEN, at)) as (notes, _),
    ):
        await asyncio.sleep(0.8)
        await on_the_row(stage.demote)(by=adas_seat, seat=bens_seat)
        await asyncio.sleep(1)
        assert loudness(notes) == "silent"
    refused = await sound.post(f"/rooms/{tonight.slug}/whip", grant=token, offer=await listening_offer())
    assert (refused.status_code, code_of(refused)) == (403, "not_on_stage")


# ---- Revocation


async def refund(seat: Seat, at: datetime) -> None:
    assert seat.ticket is not None
    await on_the_row(aftersales.refund)(order=seat.ticket.order, by=seat.user, reason="Cannot come", at=at)


async def lose_every_message_but_the_round(seat: Seat, at: datetime) -> None:
    """The row alone says that the ticket is dead; the round finds it."""
    await on_the_row(move)(seat.ticket, Ticket.Status.DEAD)
    await on_the_row(rounds.make)(at=at)


async def close_the_room(seat: Seat, at: datetime) -> None:
    host = await Seat.objects.aget(role=Seat.Role.HOST)
    assert host.room_id == seat.room_id
    await on_the_row(doors.close_room)(by=host, at=at)


@pytest.mark.parametrize("happen", [refund, lose_every_message_but_the_round, close_the_room])
async def test_silence_falls_within_two_seconds(
    happen: Callable[[Seat, datetime], Awaitable[None]],
    media: None,
    adas_seat: Seat,
    bens_seat: Seat,
    bens_ticket: Ticket,
    tonight: Event,
    at: datetime,
) -> None:
    await on_the_row(up_and_unmuted)(adas_seat)
    bens_seat = await Seat.objects.select_related("ticket__order", "user").aget(pk=bens_seat.pk)
    async with (
        sound.singing(tonight.slug, grant=await leave_to(adas_seat, Grant.Use.SPEAK, at)),
        sound.hearing(tonight.slug, grant=await leave_to(bens_seat, Grant.Use.LISTEN, at)) as (notes, _),
    ):
        await asyncio.sleep(1)
        began = time.time()
        await happen(bens_seat, at)
        async with asyncio.timeout(5):
            await notes.reading()
        heard = notes.heard(cut=True)
        assert heard.last_audible_at is not None
        assert heard.last_audible_at - began < 2


async def test_a_refund_during_the_offer_leaves_no_ear_in_the_room(
    media: None, bens_seat: Seat, tonight: Event, at: datetime
) -> None:
    """The grant is used, the ticket dies, then the offer reaches the media process."""

    token = await leave_to(bens_seat, Grant.Use.LISTEN, at)
    seat = await on_the_row(admission.enter)(token=token, use=Grant.Use.LISTEN, at=at)
    await on_the_row(admission.revoke)(seats=[seat.pk], reason=Reason.TICKET, at=at)
    with pytest.raises(media_calls.MediaRefused) as refused:
        await media_calls.listen(
            room=seat.room_id, seat=seat.pk, epoch=seat.epoch, offer=await listening_offer()
        )
    assert refused.value.code == "denied"


# ---- Who is refused, and how


@pytest.mark.parametrize("endpoint", ["whep", "whip"])
async def test_without_a_grant_nobody_is_let_through(endpoint: str, adas_seat: Seat, tonight: Event) -> None:
    for grant in (None, "x" * 43):
        answered = await sound.post(f"/rooms/{tonight.slug}/{endpoint}", grant=grant, offer="v=0")
        assert (answered.status_code, answered["WWW-Authenticate"]) == (401, "Bearer")
        assert answered["Content-Type"] == "application/problem+json"
        assert code_of(answered) == "bad_grant"


@pytest.mark.parametrize(("endpoint", "use"), [("whep", Grant.Use.LISTEN), ("whip", Grant.Use.SPEAK)])
async def test_a_grant_does_not_outlive_the_ticket(
    endpoint: str, use: Grant.Use, bens_seat: Seat, bens_ticket: Ticket, tonight: Event, at: datetime
) -> None:
    token = await leave_to(bens_seat, use, at)
    await on_the_row(move)(bens_ticket, Ticket.Status.DEAD)
    answered = await sound.post(f"/rooms/{tonight.slug}/{endpoint}", grant=token, offer="v=0")
    assert (answered.status_code, code_of(answered)) == (403, "no_ticket")


async def test_a_listener_may_not_speak(bens_seat: Seat, tonight: Event, at: datetime) -> None:
    token = await leave_to(bens_seat, Grant.Use.SPEAK, at)
    answered = await sound.post(f"/rooms/{tonight.slug}/whip", grant=token, offer="v=0")
    assert (answered.status_code, code_of(answered)) == (403, "not_on_stage")


async def test_a_grant_is_used_up_even_by_another_room(
    bens_seat: Seat, tonight: Event, ben: User, at: datetime
) -> None:
    token = await leave_to(bens_seat, Grant.Use.LISTEN, at)
    slugs = ["another-room", tonight.slug]
    codes = [
        (await sound.post(f"/rooms/{slug}/whep", grant=token, offer="v=0")).status_code for slug in slugs
    ]
    assert codes == [401, 401]


@pytest.mark.parametrize(
    ("code", "status"),
    [("bad_offer", 400), ("denied", 403), ("full", 503), ("closing", 410), ("failed", 502)],
)
async def test_what_the_sound_refuses_is_told_in_words(
    code: str, status: int, extras: Extras, bens_seat: Seat, tonight: Event, at: datetime
) -> None:
    extras.sign_on("edge", "edge")
    with extras.answering("edge", refuses(code)):
        token = await leave_to(bens_seat, Grant.Use.LISTEN, at)
        answered = await sound.post(f"/rooms/{tonight.slug}/whep", grant=token, offer="v=0")
    assert (answered.status_code, code_of(answered)) == (status, code)
    assert json.loads(answered.content)["detail"] == f"It is {code}."


@pytest.mark.parametrize(
    ("content_type", "offer", "status"),
    [("text/plain", "v=0", 415), ("application/sdp", "x" * (16 * 1024 + 1), 413)],
)
async def test_what_is_no_offer_does_not_use_the_grant_up(
    content_type: str, offer: str, status: int, bens_seat: Seat, tonight: Event, at: datetime
) -> None:
    token = await leave_to(bens_seat, Grant.Use.LISTEN, at)
    answered = await sound.post(
        f"/rooms/{tonight.slug}/whep", grant=token, offer=offer, content_type=content_type
    )
    assert answered.status_code == status
    assert await Grant.objects.filter(
        use=Grant.Use.LISTEN, token_hash=grants.digest(token), used_at=None
    ).aexists()


@pytest.mark.parametrize(("endpoint", "use"), [("whep", Grant.Use.LISTEN), ("whip", Grant.Use.SPEAK)])
async def test_without_a_media_process_the_door_asks_for_patience(
    endpoint: str, use: Grant.Use, extras: Extras, adas_seat: Seat, tonight: Event, at: datetime
) -> None:
    await on_the_row(stage.step_up)(by=adas_seat)
    token = await leave_to(adas_seat, use, at)
    answered = await sound.post(f"/rooms/{tonight.slug}/{endpoint}", grant=token, offer="v=0")
    assert (answered.status_code, answered["Retry-After"], code_of(answered)) == (503, "3", "media_away")


# ---- Who is asked


async def test_speakers_are_sent_to_the_room_s_home_with_what_their_row_says(
    extras: Extras, adas_seat: Seat, tonight: Event, at: datetime
) -> None:
    await on_the_row(stage.step_up)(by=adas_seat)
    await Room.objects.aupdate(frame_ms=40, music=True)
    extras.sign_on("mixer", "dead-tired", rooms=9)
    extras.sign_on("mixer", "fresh")
    with extras.answering("fresh", opens) as asked:
        token = await leave_to(adas_seat, Grant.Use.SPEAK, at)
        answered = await sound.post(f"/rooms/{tonight.slug}/whip", grant=token, offer="v=0")
    assert (answered.status_code, answered.content, answered["Content-Type"]) == (
        201,
        b"v=0 answered",
        "application/sdp",
    )
    assert [without_letterhead(call) for call in asked] == [
        {
            "op": "speak", "room": adas_seat.room_id, "seat": adas_seat.pk, "epoch": 1, "muted": True,
            "offer": "v=0", "frames": 2, "music": True,
        }
    ]  # fmt: skip


async def test_a_speaker_whose_mixer_died_comes_to_another_that_knows_the_room(
    extras: Extras, adas_seat: Seat, tonight: Event, at: datetime
) -> None:
    await on_the_row(up_and_unmuted)(adas_seat)
    extras.settle(adas_seat.room_id, "dead")
    extras.sign_on("mixer", "new")
    with extras.answering("new", opens) as asked:
        token = await leave_to(adas_seat, Grant.Use.SPEAK, at)
        await sound.post(f"/rooms/{tonight.slug}/whip", grant=token, offer="v=0")
    assert [call["op"] for call in asked] == ["open", "census", "speak"]
    assert asked[-1]["muted"] is False


# ---- The session's address


async def test_a_session_is_ended_at_its_address_and_nowhere_else(
    media: None, bens_seat: Seat, tonight: Event, at: datetime
) -> None:
    client = AsyncClient()
    grant = await leave_to(bens_seat, Grant.Use.LISTEN, at)
    async with sound.hearing(tonight.slug, grant=grant) as (notes, place):
        assert (await client.delete("/rooms/m/" + "x" * 22)).status_code == 404
        assert (await client.delete(place)).status_code == 200
        async with asyncio.timeout(5):
            await notes.reading()
    assert (await client.delete(place)).status_code == 404


async def test_a_session_is_ended_where_it_was_opened(
    extras: Extras, bens_seat: Seat, tonight: Event, at: datetime
) -> None:
    extras.sign_on("edge", "east")
    with extras.answering("east", opens) as asked:
        token = await leave_to(bens_seat, Grant.Use.LISTEN, at)
        place = (await sound.post(f"/rooms/{tonight.slug}/whep", grant=token, offer="v=0"))["Location"]
        extras.sign_on("edge", "west")
        extras.sign_on("edge", "east", listeners=90)
        assert (await AsyncClient().delete(place)).status_code == 200
    assert without_letterhead(asked[-1]) == {"op": "end", "room": bens_seat.room_id, "session": "s" * 22}
    assert extras.told("west") == []


async def test_a_session_whose_edge_has_died_has_ended(
    extras: Extras, bens_seat: Seat, tonight: Event, at: datetime
) -> None:
    extras.sign_on("edge", "east")
    with extras.answering("east", opens):
        token = await leave_to(bens_seat, Grant.Use.LISTEN, at)
        place = (await sound.post(f"/rooms/{tonight.slug}/whep", grant=token, offer="v=0"))["Location"]
    extras.die("edge", "east")
    assert [(await AsyncClient().delete(place)).status_code for _ in range(2)] == [200, 404]


async def test_patch_is_not_allowed_and_says_what_is(adas_seat: Seat) -> None:
    answered = await AsyncClient().patch(
        "/rooms/m/anything", data="", content_type="application/trickle-ice-sdpfrag"
    )
    assert (answered.status_code, answered["Allow"]) == (405, "DELETE, OPTIONS")


@pytest.mark.parametrize("endpoint", ["whep", "whip"])
async def test_options_tell_players_what_to_send(endpoint: str, tonight: Event) -> None:
    answered = await AsyncClient().options(f"/rooms/{tonight.slug}/{endpoint}")
    assert (answered.status_code, answered["Accept-Post"], answered["Access-Control-Allow-Origin"]) == (
        204,
        "application/sdp",
        "*",
    )
    assert (await AsyncClient().get(f"/rooms/{tonight.slug}/{endpoint}"))["Allow"] == "POST, OPTIONS, HEAD"


async def test_ice_servers_for_the_browser_are_told_in_links(
    extras: Extras, bens_seat: Seat, tonight: Event, at: datetime, settings: Any
) -> None:
    settings.ICE_SERVERS = ["stun:stun.example.com"]
    settings.TURN_URLS, settings.TURN_SECRET = ["turn:turn.example.com"], "north"
    extras.sign_on("edge", "edge")
    with extras.answering("edge", opens):
        token = await leave_to(bens_seat, Grant.Use.LISTEN, at)
        answered = await sound.post(f"/rooms/{tonight.slug}/whep", grant=token, offer="v=0")
    assert re.fullmatch(
        '<stun:stun.example.com>; rel="ice-server", <turn:turn.example.com>; rel="ice-server"; '
        r'username="\d+:[0-9a-f]{16}"; credential="[\w+/=]{28}"; credential-type="password"',
        answered["Link"],
    )


def people_on_stage(host: Seat, seat: Seat, at: datetime) -> None:
    stage.invite(by=host, seat=seat, at=at)
    stage.step_up(by=seat)


def loudness(notes: Any) -> str:
    """Say whether the last half second was silent; the notes are taken on."""
    pieces = notes._pieces[-25:]
    return "heard" if max(float(abs(piece).max()) for piece in pieces) > 0.01 else "silent"


def code_of(answered: Any) -> str:
    return str(json.loads(answered.content)["code"])
