"""A fan joins a club by the month, and takes a seat that is for members only."""

import pytest
from playwright.sync_api import expect

from tests.trips.buying import PAYS, choose_a_seat, expect_a_ticket, pay
from tests.trips.evenings import found_club, put_on
from tests.trips.people import Cast, Person

pytestmark = [pytest.mark.trip, pytest.mark.timeout(300)]


def test_a_fan_becomes_a_member_and_gets_the_seat_that_others_are_refused(cast: Cast) -> None:
    ada, ben = cast.of_the_town("Ada"), cast.fan("Ben")
    club = found_club(ada.session)
    offer_a_plan(ada, club)
    evening = put_on(ada.session, "Among ourselves", club=club, members_only=True)

    ben.open(evening.page)
    expect(ben.page.get_by_text("For members")).to_be_visible()
    ben.page.get_by_role("link", name="Join").click()
    ben.press("Become a member")
    pay(ben, card=PAYS, button="Pay €5.00")
    expect(ben.page.get_by_text("End the membership…")).to_be_visible()
    choose_a_seat(ben, evening)

    expect_a_ticket(ben)


def offer_a_plan(ada: Person, club: str) -> None:
    ada.open(f"/clubs/{club}/manage/plan/")
    ada.fill("Name", "Friends of the night")
    ada.fill("Price a month", "5")
    ada.press("Offer it")
    expect(ada.page.get_by_role("heading", name="Friends of the night")).to_be_visible()
