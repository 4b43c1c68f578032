"""Running the stand-in: as a process of its own, or inside a test."""

import asyncio
import copy
import socket
import threading
from collections.abc import Callable, Coroutine, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import uvicorn

from payments.sandbox import billing, by_hand, clock, connect, disputes, paying
from payments.sandbox.app import build
from payments.sandbox.fields import as_sent
from payments.sandbox.journal import Journal
from payments.sandbox.lines import Line
from payments.sandbox.shapes import Body
from payments.sandbox.state import State
from payments.sandbox.switches import Switches
from payments.sandbox.webhooks import Courier, Webhook
from payments.sandbox.world import Asked, Endpoint, World

HOST = "127.0.0.1"
_PATIENCE_SECONDS = 60.0
Answer = TypeVar("Answer")


class NotStarted(Exception):
    """The server did not come up."""


def listen(port: int) -> socket.socket:
    """Return a socket that listens on the loopback; port 0 takes any that is free."""
    ear = socket.socket()
    ear.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        ear.bind((HOST, port))
    except OSError:
        ear.close()
        raise
    return ear


def make_world(
    *,
    base_url: str,
    webhook_url: str,
    webhook_secret: str,
    connect_url: str | None = None,
    connect_secret: str | None = None,
    state_path: Path | None = None,
    events: Iterable[str] | None = None,
) -> World:
    """Return the world that this journal remembers; one endpoint hears everything unless there are two.

    `events`: the types that the endpoints are made for; None: all.
    """
    wanted = None if events is None else frozenset(events)
    endpoints = (
        Endpoint(webhook_url, webhook_secret, connect=False, events=wanted),
        Endpoint(connect_url or webhook_url, connect_secret or webhook_secret, connect=True, events=wanted),
    )
    return World(State(Journal(state_path)), Switches(), endpoints, base_url)


def make_server(world: World, courier: Courier) -> uvicorn.Server:
    """Return a server of the stand-in, ready to run."""
    config = uvicorn.Config(
        build(world, courier),
        http=Line,
        ws="none",
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=2,
    )
    return uvicorn.Server(config)


