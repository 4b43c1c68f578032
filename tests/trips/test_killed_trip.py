"""Sound processes are killed in the middle of an evening, and everybody hears again, without a click."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from time import monotonic

import pytest

from tests.trips import sound
from tests.trips.evenings import (
    Evening,
    go_in,
    go_on_stage_and_speak,
    open_the_doors,
    put_on,
    take_free_ticket,
)
from tests.trips.people import Cast, Person
from tests.trips.product import Product

pytestmark = [pytest.mark.trip, pytest.mark.timeout(300)]

BACK_WITHIN = 5.0


@pytest.mark.parametrize("who", ["edge", "rooms.media.sender", "mixer"])
def test_a_killed_process_is_replaced_and_everybody_hears_again(
    cast: Cast, product: Product, note: Callable[[str], None], who: str
) -> None:
    ada, ben = cast.of_the_town("Ada"), cast.fan("Ben")
    _an_evening_with(ben, host=ada, title=f"Without a net: {who}")

    killed_at = monotonic()
    _kill(product, who)
    _silence_began(ben)
    sound.wait_for_tone(ben.page, sound.ADA_HZ, without=sound.FAN_HZ)
    took = monotonic() - killed_at
    note(f"{took:.1f} s after the {who.rsplit('.', maxsplit=1)[-1]} was killed, Ben heard again")
    assert took < BACK_WITHIN


def _an_evening_with(fan: Person, *, host: Person, title: str) -> Evening:
    evening = put_on(host.session, title)
    take_free_ticket(fan.session, evening)
    open_the_doors(host, evening)
    go_on_stage_and_speak(host)
    go_in(fan, evening)
    sound.wait_for_tone(fan.page, sound.ADA_HZ, without=sound.FAN_HZ)
    return evening


def _silence_began(person: Person) -> None:
    """Wait until nothing has been heard for a third of a second: what was under way has been heard out."""
    person.page.wait_for_function("() => Date.now() - ear.lastHeardAt > 350", timeout=10_000)


def _kill(product: Product, who: str) -> None:
    """Kill the first process of the crew, or of one of its edges, whose command line names `who`."""
    crew = product.company.members["media"].pid
    family = [
        crew,
        *_children(crew),
        *(grandchild for child in _children(crew) for grandchild in _children(child)),
    ]
    victim = next(pid for pid in family if who in _command(pid))
    os.kill(victim, signal.SIGKILL)


def _children(pid: int) -> list[int]:
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _command(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/cmdline").read_text().split("\0")
