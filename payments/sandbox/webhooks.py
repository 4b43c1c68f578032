"""Webhooks: events signed as Stripe signs them, and sent until somebody says 2xx."""

import asyncio
import hashlib
import hmac
import json
import secrets
import time
from dataclasses import dataclass

import httpx

from payments.sandbox.state import Row
from payments.sandbox.world import Endpoint, World

_ANY = secrets.SystemRandom()
_LONGEST_WAIT = 300.0
_TIMEOUT_SECONDS = 10.0


@dataclass(frozen=True)
class Webhook:
    """A signed request as Stripe would post it: the exact body and the `Stripe-Signature` header."""

    event: str
    type: str
    body: bytes
    signature: str


def sign(body: bytes, secret: str, at: int) -> str:
    """Return the `Stripe-Signature` header for a body: HMAC-SHA-256 over `<time>.<body>`."""
    mac = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256)
    return f"t={at},v1={mac.hexdigest()}"


class Courier:
    """Delivers what the events owe. One delivery is under way at a time, in the order of the events."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._due: dict[
            str, float
        ] = {}  # monotonic seconds by delivery; after a restart everything waiting is due
        self._busy = asyncio.Lock()
        self._delivered = asyncio.Condition()

    async def run(self) -> None:
        """Deliver what falls due, for ever."""
        async with httpx.AsyncClient(timeout=_TIMEOUT_SECONDS) as client:
            while True:
                if self.world.switches.deliver_webhooks:
                    await self._round(client, self._falling_due())
                await asyncio.sleep(0.02)

    async def deliver(self) -> int:
        """Send once all that waits, and all that this brings about; return how many were accepted."""
        tried: set[tuple[str, int]] = set()
        accepted = 0
        async with httpx.AsyncClient(timeout=_TIMEOUT_SECONDS) as client:
            while batch := [row for row in self._waiting() if _copy_of(row) not in tried]:
                tried.update(_copy_of(row) for row in batch)
                accepted += await self._round(client, batch)
        async with self._busy:  # whatever the steady round was just sending has arrived, too
            return accepted

    async def wait_for(self, event: str, seconds: float) -> bool:
        """Wait until every endpoint has accepted the event, and say whether that happened in time."""

        def arrived() -> bool:
            row = self.world.state.find(event)
            return row is None or row.body["pending_webhooks"] == 0

        async with self._delivered:
            try:
                await asyncio.wait_for(self._delivered.wait_for(arrived), seconds)
            except TimeoutError:
                return False
        return True

    def take(self) -> list[Webhook]:
        """Return all that waits, signed, and count it as delivered: for a test that posts by itself."""
        taken = []
        with self.world.state.transaction():
            for row in self._waiting(with_url=False):
                taken.append(self._webhook(row))
                self._note(row, "200", is_accepted=True)
        return taken

    def forget(self) -> None:
        """Plan nothing any more, as after a reset."""
        self._due.clear()

    @property
    def is_sending(self) -> bool:
        """Say whether webhooks go out by themselves."""
        return self.world.switches.deliver_webhooks and any(place.url for place in self.world.endpoints)

    def retry(self, delivery: Row) -> None:
        """Let a delivery that was given up wait again."""
        with self.world.state.transaction():
            self.world.state.update(delivery, status="waiting", attempts=0)
        self._due[delivery.id] = time.monotonic()

    def _waiting(self, *, with_url: bool = True) -> list[Row]:
        rows = [row for row in self.world.state.all("_delivery") if row.body["status"] == "waiting"]
        rows = [row for row in rows if self._endpoint(row).url or not with_url]
        rows = [row for row in rows if not self._is_held_back(row)]
        if self.world.switches.shuffle:
            return _ANY.sample(rows, len(rows))
        return rows if self.world.switches.reorder else rows[::-1]

    def _is_held_back(self, row: Row) -> bool:
        event = self.world.state.find(row.body["event"])
        return event is not None and self.world.switches.named_in("hold_back", event.body["type"])

    def _falling_due(self) -> list[Row]:
        now, rows = time.monotonic(), self._waiting()
        for row in rows:
            self._due.setdefault(row.id, now + self._delay())
        return [row for row in rows if self._due[row.id] <= now]

    def _delay(self) -> float:
        delay = self.world.switches.delay_seconds
        return delay * _ANY.random() if self.world.switches.shuffle else delay

    async def _round(self, client: httpx.AsyncClient, rows: list[Row]) -> int:
        accepted = 0
        for row in rows:
            async with self._busy:
                if row.body["status"] == "waiting" and self.world.state.find(row.id):
                    accepted += await self._send(client, row)
        return accepted

    async def _send(self, client: httpx.AsyncClient, row: Row) -> bool:
        """Post one webhook, as often as the switch says and all at once; it counts if one is accepted.

        Shuffled, each copy has a time of its own, and the last one counts.
        """
        webhook, url = self._webhook(row), self._endpoint(row).url
        copies, left = max(1, self.world.switches.duplicate), 0
        if self.world.switches.shuffle:
            left, copies = (_copies_left(row) or copies) - 1, 1
        answers = await asyncio.gather(*[_post(client, url, webhook) for _ in range(copies)])
        is_accepted = any(answer.startswith("2") for answer in answers)
        if self.world.state.find(row.id) is None:  # forgotten meanwhile, by a reset
            return False
        if is_accepted and left > 0:
            with self.world.state.transaction():
                self.world.state.remember(row, copies_left=left)
            self._due[row.id] = time.monotonic() + self._delay()
            return False
        with self.world.state.transaction():
            self._note(row, answers[0], is_accepted=is_accepted)
        if is_accepted:
            self._due.pop(row.id, None)
        else:
            wait = self.world.switches.retry_after_seconds * 2 ** (row.body["attempts"] - 1)
            self._due[row.id] = time.monotonic() + min(wait, _LONGEST_WAIT)
        async with self._delivered:
            self._delivered.notify_all()
        return is_accepted

    def _note(self, row: Row, answer: str, *, is_accepted: bool) -> None:
        state, attempts = self.world.state, row.body["attempts"] + 1
        given_up = not is_accepted and attempts >= self.world.switches.most_attempts
        status = "delivered" if is_accepted else "given up" if given_up else "waiting"
        state.update(row, answer=answer, attempts=attempts, status=status)
        event = state.find(row.body["event"])
        if is_accepted and event is not None:
            state.update(event, pending_webhooks=event.body["pending_webhooks"] - 1)
            state.forget(row)

    def _webhook(self, row: Row) -> Webhook:
        event = self.world.state.find(row.body["event"])
        if event is None:
            raise LookupError(f"{row.id} is owed for an event that is gone.")
        body = json.dumps(event.body, indent=2).encode()
        signature = sign(body, self._endpoint(row).secret, int(time.time()))
        return Webhook(event.id, event.body["type"], body, signature)

    def _endpoint(self, row: Row) -> Endpoint:
        return next(place for place in self.world.endpoints if place.connect == row.body["connect"])


def _copy_of(row: Row) -> tuple[str, int]:
    return row.id, _copies_left(row)


def _copies_left(row: Row) -> int:
    return int(row.hidden.get("copies_left", 0))


async def _post(client: httpx.AsyncClient, url: str, webhook: Webhook) -> str:
    """Return the status that the endpoint answered with, or why it did not."""
    headers = {
        "Content-Type": "application/json; charset=utf-8",
        "Stripe-Signature": webhook.signature,
        "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
    }
    try:
        response = await client.post(url, content=webhook.body, headers=headers)
    except httpx.HTTPError as error:
        return type(error).__name__
    return str(response.status_code)
