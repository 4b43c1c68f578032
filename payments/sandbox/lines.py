"""The telephone line: how an answer gets lost on the way."""

import asyncio

from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol


class Line(H11Protocol):
    """One HTTP connection that the application can cut: `scope["state"]["hang_up"]` does it."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Give the application the means to cut this connection."""
        super().connection_made(transport)
        self.app_state = {**self.app_state, "hang_up": transport.abort}


class HangUp(Response):
    """No answer at all: the connection closes before the first byte, so that the caller cannot know."""

    async def __call__(self, scope: Scope, receive: Receive, _send: Send) -> None:
        """Close the connection under the request."""
        scope["state"]["hang_up"]()
        while (await receive())["type"] != "http.disconnect":
            pass
