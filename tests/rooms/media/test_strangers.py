"""Whoever does not have the password of an answer gets not one byte."""

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from rooms.media import stun
from rooms.media.edge import Edge
from tests.rooms.media.edge_ground import Client, Ground, ground, said_in, until

pytestmark = pytest.mark.asyncio


@pytest_asyncio.fixture
async def here() -> AsyncIterator[Ground]:
    async with ground(bind="127.0.0.1", addresses=["127.0.0.1"]) as here:
        yield here


@pytest.mark.parametrize("known", [True, False])
async def test_they_get_nothing(here: Ground, known: bool) -> None:  # noqa: FBT001
    client = await here.listen("anna", change=lambda answer: answer.replace("a=ice-pwd:", "a=ice-pwd:no"))
    ours, theirs = name_of(client)
    request = ask(f"{ours}:{theirs}" if known else "nobody:here", b"a wrong password")
    hello = bytes.fromhex("16feff0000000000000000005a") + b"\x01" * 90
    assert await answers(here.edge, [request, hello, b"", b"\x00", b"\x80" * 60, b"\x16" * 1_400]) == []
    assert here.edge.counters.stun_failures > 0


async def test_a_replay_moves_nobody(here: Ground) -> None:
    client = await here.listen("anna")
    (path,) = here.edge._paths._by_id.values()
    request = ask(":".join(name_of(client)), path.password)
    await client.up()
    here.edge._paths.take(request, path.address or ("", 0), now=time.monotonic())
    assert await answers(here.edge, [request]) == []
    assert here.edge.counters.address_moves == 0


async def test_an_address_of_one_is_not_taken_by_another(here: Ground) -> None:
    anna = await (await here.listen("anna")).up()
    await here.listen("ben", change=lambda answer: answer.replace("a=ice-pwd:", "a=ice-pwd:no"))
    first, second = here.edge._paths._by_id.values()
    assert first.address is not None
    request = ask(f"{second.name}:{second.them}", second.password)
    here.edge._paths.take(request, first.address, now=time.monotonic())
    assert (second.address, here.edge._paths._by_address[first.address]) == (None, first)
    await anna.hears(1)


def name_of(client: Client) -> tuple[str, str]:
    """Return the two user fragments, ours and the client's."""
    offer = client.connection.localDescription.sdp
    return said_in(client.opened.answer, "ice-ufrag")[0], said_in(offer, "ice-ufrag")[0]


def ask(name: str, password: bytes, *, nominate: bool = True) -> bytes:
    return stun.ask(
        name=name,
        password=password,
        transaction=stun.new_transaction(),
        priority=1,
        tie_breaker=1,
        nominate=nominate,
    )


async def answers(edge: Edge, datagrams: list[bytes]) -> list[bytes]:
    """Return what comes back to a stranger who sends `datagrams`, each alone."""
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.setblocking(False)
        stranger.bind(("127.0.0.1", 0))
        before = edge.counters.datagrams
        for datagram in datagrams:
            await loop.sock_sendto(stranger, datagram, ("127.0.0.1", edge.port))
        await until(lambda: edge.counters.datagrams >= before + len(datagrams))
        await edge.settled()
        came = []
        with contextlib.suppress(BlockingIOError):
            while True:
                came.append(stranger.recv(2_048))
        return came
