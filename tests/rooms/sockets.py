"""A browser's half of the control socket, over the real channel layer."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from channels.db import database_sync_to_async
from channels.testing import WebsocketCommunicator

from accounts.models import User
from rooms import admission
from rooms.consumers import RoomConsumer
from tests.rooms.people import TAB
from ticketing.models import Event

SECONDS = 15  # only a bound: shared machines are slow at times


class Page:
    """One page's socket. `until` passes over what comes in between, such as the room's own news."""

    def __init__(self, socket: WebsocketCommunicator) -> None:
        self.socket = socket
        self.number = 0

    async def say(self, op: str, **fields: Any) -> None:
        await self.socket.send_to(text_data=json.dumps({"op": op, **fields}))

    async def hear(self) -> dict[str, Any]:
        """Return the next message, or {"closed": code} when the server has ended it."""
        event = await self.socket.receive_output(SECONDS)
        if event["type"] == "websocket.close":
            return {"closed": event.get("code", 1000)}
        return dict(json.loads(event["text"]))

    async def until(self, op: str, **having: Any) -> dict[str, Any]:
        """Return the next message of this kind with these fields."""
        while True:
            message = await self.hear()
            if "closed" in message:
                raise AssertionError(f"Closed with {message['closed']} while waiting for {op}.")
            if message["op"] == op and all(message.get(name) == value for name, value in having.items()):
                return message

    async def until_closed(self) -> tuple[dict[str, Any], int]:
        """Return the server's last words and the close code."""
        last: dict[str, Any] = {}
        while "closed" not in (message := await self.hear()):
            last = message
        return last, message["closed"]

    async def ask(self, op: str, **fields: Any) -> dict[str, Any]:
        """Send a request and return its answer, ok or err."""
        self.number += 1
        await self.say(op, id=self.number, **fields)
        while True:
            message = await self.hear()
            if "closed" in message:
                raise AssertionError(f"Closed with {message['closed']} instead of answering {op}.")
            if message["op"] in {"ok", "err"} and message["id"] == self.number:
                return message

    async def room_where(self, **having: Any) -> dict[str, Any]:
        """Return the first state of the room with these fields."""
        while True:
            room = (await self.until("room"))["room"]
            if all(room.get(name) == value for name, value in having.items()):
                return dict(room)


@asynccontextmanager
async def opened() -> AsyncIterator[Page]:
    """Open a socket that has said nothing yet."""
    socket = WebsocketCommunicator(RoomConsumer.as_asgi(), "/rooms/any/socket")
    assert (await socket.connect())[0]
    try:
        yield Page(socket)
    finally:
        await socket.disconnect()


@asynccontextmanager
async def inside(
    user: User, event: Event, at: datetime, **how: Any
) -> AsyncIterator[tuple[Page, dict[str, Any]]]:
    """Take the person into the room; yield the page and the welcome it got."""
    admit = database_sync_to_async(admission.admit)
    admitted = await admit(user=user, event=event, tab=TAB, at=at, **how)
    async with opened() as page:
        await page.say("hello", v=1, grant=admitted.socket_grant)
        yield page, await page.until("welcome")
