"""A letter stays under the size that mailboxes show, however much was bought and written."""

import re
from datetime import datetime

import pytest

from accounts import mail
from accounts.models import Letter, User
from tests.ticketing import box_office
from ticketing import letters, sales
from ticketing.letters import FRIENDS_SHOWN
from ticketing.limits import MOST_IN_A_BASKET
from ticketing.models import Event, Ticket

pytestmark = pytest.mark.django_db

GMAIL_CUTS_AT = 102_000
WIDEST = "\N{WOMAN}"  # four octets each
DEAREST = '"'  # six octets each, once it is escaped


@pytest.mark.parametrize("letter", [WIDEST, DEAREST])
def test_the_largest_order_writes_a_letter_that_is_shown_whole(
    event: Event, ben: User, at: datetime, letter: str
) -> None:
    Event.objects.filter(pk=event.pk).update(title=letter * 120)
    event.club.name = letter * 80
    event.club.save()
    kinds = [
        box_office.kind(event, price=0, per_person=25, name=letter * (59 - place) + "x") for place in range(2)
    ]
    wanted = {kind.pk: MOST_IN_A_BASKET // 2 for kind in kinds}
    sales.place(buyer=ben, event=event, basket=wanted, at=at)
    written = Letter.objects.get()
    assert len(written.html.encode()) + len(written.text.encode()) < GMAIL_CUTS_AT
    assert written.html
    links = re.findall(r"/tickets/pass/", written.text)
    assert len(links) == FRIENDS_SHOWN
    others = MOST_IN_A_BASKET - 1 - FRIENDS_SHOWN
    assert f"And {others} more, on the page of your order." in written.text
    assert f"And {others} more, on the page of your order." in written.html
    assert Ticket.objects.count() == MOST_IN_A_BASKET


@pytest.mark.parametrize(("friends", "more"), [(FRIENDS_SHOWN, False), (FRIENDS_SHOWN + 1, True)])
def test_the_others_are_counted_only_when_there_are_some(
    event: Event,
    ben: User,
    at: datetime,
    friends: int,
    more: bool,  # noqa: FBT001 -- of a table
) -> None:
    box_office.buy(ben, box_office.kind(event, price=0, per_person=50), friends + 1, at=at)
    assert ("more, on the page of your order" in Letter.objects.get().text) is more


@pytest.mark.parametrize("letter", [WIDEST, DEAREST])
def test_letters_about_money_back_stay_small_too(event: Event, ben: User, at: datetime, letter: str) -> None:
    Event.objects.filter(pk=event.pk).update(title=letter * 120)
    User.objects.filter(pk=ben.pk).update(name=letter * 60)
    order = box_office.buy(ben, event.ticket_types.get(price_minor=0), at=at)
    letters.refunded(order=order, refund=None, reason=letter * 200, at=at)
    letters.left_out(order=order, reason=letter * 200, at=at)
    letters.paid_too_late(order=order, refund=None, at=at)
    letters.ticket_taken(ticket=order.tickets.get(), at=at)
    letters.guest_lost_ticket(ticket=order.tickets.get(), at=at)
    for written in Letter.objects.all():
        assert len(written.html.encode()) + len(written.text.encode()) < 30_000
        assert len(written.subject) <= mail.LONGEST_SUBJECT


def test_a_letter_that_would_be_cut_goes_as_text(
    ben: User, at: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mail, "LARGEST", 100)
    written = mail.write(
        key="big",
        to=ben.email,
        template="account/email/letter",
        context={"subject": "W" * 300, "paragraphs": []},
        at=at,
    )
    assert (written.html, len(written.subject), written.subject[-1]) == ("", 200, "…")
