"""A mixer hears who has the password of its answer, and them alone."""

import asyncio
import contextlib
import logging
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import pytest
from aioice.ice import StunProtocol
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rooms.media import stun, wire
from rooms.media.session import Reason
from tests.rooms.media.ground import Tone, until
from tests.rooms.media.junk import CLIENT_HELLO, STUN_ODDITIES, Spoken, datagrams
from tests.rooms.media.test_peer import Stage, on_stage

STRANGER = ("127.0.0.66", 6_666)
WHOLE = 0.9  # share of the ticks that had sound of their own, on a machine with other things to do


def sockets(stage: Stage) -> list[StunProtocol]:
    """Return the mixer's sockets for its speaker."""
    (transceiver,) = stage.speaker._connection.getTransceivers()
    return list(transceiver.sender.transport.transport._connection._protocols)


def here(protocol: StunProtocol) -> tuple[str, int]:
    host, port = protocol.transport.get_extra_info("sockname")[:2]
    return host, port


def peer_of(stage: Stage) -> tuple[str, int]:
    """Return where the mixer knows its speaker to be."""
    (transceiver,) = stage.speaker._connection.getTransceivers()
    pair = transceiver.sender.transport.transport._connection._nominated[1]
    return pair.remote_addr


async def say(datagrams: list[bytes], to: list[tuple[str, int]]) -> list[bytes]:
    """Send `datagrams` to each of these sockets from one of no note, and return what came back in 0.3 s."""
    loop = asyncio.get_running_loop()
    came: list[bytes] = []
    for host, port in to:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as stranger:
            stranger.setblocking(False)
            for datagram in datagrams:
                await loop.sock_sendto(stranger, datagram, (host, port))
            await asyncio.sleep(0.3)
            with contextlib.suppress(BlockingIOError):
                while True:
                    came.append(stranger.recv(4_096))
    return came


async def hears_on(stage: Stage, *, ticks: int = 50) -> None:
    """Fail unless the speaker's session goes on, and so does the sound."""
    start = await stage.ticks(ticks)
    frames = stage.frames[start : start + ticks]
    assert stage.ended == []
    assert sum(frame is not None for frame in frames) >= WHOLE * ticks
    assert stage.heard(since=start).dominant_hz == pytest.approx(440, abs=3)


@pytest.mark.asyncio
async def test_an_empty_datagram_of_a_stranger_ends_nothing() -> None:
    async with on_stage(Tone(440.0)) as stage:
        await until(lambda: stage.speaker.meter.speaking)
        assert await say([b""] * 3, [here(one) for one in sockets(stage)]) == []
        await hears_on(stage)


@pytest.mark.asyncio
async def test_nothing_that_a_stranger_says_is_answered_or_logged(caplog: pytest.LogCaptureFixture) -> None:
    async with on_stage(Tone(440.0)) as stage:
        await until(lambda: stage.speaker.meter.speaking)
        with caplog.at_level(logging.DEBUG, "asyncio"):
            caplog.clear()
            said = [*STUN_ODDITIES, CLIENT_HELLO, b"", b"\x80" * 60, b"\x80\xc8" + bytes(40), b"\x16" * 1_400]
            assert await say(said, [here(one) for one in sockets(stage)]) == []
        assert [record for record in caplog.records if record.name == "asyncio"] == []
        await hears_on(stage)


@pytest.mark.asyncio
async def test_hellos_of_strangers_keep_no_speaker_from_coming() -> None:
    async with on_stage(
        Tone(440.0), before=lambda stage: say([CLIENT_HELLO] * 3, [*map(here, sockets(stage))])
    ) as stage:
        await until(lambda: stage.speaker.meter.speaking)
        await hears_on(stage)


@pytest.mark.asyncio
async def test_a_speaker_is_known_where_a_signed_request_came_from_and_not_where_one_was_said_again() -> None:
    async with on_stage(Tone(440.0)) as stage:
        await until(lambda: stage.speaker.meter.speaking)
        protocol = sockets(stage)[0]
        request = ask(stage)
        protocol.datagram_received(request, peer_of(stage))
        protocol.datagram_received(request, STRANGER)
        protocol.datagram_received(ask(stage, password=b"a wrong password"), STRANGER)
        assert STRANGER not in stage.speaker._uplink.door.known
        protocol.datagram_received(ask(stage), STRANGER)
        assert STRANGER in stage.speaker._uplink.door.known
        await hears_on(stage)


