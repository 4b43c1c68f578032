"""Which sockets come in: whose page opens them, where to, and how many."""

import asyncio
from typing import Any

import pytest

from stagedoor import asgi
from stagedoor.sockets import NOT_ALLOWED, TRY_AGAIN_LATER, SocketDoor

HOST = "testserver:8000"


class House:
    """An application that keeps every socket it gets until told otherwise."""

    def __init__(self) -> None:
        self.came: list[str] = []
        self.over = asyncio.Event()

    async def __call__(self, scope: Any, _receive: Any, send: Any) -> None:
        self.came.append(scope["path"])
        await send({"type": "websocket.accept"})
        await self.over.wait()


def scope(
    *, origin: str | None = f"http://{HOST}", host: str = HOST, client: str = "192.0.2.1", **more: Any
) -> dict[str, Any]:
    headers = [(b"host", host.encode())]
    if origin is not None:
        headers.append((b"origin", origin.encode()))
    headers += [(name.encode(), value.encode()) for name, value in more.pop("headers", {}).items()]
    asked = {"type": "websocket", "path": "/rooms/any/socket", "headers": headers, "scheme": "ws"}
    return {**asked, "client": [client, 1234], **more}


async def knock(door: Any, asked: dict[str, Any]) -> dict[str, Any]:
    """Return what a socket that wants in hears first."""
    told: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    running.append(asyncio.ensure_future(door(asked, receive, told.put)))
    return await asyncio.wait_for(told.get(), 10)


running: list["asyncio.Future[None]"] = []


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("asked", "comes_in"),
    [
        ({}, True),
        ({"origin": "http://testserver:8001"}, False),  # another program on the same machine
        ({"origin": "http://testserver"}, False),
        ({"origin": "https://testserver:8000"}, False),
        ({"origin": "http://elsewhere.example:8000"}, False),
        ({"origin": "http://elsewhere.example:8000", "host": "elsewhere.example:8000"}, False),
        ({"origin": None}, False),
        ({"origin": "null"}, False),
        ({"origin": "http://testserver:port"}, False),
        ({"origin": f"http://{HOST}/page"}, False),
        ({"origin": "http://testserver", "host": "testserver:80"}, True),  # the port that http has anyway
        ({"origin": "https://testserver", "host": "testserver", "scheme": "wss"}, True),
        ({"origin": "http://testserver", "host": "testserver", "scheme": "wss"}, False),
        ({"origin": "https://shop.example"}, True),  # trusted by name
        ({"origin": "https://shop.example:444"}, False),
    ],
)
async def test_a_socket_comes_in_from_our_own_page_alone(
    asked: dict[str, Any], comes_in: int, settings: Any
) -> None:
    settings.CSRF_TRUSTED_ORIGINS = ["https://shop.example"]
    house = House()
    house.over.set()
    first = await knock(SocketDoor(house, most=5, most_per_address=5), scope(**asked))
    refused = {"type": "websocket.close", "code": NOT_ALLOWED}
    assert first == ({"type": "websocket.accept"} if comes_in else refused)
    assert len(house.came) == comes_in


@pytest.mark.asyncio
@pytest.mark.parametrize(("told", "comes_in"), [("https", True), ("http", False)])
async def test_behind_a_proxy_the_scheme_is_what_the_proxy_saw(
    told: str,
    comes_in: int,
    settings: Any,
) -> None:
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    house = House()
    house.over.set()
    asked = scope(origin="https://testserver", host="testserver", headers={"x-forwarded-proto": told})
    await knock(SocketDoor(house, most=5, most_per_address=5), asked)
    assert len(house.came) == comes_in


@pytest.mark.asyncio
async def test_open_sockets_are_bounded_over_all_and_from_one_address() -> None:
    house = House()
    door = SocketDoor(house, most=3, most_per_address=2)
    full = {"type": "websocket.close", "code": TRY_AGAIN_LATER}
    came = {"type": "websocket.accept"}
    assert [await knock(door, scope(client="192.0.2.1")) for _ in range(3)] == [came, came, full]
    assert [await knock(door, scope(client="192.0.2.2")) for _ in range(2)] == [came, full]
    assert (door.open, door.turned_away) == (3, 2)
    house.over.set()
    await asyncio.gather(*running)
    assert door.open == 0
    assert await knock(door, scope(client="192.0.2.1")) == came


@pytest.mark.asyncio
async def test_behind_a_proxy_the_address_is_who_the_proxy_saw(settings: Any) -> None:
    settings.ALLAUTH_TRUSTED_PROXY_COUNT = 1
    door = SocketDoor(House(), most=9, most_per_address=1)
    seen = [scope(headers={"x-forwarded-for": f"203.0.113.9, 198.51.100.{n}"}) for n in (1, 2, 2)]
    assert [(await knock(door, one))["type"].split(".")[1] for one in seen] == ["accept", "accept", "close"]


@pytest.mark.asyncio
async def test_a_socket_to_nowhere_is_refused_without_an_error() -> None:
    first = await knock(asgi.application, scope(path="/no/such/socket"))
    assert first == {"type": "websocket.close", "code": NOT_ALLOWED}
    await asyncio.gather(*running)


@pytest.fixture(autouse=True)
def _nobody_runs_yet() -> None:
    running.clear()
