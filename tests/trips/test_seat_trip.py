"""A fan's seat: it moves to a second tab after a click, outlives a lost connection, and fits a phone."""

from collections.abc import Callable
from time import monotonic

import pytest
from playwright.sync_api import expect

from tests.trips import sound
from tests.trips.evenings import an_evening_with, control, tap_in
from tests.trips.line import line
from tests.trips.people import Cast
from tests.trips.product import Product

pytestmark = [pytest.mark.trip, pytest.mark.timeout(300)]


def test_a_second_tab_takes_the_seat_over_after_a_click_and_the_first_falls_silent(cast: Cast) -> None:
    ada, ben = cast.of_the_town("Ada"), cast.fan("Ben")
    evening = an_evening_with(ben, host=ada, title="Two tabs")
    second = cast.another_page_of(ben)

    second.open(evening.room)
    second.page.locator("[data-listen]").click()
    expect(second.page.get_by_role("heading", name="You are already in this room")).to_be_visible()
    expect(ben.page.locator("#room")).to_have_attribute("data-connection", "connected")
    tap_in(second)

    sound.wait_for_tone(second.page, sound.ADA_HZ, without=sound.FAN_HZ)
    expect(ben.page.get_by_role("heading", name="You are in this room on another page")).to_be_visible()
    sound.wait_for_silence(ben.page)
    expect(ada.page.locator("[data-audience]")).to_have_text("1")


def test_a_copy_of_the_tab_is_another_page_and_a_reload_is_the_same(cast: Cast) -> None:
    ada, ben = cast.of_the_town("Ada"), cast.fan("Ben")
    an_evening_with(ben, host=ada, title="One tab, twice")
    # A page that opens another one hands it a copy of what it has stored, as duplicating a tab does.
    with ben.page.context.expect_page() as opening:
        ben.page.evaluate("window.open(location.href)")
    copy = opening.value
    copy.wait_for_load_state()  # a button that was pressed before its script came does nothing
    copy.locator("[data-listen]").click()
    expect(copy.get_by_role("heading", name="You are already in this room")).to_be_visible()
    expect(ben.page.locator("#room")).to_have_attribute("data-connection", "connected")
    copy.close()

    ben.page.reload()
    ben.page.locator("[data-listen]").click()
    expect(ben.page.locator("#room")).to_have_attribute("data-connection", "connected")


def test_a_lost_connection_is_told_and_mended_and_the_raised_hand_is_still_up(
    cast: Cast, product: Product, note: Callable[[str], None]
) -> None:
    with line(product.base_url) as wire:
        ada, ben = cast.of_the_town("Ada"), cast.fan("Ben")
        ben.base_url = wire.url
        an_evening_with(ben, host=ada, title="A bad line")
        control(ben, "hand").click()
        hand = ada.page.get_by_role("button", name=f"Invite: {ben.name}")
        expect(hand).to_be_visible()

        wire.cut()
        expect(ben.page.get_by_text("The connection was lost. Reconnecting")).to_be_visible()
        wire.mend()
        mended_at = monotonic()
        expect(ben.page.locator("#room")).to_have_attribute("data-connection", "connected")
        note(f"a cut control connection was back {monotonic() - mended_at:.1f} s after the line was")

        expect(control(ben, "hand")).to_have_text("Lower hand")
        expect(hand).to_be_visible()
        sound.wait_for_tone(ben.page, sound.ADA_HZ, without=sound.FAN_HZ)


def test_on_a_phone_the_room_fits_the_width_and_is_heard(cast: Cast) -> None:
    ada, ben = cast.of_the_town("Ada"), cast.fan("Ben", phone=True)
    an_evening_with(ben, host=ada, title="In the palm of a hand")

    overflow = ben.page.evaluate("() => document.documentElement.scrollWidth - innerWidth")
    assert overflow == 0
    for name in ("hand", "sound", "leave"):
        box = control(ben, name).bounding_box()
        assert box is not None
        assert box["height"] >= 44
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 390
        assert box["y"] + box["height"] <= 844
