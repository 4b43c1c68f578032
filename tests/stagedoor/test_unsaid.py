"""No log says a secret, whoever writes it and whoever handles it."""

import io
import logging
import time
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from channels.testing import WebsocketCommunicator
from django.test import Client
from django.urls import Resolver404, URLPattern, URLResolver, get_resolver
from hypothesis import given
from hypothesis import strategies as st

from stagedoor import logs, unsaid
from stagedoor.asgi import application

LOGGERS = [
    "django.request",
    "django.server",
    "django.security",
    "django.channels.server",
    "daphne.server",
    "daphne.http_protocol",
    "daphne.ws_protocol",
    "uvicorn.access",
    "uvicorn.error",
    "celery.worker",
    "celery.app.trace",
    "asyncio",
    "httpx",
    "rooms.consumers",
    "a.logger.of.tomorrow",
]
SECRET_NAMES = {"token", "key", "uidb36", "session_id"}


def leaves(resolver: URLResolver, before: str = "") -> Iterator[tuple[str, URLPattern]]:
    for pattern in resolver.url_patterns:
        where = before + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from leaves(pattern, where)
        else:
            yield where, pattern


def secret_paths() -> list[str]:
    """Return each path of the product whose parts may be a secret, with SECRET where it would stand."""
    paths = []
    for where, pattern in leaves(get_resolver()):
        names = set(pattern.pattern.regex.groupindex)
        if names & SECRET_NAMES and "admin/" not in where:
            path = where.replace("^", "").replace("$", "")
            for name in ("token", "session_id"):
                path = path.replace(f"<str:{name}>", "SECRET")
            paths.append("/" + path.replace("(?P<uidb36>[0-9A-Za-z]+)-(?P<key>.+)", "1x-SECRET"))
    return paths


# As `secrets`, `signing` and allauth make them; always the same, for two workers must name the same tests.
SECRETS = {
    "22 letters": "q3Xv0-8sJk2mWbT_yL5cQw",
    "43 letters": "Zt1pR8yqH2u-wE5rT7y_Ui9oP0aSdFgHjKlZxCvBnM4",
    "figures": "0f1e2d3c4b5a69788796a5b4c3d2e1f0",
    "signed": "eyJ1c2VyIjoxfQ:1tGxYz:Qm9iJ3Mgc2VjcmV0LWtleQ_x-0123456789abcdef",
    "a password's": "cx2s1p-0123456789abcdef0123456789abcdef",
}


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """Return what is written by the handler of the product, at every level."""
    out = io.StringIO()
    made = logs.config(level="DEBUG", as_json=True)["formatters"]["structured"]
    handler = logging.StreamHandler(out)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(**{k: v for k, v in made.items() if k != "()"}))
    for name in LOGGERS:
        logging.getLogger(name).addHandler(handler)
    yield out
    for name in LOGGERS:
        logging.getLogger(name).removeHandler(handler)


def test_there_are_paths_with_secrets() -> None:
    assert len(secret_paths()) >= 6


@pytest.mark.parametrize("name", LOGGERS)
@pytest.mark.parametrize("secret", SECRETS.values(), ids=SECRETS.keys())
def test_no_logger_says_a_secret_in_a_path(
    name: str, secret: str, written: io.StringIO, caplog: pytest.LogCaptureFixture
) -> None:
    logger = logging.getLogger(name)
    for path in (one.replace("SECRET", secret) for one in secret_paths()):
        logger.warning("%s: %s", "Method Not Allowed (GET)", path)
        logger.warning('"%s %s HTTP/%s" %s', "GET", path, "1.1", 405)
        logger.warning("%(method)s %(path)s", {"method": "GET", "path": path})
        logger.warning(f"WebSocket CONNECT {path} [127.0.0.1:1]")  # noqa: G004 -- as others do it
        logger.warning("%s", ("GET", f"https://stagedoor.example{path}"))
        logger.warning("Referer %s", f"http://127.0.0.1:8000{path}?next=/{secret}#{secret}")
        try:
            get_resolver().resolve(f"{path}/nowhere/at/all")
        except Resolver404:
            logger.exception("Internal Server Error: %s", path)
    assert secret not in written.getvalue()
    assert all(secret not in record.getMessage() for record in caplog.records)
    assert len(written.getvalue().splitlines()) >= 7 * len(secret_paths())


@pytest.mark.parametrize("secret", [SECRETS["22 letters"], SECRETS["43 letters"]], ids=["22", "43"])
def test_no_logger_says_a_secret_among_arguments(secret: str, written: io.StringIO) -> None:
    logging.getLogger("celery.worker").error(
        "Received unregistered task. The body was: %r", f'[["{secret}"], {{}}]'
    )
    logging.getLogger("celery.app.trace").error("Task letters.send[1] raised: %s", KeyError(secret))
    structlog.get_logger("rooms.consumers").warning("a_word", said=f"/tickets/pass/{secret}/", count=3)
    assert secret not in written.getvalue()


@pytest.mark.parametrize("piece", ["/", "/a", "?", "a1", "A-", "/pass/", "%41"])
def test_a_line_of_any_length_is_cleaned_in_a_moment(piece: str) -> None:
    began = time.process_time()
    unsaid.clean(piece * 100_000)
    assert time.process_time() - began < 1.0


def test_other_words_are_left_alone() -> None:
    for words in (
        "room_closed",
        'File "/work/stagedoor/rooms/media_calls.py", line 12, in close',
        "Forbidden: /rooms/an-evening-of-ghost-stories/seat",
        "evt_1QdWn0Abcdefghijklmnop12",
        "Not Found: /events/",
        "2026-11-28T22:21:07.869088Z",
    ):
        assert unsaid.clean(words) == words


@given(st.text(max_size=60))
def test_whatever_is_said_can_be_cleaned(text: str) -> None:
    assert isinstance(unsaid.clean(text), str)


@pytest.mark.django_db
@pytest.mark.parametrize("method", ["get", "post", "put", "delete"])
def test_the_product_says_none_either(method: str, client: Client, caplog: pytest.LogCaptureFixture) -> None:
    secret = SECRETS["43 letters"]
    client.raise_request_exception = False
    for path in secret_paths():
        getattr(client, method)(path.replace("SECRET", secret))
    assert secret not in caplog.text


@pytest.mark.asyncio
@pytest.mark.parametrize("path", ["/", "/nowhere", "/rooms/evening/socket/more", "/rooms//socket"])
async def test_a_socket_to_nowhere_leaves_no_trace_of_its_path(
    path: str, caplog: pytest.LogCaptureFixture
) -> None:
    secret = SECRETS["43 letters"]
    headers = [(b"origin", b"http://testserver"), (b"host", b"testserver")]
    line: Any = WebsocketCommunicator(application, f"{path}?{secret}", headers=headers)
    connected, _code = await line.connect()
    await line.wait()
    assert not connected
    assert caplog.records == []
    assert secret not in caplog.text
