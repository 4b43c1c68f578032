"""The API under /v1/: who asks, in which version, for what, whether it was asked before, and the answer."""

import asyncio
import hashlib
import json
import logging
import re
import secrets
from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from payments.sandbox import clock, connect
from payments.sandbox.errors import Refusal
from payments.sandbox.expand import expanded
from payments.sandbox.fields import as_sent
from payments.sandbox.idempotency import Keys
from payments.sandbox.lines import HangUp
from payments.sandbox.parameters import decode, read
from payments.sandbox.shapes import Body
from payments.sandbox.surface import ROUTES
from payments.sandbox.switches import Failure
from payments.sandbox.world import API_VERSION, Asked, Call, Route, World

_log = logging.getLogger(__name__)
_PATTERNS = [(re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", route.path)), route) for route in ROUTES]
_BROKEN = {
    "error": {
        "type": "api_error",
        "message": "An unknown error occurred. If this problem persists, let us know at support@stripe.com.",
    }
}


class Api:
    def __init__(self, world: World) -> None:
        self.world = world
        self.keys = Keys(world.state)

    async def answer(self, request: Request) -> Response:
        """Answer one API request as Stripe would, switches included."""
        request_id = f"req_{secrets.token_hex(7)}"
        failure = self.world.switches.next_failure(request.method, request.url.path)
        if failure and not failure.after and not failure.kept:
            return _failed(failure, request_id)
        try:
            route, call, fingerprint = await self._understand(request, request_id)
            response = await self._once(route, call, fingerprint, failure)
        except Refusal as refusal:
            return _reply({"error": refusal.error}, refusal.status, request_id)
        return _failed(failure, request_id) if failure and failure.after else response

    async def _understand(self, request: Request, request_id: str) -> tuple[Route, Call, str]:
        """Return the endpoint, the well-formed call, and what tells it from another under the same key."""
        _check_credentials(request.headers)
        route, ids = _find(request.method, request.url.path)
        encoded = (await request.body()).decode() if request.method == "POST" else request.url.query
        call = Call(
            params=read(route.spec, decode(encoded)),
            ids=ids,
            account=self._account(request.headers),
            path=request.url.path,
            request_id=request_id,
            idempotency_key=request.headers.get("Idempotency-Key") if request.method == "POST" else None,
        )
        return route, call, hashlib.sha256(f"{call.path}?{encoded}".encode()).hexdigest()

    def _account(self, headers: Mapping[str, str]) -> str | None:
        account = headers.get("Stripe-Account")
        if account is None:
            return None
        connect.ours(self.world, account)
        return account

    async def _once(self, route: Route, call: Call, fingerprint: str, failure: Failure | None) -> Response:
        """Carry the call out, unless its idempotency key already has an answer."""
        key = call.idempotency_key
        if key is None:
            await self._wait()
            return _respond(self._carry_out(route, call, None, failure), call)
        self.world.asked.append(Asked(key, call.path, call.params))
        if saved := self.keys.answered(call.account, key, fingerprint):
            return _respond(saved, call, replayed=True)
        self.keys.begin(call.account, key)
        try:
            await self._wait()
            return _respond(self._carry_out(route, call, fingerprint, failure), call)
        finally:
            self.keys.end(call.account, key)

    async def _wait(self) -> None:
        if self.world.switches.api_latency_seconds:
            await asyncio.sleep(self.world.switches.api_latency_seconds)

    def _carry_out(self, route: Route, call: Call, fingerprint: str | None, failure: Failure | None) -> Body:
        """Run the endpoint and keep its answer under the key, in one transaction; return the answer."""
        state = self.world.state
        clock.catch_up(self.world)
        if failure and failure.kept:
            answer = {"status": failure.status, "body": _BROKEN}
            return self._keep(call, fingerprint, answer)
        self.world.asking = call
        try:
            with state.transaction():
                body = expanded(state, route.handler(self.world, call), call.params.get("expand", []))
                sent = as_sent(body, bare=self.world.switches.leave_out_optional)
                return self._keep(call, fingerprint, {"status": 200, "body": sent})
        except Refusal as refusal:
            if not refusal.executed:
                raise
            return self._keep(call, fingerprint, {"status": refusal.status, "body": {"error": refusal.error}})
        except Exception:  # noqa: BLE001 -- a bug here is Stripe's 500 there, with its traceback in our log
            _log.exception("The stand-in broke down over %s %s", route.method, call.path)
            return self._keep(call, fingerprint, {"status": 500, "body": _BROKEN})
        finally:
            self.world.asking = None

    def _keep(self, call: Call, fingerprint: str | None, answer: Body) -> Body:
        answer = answer | {"request_id": call.request_id}
        if fingerprint is not None and call.idempotency_key is not None:
            with self.world.state.transaction():
                self.keys.keep(
                    call.account, call.idempotency_key, fingerprint, json.loads(json.dumps(answer))
                )
        return answer


def _check_credentials(headers: Mapping[str, str]) -> None:
    scheme, _, key = headers.get("Authorization", "").partition(" ")
    if scheme != "Bearer" or not key:
        raise Refusal(
            "You did not provide an API key. You need to provide your API key in the Authorization header, "
            "using Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY').",
            status=401,
            executed=False,
        )
    if not key.startswith("sk_test_"):
        raise Refusal(f"Invalid API Key provided: {key[:8]}***", status=401, executed=False)
    version = headers.get("Stripe-Version")
    if version != API_VERSION:
        raise Refusal(
            f"This stand-in speaks Stripe-Version {API_VERSION} only; the request names {version or 'none'}.",
            code="api_version_invalid",
            executed=False,
        )


def _find(method: str, path: str) -> tuple[Route, dict[str, str]]:
    for pattern, route in _PATTERNS:
        if route.method == method and (match := pattern.fullmatch(path)):
            return route, match.groupdict()
    raise Refusal(
        f"Unrecognized request URL ({method}: {path}). Please see https://stripe.com/docs or we can help at "
        "https://support.stripe.com/.",
        status=404,
        executed=False,
    )


def _failed(failure: Failure, request_id: str) -> Response:
    if failure.status == 0:
        return HangUp()
    if failure.code:
        no = Refusal("The switches say no.", status=failure.status, code=failure.code)
        return _reply({"error": no.error}, no.status, request_id)
    return _reply(_BROKEN, failure.status, request_id)


def _respond(answer: Body, call: Call, *, replayed: bool = False) -> Response:
    response = _reply(answer["body"], answer["status"], str(call.request_id))
    if call.idempotency_key:
        response.headers["Idempotency-Key"] = call.idempotency_key
        response.headers["Original-Request"] = answer["request_id"]
    if replayed:
        response.headers["Idempotent-Replayed"] = "true"
    if call.account:
        response.headers["Stripe-Account"] = call.account
    return response


def _reply(body: Body, status: int, request_id: str) -> Response:
    return JSONResponse(body, status, headers={"Request-Id": request_id, "Stripe-Version": API_VERSION})
