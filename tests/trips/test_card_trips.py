"""Cards that do not simply pay: the buyer is told, keeps the seat meanwhile, and can try again."""

import pytest
from playwright.sync_api import expect

from tests.trips.buying import ASKS, DECLINES, PAYS, choose_a_seat, expect_a_ticket, pay
from tests.trips.evenings import Evening, put_on
from tests.trips.people import Cast, Person

pytestmark = [pytest.mark.trip, pytest.mark.timeout(300)]

PRICE = "€9.00"


@pytest.fixture
def buyer(cast: Cast) -> Person:
    return cast.fan("Ben")


@pytest.fixture
def evening(cast: Cast) -> Evening:
    return put_on(cast.of_the_town("Ada").session, "Cards on the table", price="9")


def test_a_declined_card_is_told_in_stripes_words_and_another_card_pays(
    buyer: Person, evening: Evening
) -> None:
    choose_a_seat(buyer, evening)

    pay(buyer, card=DECLINES, button=f"Pay {PRICE}")
    expect(buyer.page.get_by_role("alert")).to_have_text("Your card was declined.")
    pay(buyer, card=PAYS, button=f"Pay {PRICE}")

    expect_a_ticket(buyer)
    assert buyer.letters("Your way in") == 1


def test_a_card_that_asks_for_confirmation_pays_only_once_it_has_it(buyer: Person, evening: Evening) -> None:
    choose_a_seat(buyer, evening)

    pay(buyer, card=ASKS, button=f"Pay {PRICE}")
    buyer.press("Fail authentication")
    expect(buyer.page.get_by_role("alert")).to_contain_text("unable to authenticate your payment method")
    pay(buyer, card=ASKS, button=f"Pay {PRICE}")
    buyer.press("Complete authentication")

    expect_a_ticket(buyer)


def test_who_goes_back_from_the_till_finds_the_seat_held_and_may_let_it_go(
    buyer: Person, evening: Evening
) -> None:
    choose_a_seat(buyer, evening)

    buyer.page.get_by_role("link", name="Back").click()
    expect(buyer.page.get_by_role("heading", name="Held for you")).to_be_visible()
    buyer.press("Let them go")

    expect(buyer.page.get_by_text("Your order was let go. Nothing was charged.")).to_be_visible()