class StandIn:
    """A running stand-in, for a test: what buyer, payee and time do, and what Stripe knows afterwards.

    Every method may be called from any thread and returns when the thing is done.
    """

    def __init__(self, world: World, courier: Courier, loop: asyncio.AbstractEventLoop) -> None:
        self.base_url = world.base_url
        self.switches = world.switches
        self._world = world
        self._courier = courier
        self._loop = loop

    def _wait(self, work: Coroutine[Any, Any, Answer]) -> Answer:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(_PATIENCE_SECONDS)

    def _do(self, act: Callable[[], Answer]) -> Answer:
        """Run `act` on the stand-in's loop, where nothing else can come between."""

        async def work() -> Answer:
            return act()

        return self._wait(work())

    def objects(self, kind: str) -> list[Body]:
        """Return every object of a kind ("charge", "checkout.session"), of all accounts, newest first."""
        return self._do(lambda: [as_sent(row.body) for row in self._world.state.all(kind)])

    def find(self, identity: str) -> Body:
        """Return the object with this id; KeyError if there is none."""

        def look() -> Body:
            row = self._world.state.find(identity)
            if row is None:
                raise KeyError(identity)
            return as_sent(row.body)

        return self._do(look)

    def asked(self) -> list[Asked]:
        """Return the last calls that came with an idempotency key, oldest first."""
        return self._do(lambda: copy.deepcopy(list(self._world.asked)))

    def pay(
        self,
        session: str,
        *,
        card: str = "4242424242424242",
        email: str = "buyer@example.com",
        name: str | None = None,
        authenticate: bool = True,
    ) -> Body:
        """Pay a Checkout Session as a buyer does, and return it.

        A card that asks for confirmation gets it, or not, as `authenticate` says. Raises cards.Declined, and
        paying.NotOpen when the session is paid or expired. Webhooks go out by themselves or with `deliver`.
        """

        def act() -> Body:
            clock.catch_up(self._world)
            row = self._world.state.get("checkout.session", session)
            if paying.pay(self._world, row, number=card, email=email, name=name):
                paying.answer_confirmation(self._world, row, authenticated=authenticate)
            return as_sent(row.body)

        return self._do(act)

    def onboard(self, account: str, *, name: str = "Ada", country: str = "IE", iban: str = "") -> Body:
        """Tell Stripe who the payee is, as on the onboarding page, and return the account."""

        def act() -> Body:
            row = self._world.state.get("account", account)
            connect.finish(
                self._world, row, name=name, country=country, iban=iban or "IE29AIBK93115212345678"
            )
            return as_sent(row.body)

        return self._do(act)

    def restrict(self, account: str) -> Body:
        """Let Stripe take the payee's rights away until they show a document; return the account."""

        def act() -> Body:
            row = self._world.state.get("account", account)
            connect.restrict(self._world, row)
            return as_sent(row.body)

        return self._do(act)

    def cancel_subscription(self, subscription: str) -> Body:
        """End a subscription with its paid period, as its customer does, and return it."""

        def act() -> Body:
            with self._world.state.transaction():
                row = self._world.state.get("subscription", subscription)
                billing.cancel_at_period_end(self._world, row, cancel=True)
                return as_sent(row.body)

        return self._do(act)

    def dispute(self, charge: str) -> Body:
        """Let the buyer take a charge back through the bank, and return the dispute."""

        def act() -> Body:
            with self._world.state.transaction():
                row = self._world.state.get("charge", charge)
                return as_sent(disputes.open_dispute(self._world, row, at=self._world.state.now()).body)

        return self._do(act)

    def by_hand(self, act: str, **arguments: Any) -> Body:
        """Do what people do at Stripe without us (`by_hand.ACTS`), and return what it made or changed."""
        return self._do(lambda: by_hand.do(self._world, act, arguments))

    def deliver(self) -> int:
        """Send every webhook that waits, and what that brings about; return how many were accepted."""
        return self._wait(self._courier.deliver())

    def take_webhooks(self) -> list[Webhook]:
        """Return the webhooks that wait, signed, as if they had been delivered: to post them by yourself."""
        return self._do(self._courier.take)

    def advance(self, seconds: int) -> None:
        """Put the clock forward: sessions expire, subscriptions renew, payouts arrive."""
        self._do(lambda: clock.advance(self._world, seconds))

    def reset(self) -> None:
        """Forget everything, and put every switch back."""

        def act() -> None:
            self._world.state.clear()
            self._courier.forget()
            self._world.asked.clear()
            self.switches.turn(Switches().as_dict())

        self._do(act)


@contextmanager
def running(
    *,
    webhook_url: str = "",
    webhook_secret: str = "whsec_stand_in",  # noqa: S107 -- guards nothing: the stand-in's money is not real
    connect_secret: str | None = None,
    state_path: Path | None = None,
    events: Iterable[str] | None = None,
    port: int = 0,
) -> Iterator[StandIn]:
    """Run the stand-in in a thread until the block ends. Without `webhook_url`, webhooks wait to be taken."""
    ear = listen(port)
    world = make_world(
        base_url=f"http://{HOST}:{ear.getsockname()[1]}",
        webhook_url=webhook_url,
        webhook_secret=webhook_secret,
        connect_secret=connect_secret,
        state_path=state_path,
        events=events,
    )
    courier = Courier(world)
    server = make_server(world, courier)
    started: list[asyncio.AbstractEventLoop] = []
    up = threading.Event()

    async def live() -> None:
        started.append(asyncio.get_running_loop())
        serving = asyncio.create_task(server.serve(sockets=[ear]))
        while not server.started and not serving.done():  # noqa: ASYNC110 -- uvicorn gives no event to wait for
            await asyncio.sleep(0.005)
        up.set()
        await serving

    thread = threading.Thread(target=lambda: asyncio.run(live()), name="stripe-stand-in", daemon=True)
    thread.start()
    try:
        if not up.wait(_PATIENCE_SECONDS) or not server.started:
            raise NotStarted("The Stripe stand-in did not come up.")
        yield StandIn(world, courier, started[0])
    finally:
        server.should_exit = True
        thread.join(_PATIENCE_SECONDS)
        ear.close()
