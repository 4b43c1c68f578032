"""The main trip: a fan buys, walks in and hears, is refunded and hears no more; the creator is paid."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from time import time

import pytest
from playwright.sync_api import Locator, expect

from stagedoor import town
from tests.trips import sound
from tests.trips.buying import PAYS, choose_a_seat, expect_a_ticket, late_confirmations, pay
from tests.trips.door import refused_everywhere
from tests.trips.evenings import Evening, go_on_stage_and_speak, open_the_doors, tap_in
from tests.trips.people import Cast, Person, slug_in
from tests.trips.product import Product

pytestmark = [pytest.mark.trip, pytest.mark.timeout(300)]

PRICE, NET = "€12.00", "€11.04"  # what a seat costs, and what is left of it after eight per cent
HEARD_ENOUGH_SECONDS = (
    18  # of a one-minute evening a fifth must be heard, and it is counted every five seconds
)
SILENT_WITHIN = 2.0


def test_a_fan_buys_and_hears_until_refunded_and_the_creator_is_paid_for_the_other(
    cast: Cast, product: Product, note: Callable[[str], None]
) -> None:
    # She will have a second factor, and the town's Ada has none: every other trip signs her in without.
    ada = cast.fan("Ada", microphone="ada", signed_in=False)
    rae = cast.of_the_town("Rae", signed_in=False)
    ben, noor, max_ = cast.stranger("Ben"), cast.stranger("Noor"), cast.of_the_town("Max")

    ada.sign_in()
    expect(ada.page.get_by_text("Your account")).to_be_attached()
    club = found_a_club(ada)
    evening = publish_an_evening(ada, club)
    buy_while_the_confirmation_is_late(ben, evening, product)
    buy(noor, evening)

    open_the_doors(ada, evening)
    go_on_stage_and_speak(ada)
    heard_since = time()
    walk_in_by_the_link_in_the_letter(ben)
    heard = sound.wait_for_tone(ben.page, sound.ADA_HZ, without=sound.FAN_HZ)
    note(f"Ben hears {heard.hz:.1f} Hz, and {sound.FAN_HZ:.0f} Hz {heard.other_below_db:.0f} dB below it")
    walk_in_by_the_link_in_the_letter(noor)
    sound.wait_for_tone(noor.page, sound.ADA_HZ, without=sound.FAN_HZ)

    assert refused_everywhere(max_, evening) == NO_TICKET
    silence = refund(ada, ben, evening)
    note(f"{silence:.2f} s after the refund Ben's page was silent and said why")
    assert silence <= SILENT_WITHIN
    assert refused_everywhere(ben, evening) == NO_TICKET
    sound.wait_for_tone(noor.page, sound.ADA_HZ, without=sound.FAN_HZ)

    counts_since = max(heard_since, evening.starts)  # what is heard before the start does not count
    noor.page.wait_for_timeout(max(0, (counts_since + HEARD_ENOUGH_SECONDS - time()) * 1000))
    close_the_room(ada, seen_by=noor)
    ask_for_the_money(ada, club)
    approve(rae, product)
    expect_to_be_paid(ada)

    assert "The books hold" in product.manage("check_books")
    assert [fan.letters("Your way in") for fan in (ben, noor)] == [1, 1]


NO_TICKET = {
    "page": (403, "You need a ticket"),
    "seat": (403, "no_ticket"),
    "socket": 4001,
    "whep": (401, "bad_grant"),
    "whip": (401, "bad_grant"),
}


# --- Sold ---------------------------------------------------------------------------------------------------


def found_a_club(ada: Person) -> str:
    ada.open("/clubs/new/")
    ada.fill("Name", "Late Voices")
    ada.fill("One line about it", "Stories told in the dark, to whoever stays up")
    ada.page.get_by_label("Time zone").fill("Berlin")
    ada.page.get_by_label("Currency").select_option("EUR")
    ada.press("Found the club")
    expect(ada.page.get_by_text("Late Voices stands.")).to_be_visible()
    return ada.path().split("/")[2]


def publish_an_evening(ada: Person, club: str) -> Evening:
    ada.open(f"/manage/{club}/events/")
    ada.page.get_by_role("link", name="New event").click()
    ada.fill("Title", "An evening of ghost stories")
    ada.fill("What will be heard", "One voice, one lamp, and a story nobody has written down.")
    starts = (datetime.now(UTC) + timedelta(minutes=4)).replace(second=0, microsecond=0)
    ada.page.get_by_label("Starts").fill(f"{starts:%Y-%m-%dT%H:%M}")
    ada.page.get_by_label("Time zone of the event").fill("UTC")
    ada.page.get_by_label("Planned length in minutes").fill("1")
    ada.fill("Price in EUR", "12")
    ada.page.get_by_label("How many").fill("50")
    ada.press("Publish")
    expect(ada.page.get_by_text("The event is on sale.")).to_be_visible()
    return Evening(slug_in(ada.page.url), starts=starts.timestamp())


def buy_while_the_confirmation_is_late(fan: Person, evening: Evening, product: Product) -> None:
    """Sign up on the way, pay, and see "confirming" resolve by itself."""
    choose_a_seat(fan, evening)
    fan.sign_up()
    fan.press("Get tickets")
    with late_confirmations(product):
        pay(fan, card=PAYS, button=f"Pay {PRICE}")
        expect(fan.page.get_by_text("Confirming your payment…")).to_be_visible()
    expect_a_ticket(fan)
    fan.page.get_by_role("link", name="My tickets").click()
    expect(fan.page.get_by_role("heading", name="An evening of ghost stories")).to_be_visible()


def buy(fan: Person, evening: Evening) -> None:
    choose_a_seat(fan, evening)
    fan.sign_up()
    fan.press("Get tickets")
    pay(fan, card=PAYS, button=f"Pay {PRICE}")
    expect_a_ticket(fan)


# --- Heard --------------------------------------------------------------------------------------------------


def walk_in_by_the_link_in_the_letter(fan: Person) -> None:
    fan.page.goto(fan.find_in_mail(r"(http\S+/rooms/\S+)"))
    tap_in(fan)


def refund(ada: Person, ben: Person, evening: Evening) -> float:
    """Refund Ben from the order's page; return after how many seconds he heard nothing and read why."""
    office = ada.page.context.new_page()  # Ada stays on stage in her other tab
    office.goto(f"{ada.base_url}/manage/events/{evening.slug}/sales/")
    row = office.get_by_role("row").filter(has_text="Ben")
    row.get_by_role("link").click()
    office.get_by_role("button", name="Refund…").click()
    dialog = office.get_by_role("dialog")
    dialog.get_by_label("Why").fill("You asked for it.")
    watch = ben.page.evaluate_handle(WATCH_THE_CURTAIN)
    refunded_at = time()
    dialog.get_by_role("button", name=f"Refund {PRICE}").click(no_wait_after=True)
    expect(ben.page.get_by_role("heading", name="You have left the room")).to_be_visible()
    told_at = watch.evaluate("watch => watch.told") / 1000
    sound.wait_for_silence(ben.page)
    last_heard_at = ben.page.evaluate("() => ear.lastHeardAt") / 1000
    expect(office.get_by_text("The buyer is told.")).to_be_visible()
    office.close()
    return float(max(told_at, last_heard_at) - refunded_at)


