"""Real listeners at a real edge, with a small mixer behind it."""

import asyncio
import contextlib
import os
import re
import signal
import time
from collections.abc import AsyncIterator
from itertools import pairwise

import numpy as np
import pytest

from rooms.media import edge as edge_module
from rooms.media import intake, wire
from rooms.media.edge import Edge
from rooms.media.opus import Decoder
from rooms.media.refusals import Closing, Denied, Full, Standing
from rooms.media.sending import NOTHING
from tests.rooms.media.edge_ground import HOUSE_HZ, ROOM, Client, Relay, ground, said_in, until

pytestmark = pytest.mark.asyncio


def loudest_hz(payloads: list[bytes]) -> float:
    decoder = Decoder()
    samples = np.concatenate([decoder.decode(payload) for payload in payloads])[9_600:]
    power = np.abs(np.fft.rfft(samples * np.blackman(samples.size), n=48_000))
    return float(np.argmax(power))


def steps(numbers: list[int], modulo: int) -> set[int]:
    return {(later - earlier) % modulo for earlier, later in pairwise(numbers)}


def assert_flows(client: Client, *, frames: int = 1) -> None:
    """Assert that no packet is missing, and no time but while the mixer itself was late."""
    assert steps(client.sequence, 1 << 16) == {1}
    if client.mixes == client.payloads:
        assert steps(client.timestamps, 1 << 32) == {960 * frames}
    assert all(0 < step < 1 << 31 for step in steps(client.timestamps, 1 << 32))


async def test_a_listener_hears_the_house() -> None:
    async with ground() as here:
        here.mix()
        client = await (await here.listen("anna")).hears(60)
        assert loudest_hz(client.mixes) == pytest.approx(HOUSE_HZ, abs=1)
        assert_flows(client)
        assert here.told("took_over") == [("anna",)]
    assert here.told("session_ended") == [("anna", "closed")]


