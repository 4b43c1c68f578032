import asyncio
from typing import Any

import pytest

from stagedoor.turnstile import Turnstile

pytestmark = pytest.mark.asyncio


class House:
    """An application that notes how many are inside at once."""

    def __init__(self) -> None:
        self.inside = self.most_inside = self.served = 0
        self.open = asyncio.Event()

    async def __call__(self, scope: Any, _receive: Any, send: Any) -> None:
        self.inside += 1
        self.most_inside = max(self.most_inside, self.inside)
        try:
            if scope["path"] == "/breaks":
                raise RuntimeError("it breaks")
            await self.open.wait()
            self.served += 1
            await send({"type": "http.response.start", "status": 200, "headers": []})
        finally:
            self.inside -= 1


async def come(turnstile: Turnstile, path: str = "/") -> int:
    told: list[Any] = []

    async def send(message: Any) -> None:
        told.append(message)

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    await turnstile({"type": "http", "path": path}, receive, send)
    return int(told[0]["status"])


async def test_of_five_hundred_so_many_are_inside_and_all_are_served() -> None:
    house = House()
    turnstile = Turnstile(house, most=7)
    crowd = [asyncio.ensure_future(come(turnstile)) for _ in range(500)]
    await asyncio.sleep(0.05)
    assert (house.inside, turnstile.waiting) == (7, 493)
    house.open.set()
    assert await asyncio.gather(*crowd) == [200] * 500
    assert (house.most_inside, house.served) == (7, 500)


async def test_beyond_those_who_may_wait_people_are_told_to_come_again() -> None:
    house = House()
    turnstile = Turnstile(house, most=2, most_waiting=3)
    crowd = [asyncio.ensure_future(come(turnstile)) for _ in range(5)]
    await asyncio.sleep(0.02)
    assert await come(turnstile) == 503
    house.open.set()
    assert await asyncio.gather(*crowd) == [200] * 5
    assert await come(turnstile) == 200


async def test_who_asks_whether_the_process_lives_does_not_wait() -> None:
    house = House()
    turnstile = Turnstile(house, most=1)
    crowd = [asyncio.ensure_future(come(turnstile)) for _ in range(3)]
    await asyncio.sleep(0.02)
    asks = asyncio.ensure_future(come(turnstile, "/healthz"))
    await asyncio.sleep(0.02)
    assert house.inside == 2
    house.open.set()
    assert await asyncio.gather(asks, *crowd) == [200] * 4


async def test_a_turn_comes_back_when_a_request_breaks_or_is_given_up() -> None:
    house = House()
    turnstile = Turnstile(house, most=1)
    with pytest.raises(RuntimeError):
        await come(turnstile, "/breaks")
    gives_up = asyncio.ensure_future(come(turnstile))
    waits = asyncio.ensure_future(come(turnstile))
    await asyncio.sleep(0.02)
    waits.cancel()
    gives_up.cancel()
    await asyncio.sleep(0.02)
    house.open.set()
    assert (await come(turnstile), turnstile.waiting) == (200, 0)