WATCH_THE_CURTAIN = """
() => {
  const curtain = document.querySelector("[data-curtain]");
  const told = new Promise((resolve) => {
    new MutationObserver(() => curtain.hidden || resolve(Date.now())).observe(curtain, { attributes: true });
  });
  return { told };
}
"""


def close_the_room(ada: Person, *, seen_by: Person) -> None:
    ada.press("Close room")
    ada.press("Close the room")
    for person in (ada, seen_by):
        expect(person.page.get_by_role("heading", name="The room is closed")).to_be_visible()
    sound.wait_for_silence(seen_by.page)


# --- Paid ---------------------------------------------------------------------------------------------------


def ask_for_the_money(ada: Person, club: str) -> None:
    """Introduce herself at Stripe, and ask for all that is available once it is."""
    ada.open(f"/clubs/{club}/manage/")
    ada.page.get_by_role("navigation", name="Club").get_by_role("link", name="Money").click()
    ada.page.get_by_label("Country").select_option("DE")
    ada.press("Set up payouts")
    set_up_an_app(ada)
    ada.fill("Full name", "Ada Night")
    ada.fill("IBAN", "DE89 3704 0044 0532 0130 00")
    ada.press("Finish")
    expect(ada.page.get_by_text("You can be paid now.")).to_be_visible()
    reload_until(ada, ada.page.get_by_text(f"Up to {NET}."))
    ada.fill("Amount in EUR", NET.removeprefix("€"))
    ada.press("Ask for it")
    expect(ada.page.get_by_text("Your payout is asked for.")).to_be_visible()


def set_up_an_app(ada: Person) -> None:
    """Set up her first second factor on the way, and go on where she was."""
    ada.page.get_by_role("link", name="Set up an app").click()
    ada.fill("Password", ada.password)
    ada.press("Go on")
    key = ada.page.get_by_label("Key", exact=True).input_value()
    ada.fill("The code that the app shows", town.code_of(key))
    ada.press("Set it up")
    ada.page.get_by_role("link", name="Go on where you were").click()
    ada.press("Send it now")


def approve(rae: Person, product: Product) -> None:
    """Sign in with the second factor, and say yes at the review desk."""
    rae.sign_in(then="/payments/review/")
    expect(rae.page.get_by_role("heading", name="One more step")).to_be_visible()
    rae.show_second_factor(then="/payments/review/")
    rae.page.get_by_role("row").filter(has_text="Late Voices").get_by_role("link", name="Review").click()
    rae.press(f"Approve {NET}")
    expect(rae.page.get_by_text("Approved. The money is being sent.")).to_be_visible()


def expect_to_be_paid(ada: Person) -> None:
    payout = ada.page.get_by_role("article").filter(has_text=NET)
    reload_until(ada, payout.get_by_text("Paid", exact=True))


def reload_until(person: Person, sign: Locator) -> None:
    """Look at the page again until it shows the sign, as somebody does who waits for money."""
    for _look in range(40):
        if sign.is_visible():
            return
        person.page.wait_for_timeout(500)
        person.page.reload()
    expect(sign).to_be_visible()
