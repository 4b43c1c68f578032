"""What a script swaps into a page is a page itself for people without scripts."""

from datetime import datetime

import pytest
from django.test import Client

from accounts.models import User
from tests.ticketing import box_office
from ticketing.models import Event, TicketType

pytestmark = pytest.mark.django_db
PART = {"HX-Request": "true"}


def test_a_clubs_events_are_a_part_for_its_page_and_a_page_without_scripts(
    client: Client, event: Event
) -> None:
    for headers, is_page in ((PART, False), ({}, True)):
        shown = client.get(f"/events/of/{event.club.slug}/", headers=headers).content.decode()
        assert (event.title in shown, "<html" in shown) == (True, is_page)


def test_where_an_order_stands_is_a_page_without_scripts(
    client: Client, ben: User, seat: TicketType, at: datetime
) -> None:
    client.force_login(ben)
    order = box_office.hold(ben, seat, at=at)
    for headers, is_page in ((PART, False), ({}, True)):
        shown = client.get(f"/orders/{order.pk}/state/", headers=headers).content.decode()
        assert ("Held for you" in shown, "<html" in shown) == (True, is_page)
