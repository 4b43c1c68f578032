"""Which sockets come in: from our own pages, to a place there is, and as many as one process carries.

What is turned away is so before anything is read of it or asked of the database.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import structlog
from django.conf import settings
from django.http.request import split_domain_port, validate_host

log = structlog.get_logger(__name__)

NOT_ALLOWED: Final = 1008
TRY_AGAIN_LATER: Final = 1013
LOG_EVERY: Final = 500  # turned away
DEFAULT_PORTS: Final = {"http": 80, "https": 443}

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]


class SocketDoor:
    """Lets in sockets that our own pages open: `most` at once, `most_per_address` from one address."""

    def __init__(self, application: Application, *, most: int, most_per_address: int) -> None:
        self.application = application
        self.most = most
        self.most_per_address = most_per_address
        self.turned_away = 0
        self._open: Counter[str] = Counter()

    @property
    def open(self) -> int:
        return self._open.total()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        address = _address(scope)
        if not is_ours(scope):
            await _refuse(receive, send, code=NOT_ALLOWED)
        elif self.open >= self.most or self._open[address] >= self.most_per_address:
            self._note_turned_away()
            await _refuse(receive, send, code=TRY_AGAIN_LATER)
        else:
            self._open[address] += 1
            try:
                await self.application(scope, receive, send)
            finally:
                self._open[address] -= 1
                if not self._open[address]:
                    del self._open[address]

    def _note_turned_away(self) -> None:
        if self.turned_away % LOG_EVERY == 0:
            log.error("sockets_turned_away", so_far=self.turned_away + 1, open=self.open)
        self.turned_away += 1


async def nowhere(_scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a socket to a place that does not exist, whose path may hold a secret and is not told."""
    log.info("no_such_socket")
    await _refuse(receive, send, code=NOT_ALLOWED)


def is_ours(scope: Scope) -> bool:
    """Say whether the page that opens this socket has the address we have: scheme, host and port.

    As Django judges forms: what the browser names as its page must be what it asks for, or a trusted origin.
    """
    headers = dict(scope["headers"])
    origin = headers.get(b"origin", b"").decode("latin-1")
    host = headers.get(b"host", b"").decode("latin-1")
    if not origin or not validate_host(split_domain_port(host)[0], _allowed_hosts()):
        return False
    if origin in settings.CSRF_TRUSTED_ORIGINS:
        return True
    return _place(origin) == _place(f"{_scheme(scope, headers)}://{host}")


def _allowed_hosts() -> list[str]:
    return list(settings.ALLOWED_HOSTS)


def _place(url: str) -> tuple[str, str, int] | None:
    """Return scheme, host and port; None of what has none, which is no place."""
    try:
        parts = urlsplit(url)
        port = parts.port or DEFAULT_PORTS.get(parts.scheme)
    except ValueError:
        return None
    if parts.scheme not in DEFAULT_PORTS or not parts.hostname or port is None or parts.path or parts.query:
        return None
    return parts.scheme, parts.hostname, port


def _scheme(scope: Scope, headers: Mapping[bytes, bytes]) -> str:
    if settings.SECURE_PROXY_SSL_HEADER:
        name, secure = settings.SECURE_PROXY_SSL_HEADER
        told = headers.get(name.removeprefix("HTTP_").replace("_", "-").lower().encode(), b"")
        return "https" if told.decode("latin-1").split(",")[0].strip() == secure else "http"
    return "https" if scope.get("scheme") == "wss" else "http"


def _address(scope: Scope) -> str:
    """Return whose socket it is: behind a proxy, who the proxy says that it saw."""
    if settings.ALLAUTH_TRUSTED_PROXY_COUNT:
        told: bytes = dict(scope["headers"]).get(b"x-forwarded-for", b"")
        if told:
            return told.decode("latin-1").rsplit(",", 1)[-1].strip()
    client = scope.get("client")
    return str(client[0]) if client else ""


async def _refuse(receive: Receive, send: Send, *, code: int) -> None:
    await receive()  # websocket.connect: a close before the acceptance is an HTTP 403
    await send({"type": "websocket.close", "code": code})
