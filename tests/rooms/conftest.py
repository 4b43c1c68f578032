"""A room on the evening itself: Ada hosts it, Ben has a ticket, Max has none."""

from collections.abc import AsyncIterator, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio
from asgiref.sync import sync_to_async
from django.db import connections

from accounts.models import User
from rooms.models import Seat
from tests.rooms import people
from tests.rooms.extras import Extras
from ticketing.models import Event, Ticket


@pytest.fixture
def tonight(event: Event, at: datetime) -> Event:
    """Return Ada's event, which starts in ten minutes and whose doors are shut."""
    event.starts_at = at + timedelta(minutes=10)
    event.save(update_fields=["starts_at"])
    return event


@pytest.fixture
def bens_ticket(ben: User, tonight: Event) -> Ticket:
    return people.with_ticket(ben, tonight)


@pytest.fixture
def adas_seat(ada: User, tonight: Event, at: datetime) -> Seat:
    """Return the seat of Ada, who has opened the doors."""
    return people.open_room(tonight, ada, at)


@pytest.fixture
def bens_seat(ben: User, bens_ticket: Ticket, adas_seat: Seat, tonight: Event, at: datetime) -> Seat:
    """Return the seat of Ben, who has come in and listens."""
    return people.sit(ben, tonight, at)


@pytest_asyncio.fixture
async def nothing_left_open() -> AsyncIterator[None]:
    """Close the database connection of the thread in which asynchronous tests ask it."""
    yield
    await sync_to_async(connections.close_all)()


@pytest.fixture
def extras(redis_url: str, settings: Any) -> Iterator[Extras]:
    """Return a register of media processes in which nobody stands yet, and no real one ever will."""
    settings.REDIS_URL = f"{redis_url}?db=1"
    extras = Extras(settings.REDIS_URL)
    yield extras
    extras.redis.close()


@pytest.fixture(scope="session")
def _media_process(redis_url: str) -> Iterator[None]:
    from tests.rooms import sound  # noqa: PLC0415 -- slow import

    with sound.media_processes(redis_url):
        yield


@pytest.fixture
def media(_media_process: None, redis_url: str) -> None:
    """Have real media processes at hand."""
    from tests.rooms import sound  # noqa: PLC0415 -- slow import

    sound.wait_for_heartbeats(redis_url)