@pytest.mark.asyncio
async def test_a_speaker_has_only_so_many_addresses_and_keeps_the_one_in_use() -> None:
    async with on_stage(Tone(440.0)) as stage:
        await until(lambda: stage.speaker.meter.speaking)
        before = peer_of(stage)
        for port in range(7_000, 7_020):
            sockets(stage)[0].datagram_received(ask(stage), ("127.0.0.66", port))
        (transceiver,) = stage.speaker._connection.getTransceivers()
        ice = transceiver.sender.transport.transport._connection
        assert len(stage.speaker._uplink.door.known) == stun.MOST_ADDRESSES
        assert before in stage.speaker._uplink.door.known
        assert {one.port for one in ice._remote_candidates} <= {
            one[1] for one in stage.speaker._uplink.door.known
        }
        await hears_on(stage)


@pytest.mark.asyncio
async def test_control_packets_that_nobody_reads_do_not_pile_up() -> None:
    async with on_stage(Tone(440.0)) as stage:
        protocol, peer = sockets(stage)[0], peer_of(stage)
        for _ in range(10_000):
            protocol.datagram_received(b"\x80\xc8" + bytes(60), peer)
        (transceiver,) = stage.speaker._connection.getTransceivers()
        assert transceiver.sender.transport.transport._connection._queue.qsize() <= wire.MOST_WAITING
        await hears_on(stage)


@pytest.mark.asyncio
async def test_a_connection_that_breaks_inside_is_logged_in_one_line_and_ends_its_session(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with on_stage(Tone(440.0)) as stage:
        await until(lambda: stage.speaker.meter.speaking)

        def broken(_: bytes) -> bytes:
            raise IndexError("as aiortc did at an empty datagram")

        monkeypatch.setattr(stage.speaker._uplink._dtls._rx_srtp, "unprotect_rtcp", broken)
        sockets(stage)[0].datagram_received(b"\x80\xc8" + bytes(60), peer_of(stage))
        await until(lambda: stage.ended != [])
    assert stage.ended == [Reason.LOST]
    assert [str(record.msg).count("speaker_connection_broke") for record in caplog.records] == [1]


@pytest.mark.asyncio
async def test_sound_of_a_stranger_is_not_even_decrypted() -> None:
    async with on_stage(Tone(440.0)) as stage:
        await until(lambda: stage.speaker.meter.speaking)
        door = stage.speaker._uplink.door
        before = door.strays
        sockets(stage)[0].datagram_received(b"\x80\x6f" + bytes(60), STRANGER)
        assert door.strays == before + 1
        sockets(stage)[0].datagram_received(b"\x80\x6f" + bytes(60), peer_of(stage))
        assert door.strays == before + 1


def ask(stage: Stage, *, password: bytes | None = None) -> bytes:
    """Return a request that only the speaker can have made, unless its password is another."""
    (transceiver,) = stage.speaker._connection.getTransceivers()
    ice = transceiver.sender.transport.transport._connection
    return stun.ask(
        name=f"{ice.local_username}:{ice.remote_username}",
        password=password or ice.local_password.encode(),
        transaction=stun.new_transaction(),
        priority=1,
        tie_breaker=1,
        nominate=False,
    )


# The same by property: one speaker, and whatever comes to the sockets, from anybody.


@dataclass
class Siege:
    """A speaker on stage while this stands, on a loop that examples may use one after the other."""

    def __enter__(self) -> Self:
        self.runner = asyncio.Runner()
        self._stage = on_stage(Tone(440.0))
        self.stage = self.runner.run(self._stage.__aenter__())
        self.runner.run(until(lambda: self.stage.speaker.meter.speaking))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, wrong: BaseException | None, at: TracebackType | None
    ) -> None:
        self.runner.run(self._stage.__aexit__(kind, wrong, at))
        self.runner.close()

    async def suffer(self, said: list[Spoken]) -> None:
        """Hand the datagrams in at the transport, where any address can be claimed; let two ticks pass."""
        peer = peer_of(self.stage)
        received = self.stage.speaker.figures.received
        for one in said:
            for protocol in sockets(self.stage):
                protocol.datagram_received(one.datagram, peer if one.spoofed else STRANGER)
        await until(lambda: self.stage.speaker.figures.received >= received + 2)


@pytest.fixture(scope="module")
def siege() -> Iterator[Siege]:
    with Siege() as siege:
        yield siege


@given(said=st.lists(datagrams(), min_size=1, max_size=12))
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_whatever_anybody_says_the_sound_goes_on(siege: Siege, said: list[Spoken]) -> None:
    siege.runner.run(siege.suffer(said))
    assert siege.stage.ended == []
    assert siege.stage.speaker.sending
    assert STRANGER not in siege.stage.speaker._uplink.door.known


def test_and_after_all_that_the_tone_is_whole(siege: Siege) -> None:
    siege.runner.run(hears_on(siege.stage))
