"""Sound processes are replaced or killed while a room is heard, and everybody hears on without a click."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from time import monotonic

import pytest
from playwright.sync_api import TimeoutError as NotInTime

from tests.trips import sound
from tests.trips.evenings import an_evening_with
from tests.trips.people import Cast, Person
from tests.trips.product import Product

pytestmark = [pytest.mark.trip, pytest.mark.timeout(300)]

BACK_WITHIN = 5.0
PAUSES_FOR = 0.4  # where nobody dies, but is asked to leave; moving listeners before speakers costs 0.8
REPLACED_MS = 4_000  # a new one, which is up, is also known by then
READY_SECONDS = 60.0  # a busy machine takes its time to start one


def test_whoever_is_killed_is_replaced_and_everybody_hears_again(
    cast: Cast, product: Product, note: Callable[[str], None]
) -> None:
    ada, ben = cast.of_the_town("Ada"), cast.fan("Ben")
    an_evening_with(ben, host=ada, title="Without a net")

    for who in ("mixer", "edge"):
        pause = _replace_every(who, ben, product)
        note(f"while each {who} was replaced, one by one, Ben heard nothing for {pause:.2f} s at most")
        assert pause < PAUSES_FOR

    took = {}
    for who in ("edge", "rooms.media.sender", "mixer"):
        killed_at = _kill_whoever_carries(ben, product, who)
        _wait_until_heard_again(ben)
        took[who] = monotonic() - killed_at
        note(f"{took[who]:.1f} s after the {who.rsplit('.', maxsplit=1)[-1]} was killed, Ben heard again")
        ben.page.wait_for_timeout(REPLACED_MS)
        sound.wait_for_tone(ben.page, sound.ADA_HZ, without=sound.FAN_HZ)

    assert max(took.values()) < BACK_WITHIN


def _replace_every(who: str, person: Person, product: Product) -> float:
    """Ask one after the other to leave, and return the longest time for which the person heard nothing."""
    person.page.evaluate("() => { ear.longestPause = 0; }")
    for leaver in _family(product, who):
        ready = _times_ready(product, who)
        os.kill(leaver, signal.SIGTERM)
        patience = monotonic() + READY_SECONDS
        # Until the new one is up, too: there is always one left.
        while leaver in _family(product, who) or _times_ready(product, who) == ready:
            assert monotonic() < patience, f"No new {who} came."
            person.page.wait_for_timeout(200)
        person.page.wait_for_timeout(REPLACED_MS)
    sound.wait_for_tone(person.page, sound.ADA_HZ, without=sound.FAN_HZ)
    return float(person.page.evaluate("() => ear.longestPause")) / 1000


def _kill_whoever_carries(person: Person, product: Product, who: str) -> float:
    """Kill the sound processes that are `who`, one by one, until the person hears nothing.

    Return when the one that counted was killed. Nobody outside knows which it is, and the others come back.
    """
    for victim in _family(product, who):
        killed_at = monotonic()
        os.kill(victim, signal.SIGKILL)
        if _falls_silent(person):
            return killed_at
        person.page.wait_for_timeout(REPLACED_MS)
    raise AssertionError(f"{person.name} heard on, whichever {who} was killed.")


def _family(product: Product, who: str) -> list[int]:
    """Return the processes of the crew, and of its members, whose command lines name `who`."""
    crew = product.company.members["media"].pid
    family = [*_children(crew), *(grandchild for child in _children(crew) for grandchild in _children(child))]
    return [pid for pid in family if who in _command(pid)]


def _times_ready(product: Product, who: str) -> int:
    """Return how many of these processes have said that they are up."""
    return (product.company.logs / "media.log").read_text().count(f'"{who}_ready"')


def _falls_silent(person: Person) -> bool:
    """Say whether nothing is heard for 0.4 s: longer than a voice's pauses, and than what was under way."""
    try:
        person.page.wait_for_function("() => Date.now() - ear.lastHeardAt > 400", timeout=2_000, polling=50)
    except NotInTime:
        return False
    return True


def _wait_until_heard_again(person: Person) -> None:
    """Return at the first new sound. What the page heard before must not count, so no spectrum is asked."""
    page = person.page
    page.wait_for_function(
        "silent => ear.lastHeardAt > silent", arg=page.evaluate("() => Date.now()"), polling=20
    )


def _children(pid: int) -> list[int]:
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _command(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/cmdline").read_text().split("\0")
