"""The stand-in as one ASGI application: API, hosted pages, the developer's desk, and two steady tasks."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

from payments.sandbox import clock
from payments.sandbox.api import Api
from payments.sandbox.desk import Desk
from payments.sandbox.pages import Pages
from payments.sandbox.webhooks import Courier
from payments.sandbox.world import World

_TICK_SECONDS = 1.0


class OwnPagesOnly:
    """Refuses what another site's page posts from a developer's browser."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what a program or one of our own pages sends, and every plain visit."""
        is_foreign = scope["type"] == "http" and Headers(scope=scope).get("Sec-Fetch-Site") == "cross-site"
        if is_foreign and scope["method"] != "GET":
            refusal = PlainTextResponse("Only the stand-in's own pages may do this.", 403)
            await refusal(scope, receive, send)
        else:
            await self.app(scope, receive, send)


async def _keep_time(world: World) -> None:
    while True:
        clock.catch_up(world)
        await asyncio.sleep(_TICK_SECONDS)


def build(world: World, courier: Courier) -> Starlette:
    """Return the application around this world; while it runs, webhooks go out and time passes."""

    @asynccontextmanager
    async def life(_app: Starlette) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(courier.run()), asyncio.create_task(_keep_time(world))]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    return Starlette(
        middleware=[Middleware(OwnPagesOnly)],
        routes=[
            Route("/v1/{path:path}", Api(world).answer, methods=["GET", "POST", "DELETE"]),
            *Pages(world, courier).routes(),
            *Desk(world, courier).routes(),
            Mount("/static", StaticFiles(directory=Path(__file__).parent / "static")),
        ],
        lifespan=life,
    )
