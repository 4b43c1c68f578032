"""Evenings to play on: put up by Ada's own session, in a second, where the trip is about something else."""

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from playwright.sync_api import Locator, expect

from stagedoor.visitor import Visitor
from tests.trips import sound
from tests.trips.people import Person, slug_in

STARTS_IN = timedelta(minutes=3)


@dataclass(frozen=True)
class Evening:
    slug: str
    starts: float = 0.0  # unix seconds, where it matters

    @property
    def page(self) -> str:
        return f"/events/{self.slug}/"

    @property
    def room(self) -> str:
        return f"/rooms/{self.slug}/"


def found_club(by: Visitor, name: str = "") -> str:
    """Found a club, named like no other, and return its slug."""
    club = {"name": name or f"Club {secrets.token_hex(4)}", "currency": "EUR", "timezone": "Europe/Berlin"}
    made = by.submit(by.open("/clubs/new/"), "", club)
    return made.url.path.split("/")[2]


def put_on(
    by: Visitor, title: str, *, club: str = "", price: str = "", members_only: bool = False
) -> Evening:
    """Put an evening on sale, in a club of its own unless one is named. Without a price it is free."""
    club = club or found_club(by)
    starts = datetime.now(UTC) + STARTS_IN
    event = {"title": title, "starts": f"{starts:%Y-%m-%dT%H:%M}", "timezone": "UTC", "minutes": "30"}
    offer = {"offers-0-name": "Seat", "offers-0-price": price, "offers-0-capacity": "50"}
    if members_only:
        offer["offers-0-members_only"] = "on"
    form = by.open(f"/manage/{club}/events/new/")
    made = by.submit(form, "", {**event, **offer, "publish": "1"})
    return Evening(slug_in(str(made.url)))


def take_free_ticket(fan: Visitor, evening: Evening) -> None:
    taken = fan.submit(fan.open(evening.page), "buy", {})
    assert taken.url.path.startswith("/orders/"), f"{fan.name} got no ticket: {taken.url}"


# --- In the room --------------------------------------------------------------------------------------------


def go_in(person: Person, evening: Evening) -> None:
    person.open(evening.room)
    tap_in(person)


def tap_in(person: Person) -> None:
    """Tap the one button on the curtain, and wait until the room is there."""
    person.page.locator("[data-listen]").click()
    expect(person.page.locator("#room")).to_have_attribute("data-connection", "connected")


def open_the_doors(ada: Person, evening: Evening) -> None:
    go_in(ada, evening)
    ada.press("Open the doors")
    expect(ada.page.locator("[data-live]")).to_be_visible()


def control(person: Person, name: str) -> Locator:
    """Return one of the round buttons at the foot of the room: hand, stage, mic, sound, leave."""
    return person.page.locator(f'[data-control="{name}"]')


def tile_of(who: Person, *, seen_by: Person) -> Locator:
    """Return where somebody on stage is shown."""
    page = seen_by.page
    return page.locator(".speaker", has=page.locator(".speaker__name", has_text=who.name))


def speak(person: Person) -> None:
    """Unmute on stage."""
    microphone = control(person, "mic")
    expect(microphone).to_have_text("Unmute")
    microphone.click()
    expect(microphone).to_have_text("Mute")


def go_on_stage_and_speak(ada: Person) -> None:
    control(ada, "stage").click()
    speak(ada)


def an_evening_with(fan: Person, *, host: Person, title: str) -> Evening:
    """Return an evening on which the host speaks and the fan listens."""
    evening = put_on(host.session, title)
    take_free_ticket(fan.session, evening)
    open_the_doors(host, evening)
    go_on_stage_and_speak(host)
    go_in(fan, evening)
    sound.wait_for_tone(fan.page, sound.ADA_HZ, without=sound.FAN_HZ)
    return evening
