"""The ground under every test: real PostgreSQL and Redis of this session's own, and the cast."""

import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import django
import pytest
import pytest_django
from django.conf import settings as settings_of_the_run

if TYPE_CHECKING:
    from pytest_django import Settings

    from payments.sandbox.serve import StandIn

# Before Django reads its settings: servers of our own, so that two test runs never meet.
VAR = Path(tempfile.mkdtemp(prefix="stagedoor-test-"))
os.environ.update(
    {
        "DJANGO_SETTINGS_MODULE": "stagedoor.settings",
        "DEBUG": "1",
        "VAR_DIR": str(VAR),
        "DATABASE_URL": "",
        "REDIS_URL": "",
        "EMAIL_URL": "memorymail://",
        "STRIPE_SECRET_KEY": "",
        "HOLDING_DAYS": "7",
        "LOG_LEVEL": "WARNING",
        "BASE_URL": "http://testserver",
        "ALLOWED_HOSTS": "testserver,127.0.0.1,localhost",
        "DJANGO_ALLOW_ASYNC_UNSAFE": "",
    }
)

django.setup()
# Quick hashes: those passwords guard nothing.
settings_of_the_run.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

from hypothesis import HealthCheck, settings  # noqa: E402 -- after Django's settings have their name

from accounts.models import User  # noqa: E402 -- app-ready: the lines above come first
from clubs.models import Club  # noqa: E402 -- the same
from stagedoor import embedded  # noqa: E402 -- the same
from tests import factories, keys, network  # noqa: E402 -- the same
from ticketing.models import Event  # noqa: E402 -- the same

# How long an example takes is the machine's matter, not the code's: a busy one fails no property.
settings.register_profile("house", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("house")

running = ExitStack()
running.callback(shutil.rmtree, VAR, ignore_errors=True)

NEVER_TRUNCATED = {
    "payments_transfer": "transfers_are_never_truncated",
    "accounts_auditentry": "audit_is_never_truncated",
}


def pytest_configure(config: pytest.Config) -> None:
    network.shut()
    config.add_cleanup(running.close)
    if config.getoption("numprocesses") and not hasattr(config, "workerinput"):
        # This process only hands tests out. Those who run them inherit its environment, and would read their
        # settings before they come to the lines above.
        del os.environ["DJANGO_SETTINGS_MODULE"]
    else:
        VAR.chmod(0o755)
        running.enter_context(embedded.servers(VAR))


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish() -> None:
    """End the servers: a process that runs a share of the tests is never unconfigured."""
    running.close()


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: pytest_django.DjangoDbBlocker) -> None:
    """Let tests with transactions of their own empty every table, which the database refuses for some."""
    from django.db import connection  # noqa: PLC0415 -- app-ready

    del django_db_setup
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        for table, trigger in NEVER_TRUNCATED.items():
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER {trigger}")


@pytest.fixture(scope="session")
def redis_url() -> str:
    return embedded.redis_url(VAR)


@pytest.fixture
def at() -> datetime:
    """Return the moment at which the test plays."""
    return datetime.now(UTC)


@pytest.fixture(autouse=True)
def _redis_is_empty(redis_url: str) -> Iterator[None]:
    import redis  # noqa: PLC0415 -- slow import

    yield
    with redis.Redis.from_url(redis_url) as connection:
        connection.flushall()


# The cast: Ada hosts, Ben buys, Rae reviews, Max is a stranger.


@pytest.fixture
def ada(db: None) -> User:
    return factories.UserFactory.create(handle="ada", name="Ada")


@pytest.fixture
def ben(db: None) -> User:
    return factories.UserFactory.create(handle="ben", name="Ben")


@pytest.fixture
def rae(db: None) -> User:
    return factories.UserFactory.create(handle="rae", name="Rae", is_finance=True)


@pytest.fixture
def max(db: None) -> User:  # noqa: A001 -- his name
    return factories.UserFactory.create(handle="max", name="Max")


@pytest.fixture
def club(ada: User) -> Club:
    """Return Ada's club, in euros, in Berlin."""
    return factories.ClubFactory.create(name="Night Voices", slug="night-voices", owner=ada)


@pytest.fixture
def event(club: Club, ada: User) -> Event:
    """Return an event on sale next week: 50 seats at 12 euros, and as many free ones as come."""
    event = factories.EventFactory.create(club=club, created_by=ada, title="An evening of ghost stories")
    factories.TicketTypeFactory.create(event=event, name="Seat", capacity=50, price_minor=1200, position=0)
    factories.TicketTypeFactory.create(event=event, name="Standing", price_minor=0, position=1)
    return event


# Stripe: the real SDK talks to the stand-in over HTTP; webhooks land in a postbox that the test empties.


class Postbox:
    """Takes webhooks over HTTP and keeps them until asked for."""

    def __init__(self) -> None:
        self.letters: list[tuple[bytes, str]] = []
        postbox = self

        class Slot(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                postbox.letters.append((body, self.headers["Stripe-Signature"]))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_args: object) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Slot)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/"

    def take(self) -> list[tuple[bytes, str]]:
        letters, self.letters = self.letters, []
        return letters


@pytest.fixture(scope="session")
def postbox() -> Iterator[Postbox]:
    postbox = Postbox()
    thread = threading.Thread(target=postbox.server.serve_forever, daemon=True)
    thread.start()
    yield postbox
    postbox.server.shutdown()
    postbox.server.server_close()
    thread.join(5)


@pytest.fixture(scope="session")
def _stand_in(postbox: Postbox) -> Iterator["StandIn"]:
    from django.conf import settings  # noqa: PLC0415 -- app-ready

    from payments import dispatch  # noqa: PLC0415 -- app-ready
    from payments.sandbox.serve import running  # noqa: PLC0415 -- slow import

    secret = settings.STRIPE_WEBHOOK_SECRETS[0]
    with running(webhook_url=postbox.url, webhook_secret=secret, events=dispatch.ANSWERED) as stand_in:
        yield stand_in


@pytest.fixture
def stand_in(_stand_in: "StandIn", postbox: Postbox, settings: "Settings") -> Iterator["StandIn"]:
    """Return the Stripe stand-in, knowing nothing yet, with the product pointed at it.

    After the test, the keys that it was asked with must have been used rightly.
    """
    _stand_in.reset()
    postbox.take()
    settings.STRIPE_API_BASE = _stand_in.base_url
    yield _stand_in
    assert keys.misused(_stand_in.asked()) == []


@pytest.fixture
def deliver(stand_in: "StandIn", postbox: Postbox, db: None) -> Callable[[], int]:
    """Return a function that brings Stripe's waiting webhooks in and handles them; it tells how many came."""
    from payments import stripe_events  # noqa: PLC0415 -- app-ready

    def bring() -> int:
        stand_in.deliver()
        letters = postbox.take()
        for body, signature in letters:
            event = stripe_events.receive(payload=body, signature=signature, at=datetime.now(UTC))
            stripe_events.handle(event=event, at=datetime.now(UTC))
        return len(letters)

    return bring


@pytest.fixture(autouse=True)
def _the_books_hold(request: pytest.FixtureRequest) -> Iterator[None]:
    """After each test that used the database, each promise of the books must still hold."""
    marked = request.node.get_closest_marker("django_db")
    uses_database = marked or {"db", "transactional_db"} & set(request.fixturenames)
    if uses_database:
        request.getfixturevalue("_django_db_helper")  # so that the database is still open afterwards
    yield
    if uses_database and request.node.get_closest_marker("broken_books") is None:
        from payments import books  # noqa: PLC0415 -- app-ready

        assert books.check() == []
