"""A fan asks for the stage, speaks, and is taken down again; a browser that gives no microphone says so."""

import os
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from stagedoor.processes import BASE_DIR
from tests.trips import sound
from tests.trips.evenings import (
    control,
    found_club,
    go_in,
    go_on_stage_and_speak,
    open_the_doors,
    put_on,
    speak,
    take_free_ticket,
    tile_of,
)
from tests.trips.people import Cast, Person

pytestmark = [pytest.mark.trip, pytest.mark.timeout(300)]

TITLE = "Ghost stories, and your questions"
PICTURE = BASE_DIR / "docs" / "screenshot.png"


def test_a_fan_raises_a_hand_is_invited_speaks_is_muted_and_taken_off_stage(
    cast: Cast, note: Callable[[str], None]
) -> None:
    ada, ben, noor = cast.of_the_town("Ada"), cast.fan("Ben"), cast.fan("Noor")
    evening = put_on(ada.session, TITLE, club=found_club(ada.session, "Night Owls"))
    open_the_doors(ada, evening)
    go_on_stage_and_speak(ada)
    for fan in (ben, noor):
        take_free_ticket(fan.session, evening)
        go_in(fan, evening)

    be_asked_on_stage(ben, by=ada)
    speak(ben)
    control(noor, "hand").click()
    expect(ada.page.get_by_role("button", name="Invite: Noor")).to_be_visible()
    sound.wait_for_both(noor.page, sound.ADA_HZ, sound.FAN_HZ)
    sound.wait_for_tone(ada.page, sound.FAN_HZ, without=sound.ADA_HZ)
    heard = sound.wait_for_tone(ben.page, sound.ADA_HZ, without=sound.FAN_HZ)
    photograph(ada)
    note(f"a speaker's own voice is {heard.other_below_db:.0f} dB below what they hear")

    moderate(ada, ben, "Mute")
    expect(control(ben, "mic")).to_have_text("Unmute")
    expect(ben.page.get_by_text("A host has muted you.")).to_be_visible()
    sound.wait_for_silence(ada.page)

    moderate(ada, ben, "Take off stage")
    expect(ben.page.get_by_text("You are off stage and listening.")).to_be_visible()
    expect(control(ben, "mic")).to_be_hidden()
    sound.wait_for_tone(ben.page, sound.ADA_HZ, without=sound.FAN_HZ)


def test_a_refused_microphone_is_told_in_words_that_say_what_to_do(cast: Cast) -> None:
    ada, ben = cast.of_the_town("Ada"), cast.fan("Ben", microphone="refused")
    evening = put_on(ada.session, "Without a microphone")
    take_free_ticket(ben.session, evening)
    open_the_doors(ada, evening)
    go_in(ben, evening)
    be_asked_on_stage(ben, by=ada)

    control(ben, "mic").click()

    expect(ben.page.locator("[data-notice]")).to_have_text(
        "Your browser did not let this page use the microphone. "
        "Allow it next to the address, then tap Unmute again."
    )
    expect(control(ben, "mic")).to_have_text("Unmute")
    expect(tile_of(ben, seen_by=ada)).to_have_attribute("data-muted", "true")


def photograph(ada: Person) -> None:
    """Take the README's picture, if this run was asked for it."""
    if os.environ.get("STAGEDOOR_SCREENSHOT") == "1":
        ada.page.set_viewport_size({"width": 1280, "height": 640})
        expect(ada.page.locator(".toast")).to_have_count(0)
        expect(tile_of(ada, seen_by=ada)).to_have_attribute("data-speaking", "true")
        ada.page.screenshot(path=PICTURE, animations="disabled")
        assert PICTURE.stat().st_size < 300_000


def be_asked_on_stage(fan: Person, *, by: Person) -> None:
    control(fan, "hand").click()
    by.press(f"Invite: {fan.name}")
    expect(fan.page.get_by_role("alertdialog", name="You are invited on stage")).to_be_focused()
    fan.press("Go on stage")


def moderate(host: Person, fan: Person, what: str) -> None:
    tile = tile_of(fan, seen_by=host)
    tile.get_by_label(f"Moderate {fan.name}").click()
    tile.get_by_role("button", name=what).click()
