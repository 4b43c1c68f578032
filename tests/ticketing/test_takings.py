"""What an event has sold, and when."""

from datetime import UTC, date, datetime, timedelta

import pytest

from accounts.models import User
from payments.evidence import about
from payments.money import Money
from tests import factories
from tests.ticketing import box_office
from ticketing import aftersales, takings
from ticketing.models import Event, TicketType

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 11, 2, 12, 0, tzinfo=UTC)


@pytest.fixture
def november(club: object) -> TicketType:
    """Return a seat of an event in Berlin that is on sale since 2 November."""
    event = factories.EventFactory.create(published_at=NOON, starts_at=datetime(2027, 3, 1, 19, tzinfo=UTC))
    return box_office.kind(event, price=1000)


def test_taken_is_given_back_and_fees_and_yours(ada: User, november: TicketType) -> None:
    box_office.buy(box_office.fan(), november, 3, at=NOON)
    aftersales.refund(
        order=box_office.buy(box_office.fan(), november, at=NOON), by=ada, reason="Ill", at=NOON
    )
    figures = takings.of(november.event)
    assert (figures.taken, figures.given_back, figures.fees) == (
        Money(4000, "EUR"),
        Money(1000, "EUR"),
        Money(240, "EUR"),
    )
    assert figures.yours == figures.taken - figures.given_back - figures.fees
    assert figures.tickets == 3


def test_a_type_has_taken_what_its_tickets_cost_when_they_were_bought(november: TicketType) -> None:
    box_office.buy(box_office.fan(), november, 2, at=NOON)
    november.price_minor = 1500
    november.save(update_fields=["price_minor"])
    dearer = box_office.kind(november.event, price=500, name="Standing", position=1)
    assert takings.by_type(november.event) == [(november, Money(2000, "EUR")), (dearer, Money(0, "EUR"))]


def test_a_payment_that_came_too_late_was_never_taken(november: TicketType) -> None:
    order = box_office.hold(box_office.fan(), november, at=NOON)
    factories.put_down_as(november.event, Event.Status.CANCELLED, at=NOON)
    box_office.pay(order, at=NOON)
    assert takings.of(november.event).taken == Money(0, "EUR")


def test_tickets_are_counted_by_the_day_of_the_event_and_not_of_utc(november: TicketType) -> None:
    late = datetime(2026, 11, 3, 23, 30, tzinfo=UTC)  # half past midnight on the 4th in Berlin
    box_office.buy(box_office.fan(), november, 2, at=NOON)
    box_office.buy(box_office.fan(), november, at=late)
    shown = [(span.first, span.tickets) for span in takings.over_time(november.event, at=late)]
    assert shown == [(date(2026, 11, 2), 2), (date(2026, 11, 3), 0), (date(2026, 11, 4), 1)]


def test_a_long_sale_is_counted_by_weeks(november: TicketType) -> None:
    box_office.buy(box_office.fan(), november, 2, at=NOON)
    box_office.buy(box_office.fan(), november, at=NOON + timedelta(days=40))
    spans = takings.over_time(november.event, at=NOON + timedelta(days=40))
    assert {span.days for span in spans} == {7}
    assert [span.tickets for span in spans] == [2, 0, 0, 0, 0, 1]


def test_after_the_end_the_chart_stands_still(november: TicketType) -> None:
    Event.objects.filter(pk=november.event.pk).update(
        status=Event.Status.ENDED, ended_at=NOON + timedelta(days=2)
    )
    november.event.refresh_from_db()
    assert len(takings.over_time(november.event, at=NOON + timedelta(days=300))) == 3


def test_the_reviewer_is_given_facts_about_the_sale(ada: User, november: TicketType) -> None:
    box_office.buy(box_office.fan(), november, 2, at=NOON)
    aftersales.refund(
        order=box_office.buy(box_office.fan(), november, at=NOON), by=ada, reason="Ill", at=NOON
    )
    facts = {fact.label: fact.value for fact in about(november.event.club.payee)}
    assert (facts["Different buyers"], facts["Orders refunded"], facts["Events that took place"]) == (
        "1",
        "1 of 2",
        "0",
    )