async def test_who_comes_while_the_edge_rests_from_reading_does_not_wait(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(intake, "PAUSE_SECONDS", 60.0)
    async with ground() as here:
        here.mix()
        for seat in ("anna", "bert", "cora"):
            await (await here.listen(seat)).hears(3)


@pytest.mark.parametrize("bind", ["127.0.0.1", None])
async def test_it_is_reached_at_the_address_it_is_bound_to(bind: str | None) -> None:
    async with ground(bind=bind, addresses=["127.0.0.1", "::1"]) as here:
        here.mix()
        client = await (await here.listen("anna")).hears(3)
        offered = {line.split()[4] for line in said_in(client.opened.answer, "candidate")}
        assert offered == ({"127.0.0.1", "::1"} if bind is None else {"127.0.0.1"})


async def test_a_seat_with_a_mix_of_its_own_hears_that_and_nothing_else_and_all_in_one_count() -> None:
    async with ground() as here:
        mixer = here.mix()
        client = await (await here.listen("anna")).hears(10)
        other = await (await here.listen("ben")).hears(10)
        mixer.own = {"anna": 880.0}
        await client.hears(20)
        mixer.own = {}
        await client.hears(20)
        heard = [mixer.sent[payload] for payload in client.mixes]
        assert "".join("o" if seat == "anna" else "h" for seat in heard).strip("h").strip("o") == ""
        assert set(heard) == {"", "anna"}
        assert {mixer.sent[payload] for payload in other.mixes} == {""}
        assert_flows(client)


@pytest.mark.parametrize("frames", [2, 3])
async def test_longer_packets_take_longer_on_the_clock(frames: int) -> None:
    async with ground() as here:
        here.mix(frames=frames)
        client = await (await here.listen("anna")).hears(5)
        assert_flows(client, frames=frames)


async def test_another_mixer_goes_on_in_the_same_count_with_the_time_that_passed() -> None:
    async with ground() as here:
        first = here.still_mixer(source=1)
        client = await here.listen("anna")
        await client.up()
        await here.edge.settled()
        first.tick()
        await client.hears(1)
        began = time.monotonic()
        first.tick()
        await client.hears(1)
        await asyncio.sleep(0.1)
        second = here.still_mixer(source=2)
        second.number = 7_001
        second.tick()
        second.tick()
        await until(lambda: second.sent.keys() <= set(client.payloads))
        passed = time.monotonic() - began
        first.tick()  # it has been replaced, so it is not heard any more
        second.tick()
        await until(lambda: second.sent.keys() <= set(client.payloads))
        assert steps(client.sequence, 1 << 16) == {1}
        (before, after) = (client.payloads.index(list(one.sent)[at]) for one, at in ((first, 1), (second, 0)))
        jump = client.timestamps[after] - client.timestamps[before] & 0xFFFF_FFFF
        assert 4_800 <= jump <= passed * 48_000 + 960
        assert list(first.sent)[-1] not in client.payloads


async def test_a_silent_house_is_told_from_a_dead_line() -> None:
    async with ground() as here:
        client = await (await here.listen("anna")).hears(3)
        assert set(client.payloads) == {NOTHING}
        assert here.told("took_over") == [("anna",)]
        mixer = here.mix()
        await client.hears(10)
        assert client.payloads[-1] in mixer.sent
        assert_flows(client)


async def test_a_newer_session_of_a_seat_takes_over_when_it_carries_packets() -> None:
    async with ground() as here:
        here.mix()
        first = await (await here.listen("anna")).hears(5)
        second = await (await here.listen("anna")).hears(1)
        await until(lambda: first.connection.connectionState == "closed")
        assert here.told("took_over") == [("anna",), ("anna",)]
        assert here.told("session_ended") == [("anna", "closed")]
        assert here.edge.audience.listeners == 1
        await second.hears(5)


async def test_a_newer_session_that_never_comes_leaves_the_older_one_alone() -> None:
    async with ground() as here:
        here.mix()
        first = await (await here.listen("anna")).hears(5)
        second = await here.listen("anna", change=lambda answer: answer.replace("a=ice-pwd:", "a=ice-pwd:no"))
        await first.hears(10)
        assert second.packets == []
        assert here.told("session_ended") == []


async def test_another_edge_that_carries_the_seat_ends_what_is_here() -> None:
    async with ground() as here:
        here.mix()
        client = await (await here.listen("anna", epoch=2)).hears(1)
        audience = here.edge.audience
        audience.taken_over(room=ROOM, seat="anna", session=client.opened.session, epoch=2)
        audience.taken_over(room=ROOM, seat="anna", session="another", epoch=1)
        audience.taken_over(room=ROOM, seat="ben", session="another", epoch=2)
        assert audience.listeners == 1
        audience.taken_over(room=ROOM, seat="anna", session="another", epoch=2)
        assert here.told("session_ended") == [("anna", "closed")]
        assert audience.listeners == 0


async def test_after_a_drop_not_one_packet_is_sent_and_the_seat_stays_out() -> None:
    async with ground() as here:
        mixer = here.mix()
        client = await (await here.listen("anna")).hears(5)
        other = await (await here.listen("ben")).hears(5)
        here.edge.audience.drop(room=ROOM, seat="anna", epoch=1)
        await here.edge.settled()
        dropped_at = mixer.number
        await other.hears(20)
        ticks = {payload: number for number, payload in enumerate(mixer.sent)}
        assert max(ticks[payload] for payload in client.mixes) < dropped_at
        with pytest.raises(Denied):
            await here.listen("anna")
        await here.listen("anna", epoch=2)
        assert here.told("session_ended") == [("anna", "dropped")]


async def test_a_census_ends_those_who_do_not_stand_in_it_and_leaves_newer_ones() -> None:
    async with ground() as here:
        here.mix()
        stays = await (await here.listen("anna", epoch=3)).hears(1)
        for seat in ("ben", "clara"):
            await (await here.listen(seat)).hears(1)
        read_at = time.time()
        await here.listen("dora")
        standings = {
            "anna": Standing(epoch=3, stage=False, muted=False),
            "ben": Standing(epoch=2, stage=False, muted=False),
        }
        here.edge.audience.census(room=ROOM, standings=standings, at=read_at)
        assert here.told("session_ended") == [("ben", "dropped"), ("clara", "dropped")]
        assert here.edge.audience.seats(ROOM) == ["anna", "dora"]
        await stays.hears(5)


async def test_a_session_is_ended_by_its_name_and_a_room_with_all_of_them() -> None:
    async with ground() as here:
        here.mix()
        client = await (await here.listen("anna")).hears(1)
        await (await here.listen("ben")).hears(1)
        here.edge.audience.end("nobody's")
        here.edge.audience.end(client.opened.session)
        here.edge.audience.close_room(ROOM)
        assert here.told("session_ended") == [("anna", "left"), ("ben", "closed")]
        assert here.edge.audience.rooms == []


async def test_who_is_put_out_is_told_so_on_the_wire() -> None:
    async with ground() as here:
        here.mix()
        client = await (await here.listen("anna")).hears(1)
        await asyncio.sleep(edge_module.AGAIN_SECONDS)
        here.edge.audience.close_room(ROOM)
        await until(lambda: client.connection.connectionState == "closed")
        assert client.byes == 1


@pytest.mark.parametrize("lingers", [True, False], ids=["at once", "after the handshake is forgotten"])
async def test_who_hangs_up_has_left(monkeypatch: pytest.MonkeyPatch, lingers: bool) -> None:  # noqa: FBT001
    if not lingers:
        monkeypatch.setattr("rooms.media.paths.LINGER_SECONDS", 0.0)
    async with ground() as here:
        here.mix()
        client = await (await here.listen("anna")).hears(1)
        (path,) = here.edge._paths._by_id.values()
        if not lingers:
            await until(lambda: path.handshake is None)
        await wire.hang_up(client.connection)
        await until(lambda: here.told("session_ended") == [("anna", "left")])


async def test_nobody_decrypts_less_when_the_sequence_number_wraps() -> None:
    async with ground(start_high=True) as here:
        here.mix()
        first = await (await here.listen("anna")).hears(60)
        late = await here.listen("ben")  # within two seconds of the wrap, so its sound begins behind it
        await late.hears(30)
        assert steps(first.sequence, 1 << 16) == {1}
        assert {0, 65_535} <= set(first.sequence)
        assert steps(late.sequence, 1 << 16) == {1}
        assert max(late.sequence) < 1 << 15
        assert here.edge.counters.sender.failed == 0


async def test_who_has_moved_goes_on_hearing() -> None:
    async with ground(bind="127.0.0.1", addresses=["127.0.0.1"]) as here, relay(here.edge) as between:
        here.mix()
        client = await (await here.listen("anna", change=between.in_answer)).hears(5)
        await between.rebind()
        await client.hears(5, seconds=15)
        assert here.edge.counters.address_moves == 1
        assert here.told("session_ended") == []


async def test_reports_say_who_hears() -> None:
    async with ground() as here:
        audience = here.edge.audience
        await (await here.listen("anna", ago=20)).hears(1)
        await (await here.listen("ben", ago=20, reports=False)).hears(1)
        await (await here.listen("clara")).hears(1)
        await until(lambda: here.edge.counters.reports > 0, seconds=10)
        assert audience.hearing(ROOM, at=time.time()) == ["clara"]  # who is new, for there is no mix
        here.mix()
        await until(lambda: audience.hearing(ROOM, at=time.time()) == ["anna", "clara"], seconds=10)
        assert audience.hearing("elsewhere", at=time.time()) == []


async def test_an_edge_has_its_limit_and_lets_nobody_in_once_it_drains() -> None:
    async with ground(most_listeners=1) as here:
        await here.listen("anna")
        with pytest.raises(Full):
            await here.listen("ben")
        here.edge.audience.draining()
        with pytest.raises(Closing):
            await here.listen("clara")
        assert here.edge.audience.listeners == 1


async def test_who_never_comes_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rooms.media.paths.CONNECT_SECONDS", 0.0)
    async with ground() as here:
        await here.listen("anna", change=lambda answer: answer.replace("a=ice-pwd:", "a=ice-pwd:no"))
        await until(lambda: here.told("session_ended") == [("anna", "lost")])
        assert (here.edge.audience.rooms, here.edge._paths._by_name) == ([], {})


async def test_who_falls_silent_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    async with ground() as here:
        await (await here.listen("anna")).hears(1)
        monkeypatch.setattr("rooms.media.paths.SILENT_SECONDS", 0.0)
        await until(lambda: here.told("session_ended") == [("anna", "lost")])
        assert here.edge._paths._by_address == {}


async def test_a_wrong_certificate_ends_the_handshake() -> None:
    async with ground() as here:
        client = await here.listen("anna", offered=other_certificate)
        await until(lambda: here.told("session_ended") == [("anna", "lost")])
        assert (client.packets, here.edge.counters.dtls_failures) == ([], 1)


async def test_a_sender_that_dies_is_noticed() -> None:
    async with ground() as here:
        assert here.edge._sender is not None
        os.kill(here.edge._sender.pid, signal.SIGKILL)
        await asyncio.wait_for(here.edge.died.wait(), 5)
        await here.edge.settled()


async def test_the_sender_ends_with_its_edge() -> None:
    async with ground() as here:
        sender = here.edge._sender
        assert sender is not None
        here.edge._hang_up()
        assert await asyncio.wait_for(sender.wait(), 5) == 0


def other_certificate(offer: str) -> str:
    """Return the offer with fingerprints that nobody's certificate has."""
    return re.sub(r"(a=fingerprint:sha-[0-9]+) ..", r"\1 00", offer)


@contextlib.asynccontextmanager
async def relay(edge: Edge) -> AsyncIterator[Relay]:
    between = await Relay.open(edge.port)
    try:
        yield between
    finally:
        between.close()
