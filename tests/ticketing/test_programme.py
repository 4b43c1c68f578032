"""Events from draft to end, and their money."""

from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import AnonymousUser
from pytest_django.fixtures import DjangoAssertNumQueries

from accounts.models import AuditEntry, User
from clubs.models import Club
from payments.money import Money
from payments.states import WrongState
from tests import factories
from tests.ticketing import box_office
from ticketing import aftersales, offers, programme
from ticketing.models import Event, TicketType
from ticketing.offers import Offer

pytestmark = pytest.mark.django_db

FREE, TWELVE = Money(0, "EUR"), Money(1200, "EUR")


@pytest.fixture
def draft(club: Club, ada: User, at: datetime) -> Event:
    return programme.draft(
        club=club,
        by=ada,
        title="Ghost stories & gin",
        description="Told in the dark.",
        starts_at=at + timedelta(days=3),
        timezone="Europe/Berlin",
        minutes=90,
        at=at,
    )


def rewritten(event: Event, **other: object) -> Event:
    names = ("title", "description", "starts_at", "timezone", "minutes")
    return programme.revise(event=event, **({name: getattr(event, name) for name in names} | other))


# ---- Drafting and publishing


def test_a_draft_has_an_address_that_nobody_can_guess(draft: Event) -> None:
    assert draft.slug.startswith("ghost-stories-gin-")
    assert len(draft.slug.removeprefix("ghost-stories-gin-")) == 6
    assert (draft.status, draft.currency) == (Event.Status.DRAFT, "EUR")


def test_a_title_without_latin_letters_has_an_address_too(club: Club, ada: User, at: datetime) -> None:
    event = programme.draft(
        club=club, by=ada, title="怪談", description="", starts_at=at, timezone="UTC", minutes=60, at=at
    )
    assert len(event.slug) == 6


def test_a_draft_is_seen_by_the_club_alone(draft: Event, ada: User, max: User) -> None:
    seen_by = [
        Event.objects.visible_to(user).filter(pk=draft.pk).exists() for user in (ada, max, AnonymousUser())
    ]
    assert seen_by == [True, False, False]


def test_published_it_is_seen_by_everybody_and_comes(draft: Event, ada: User, at: datetime) -> None:
    offers.put_up(event=draft, offers=[Offer(name="Seat", price=TWELVE)])
    programme.publish(event=draft, by=ada, at=at)
    assert Event.objects.visible_to(AnonymousUser()).get() == draft
    assert [event.price_from for event in Event.objects.coming(at)] == [TWELVE]
    assert AuditEntry.objects.get(verb="event-published").actor == ada


def test_without_tickets_nothing_is_published(draft: Event, ada: User, at: datetime) -> None:
    with pytest.raises(programme.NothingToSell):
        programme.publish(event=draft, by=ada, at=at)


def test_what_would_have_begun_is_not_published(draft: Event, ada: User, at: datetime) -> None:
    offers.put_up(event=draft, offers=[Offer(name="Seat", price=TWELVE)])
    with pytest.raises(programme.AlreadyPast):
        programme.publish(event=draft, by=ada, at=at + timedelta(days=3))


def test_it_is_published_once(event: Event, ada: User, at: datetime) -> None:
    with pytest.raises(WrongState):
        programme.publish(event=event, by=ada, at=at)


# ---- What is on


def test_what_comes_stays_until_its_planned_end_and_what_is_live_is_not_coming(
    event: Event, at: datetime
) -> None:
    assert list(Event.objects.coming(event.ends_at - timedelta(seconds=1))) == [event]
    assert list(Event.objects.coming(event.ends_at)) == []
    programme.go_live(event=event, at=at)
    assert (list(Event.objects.coming(at)), list(Event.objects.live())) == ([], [event])


def test_the_price_from_is_the_lowest_that_is_open(event: Event, at: datetime) -> None:
    assert Event.objects.coming(at).get().price_from == FREE
    event.ticket_types.filter(price_minor=0).update(is_open=False)
    assert Event.objects.coming(at).get().price_from == TWELVE
    assert Event.objects.get(pk=event.pk).price_from == TWELVE
    event.ticket_types.update(is_open=False)
    assert Event.objects.coming(at).get().price_from is None


@pytest.mark.parametrize("count", [1, 3])
def test_cards_cost_the_same_for_any_number(
    count: int, at: datetime, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for _ in range(count):
        factories.TicketTypeFactory.create()
    with django_assert_num_queries(1):
        shown = [(event.club.name, event.price_from) for event in Event.objects.coming(at)]
    assert len(shown) == count


def test_sales_are_counted_out_of_all_seats_or_of_no_limit(club: Club, ben: User, at: datetime) -> None:
    limited = factories.EventFactory.create(club=club)
    for capacity in (3, 4):
        box_office.buy(ben, box_office.kind(limited, capacity=capacity, price=0), 2, at=at)
    open_end = factories.EventFactory.create(club=club)
    box_office.kind(open_end, capacity=3)
    box_office.kind(open_end)
    rows = {event.pk: (vars(event)["sold"], vars(event)["seats"]) for event in Event.objects.with_sales()}
    assert rows == {limited.pk: (4, 7), open_end.pk: (0, None)}


# ---- Revising


def test_what_is_sold_becomes_longer_and_not_shorter(
    ben: User, event: Event, standing: TicketType, at: datetime
) -> None:
    assert rewritten(event, minutes=45).minutes == 45
    box_office.buy(ben, standing, at=at)
    with pytest.raises(programme.LengthIsPromised):
        rewritten(event, minutes=44)
    assert rewritten(event, minutes=90).minutes == 90
    assert programme.promise(event) == (event.starts_at, 45)


def test_a_ticket_is_called_what_it_was_called_when_it_was_sold(
    ben: User, event: Event, standing: TicketType, at: datetime
) -> None:
    ticket = box_office.buy(ben, standing, at=at).tickets.get()
    name = standing.name
    TicketType.objects.filter(pk=standing.pk).update(name="Somewhere at the back")
    ticket.refresh_from_db()
    assert (ticket.ticket_type.name, ticket.type_name) == ("Somewhere at the back", name)


def test_words_may_change_after_a_sale_and_the_start_may_not(
    ben: User, event: Event, standing: TicketType, at: datetime
) -> None:
    box_office.buy(ben, standing, at=at)
    slug = event.slug
    assert (rewritten(event, title="Owls").title, event.slug) == ("Owls", slug)
    with pytest.raises(programme.TimeIsPromised):
        rewritten(event, starts_at=event.starts_at + timedelta(hours=1))


def test_before_a_sale_the_start_may_change(event: Event) -> None:
    later = event.starts_at + timedelta(hours=1)
    assert rewritten(event, starts_at=later).starts_at == later


def test_what_is_over_stays_as_it_was(event: Event, at: datetime) -> None:
    programme.end(event=event, at=at)
    with pytest.raises(programme.ProgrammeIsClosed):
        rewritten(event, title="Owls")


def test_the_start_is_told_in_the_events_own_zone(event: Event) -> None:
    event.starts_at, event.timezone = datetime(2026, 12, 4, 19, 0, tzinfo=UTC), "America/New_York"
    assert event.starts_in_words == "Friday 4 December 2026, 14:00 (America/New York)"


# ---- Ending


def test_at_the_end_the_sale_is_over(event: Event, at: datetime) -> None:
    programme.go_live(event=event, at=at)
    programme.end(event=event, at=at)
    assert (event.status, event.ended_at) == (Event.Status.ENDED, at)
    assert not event.ticket_types.filter(is_open=True).exists()


def test_what_nobody_opened_is_ended_as_not_delivered(event: Event) -> None:
    assert programme.end_missed(at=event.ends_at + timedelta(hours=11)) == 0
    assert programme.end_missed(at=event.ends_at + timedelta(hours=13)) == 1
    event.refresh_from_db()
    assert (event.status, event.delivery) == (Event.Status.ENDED, Event.Delivery.NOT_DELIVERED)
    assert event.did_not_take_place


def test_whether_it_took_place_is_decided_once(event: Event, at: datetime) -> None:
    told = [
        programme.set_delivery(event=event, delivery=delivery, at=at)
        for delivery in (Event.Delivery.DELIVERED, Event.Delivery.NOT_DELIVERED)
    ]
    event.refresh_from_db()
    assert (told, event.delivery) == ([True, False], Event.Delivery.DELIVERED)


# ---- Money


def test_the_money_of_an_evening_is_released_once(
    ben: User, max: User, event: Event, seat: TicketType, at: datetime
) -> None:
    orders = [box_office.buy(fan, seat, at=at) for fan in (ben, max)]
    for _ in range(2):
        programme.release_money(event=event, at=at)
    assert [box_office.charge(order).released_at for order in orders] == [at, at]
    event.refresh_from_db()
    assert event.money_released_at == at


def test_what_goes_back_to_the_buyers_is_not_released(
    ada: User, ben: User, event: Event, seat: TicketType, at: datetime
) -> None:
    order = box_office.buy(ben, seat, at=at)
    aftersales.cancel_event(event=event, by=ada, reason="Storm", at=at)
    with pytest.raises(programme.MoneyGoesBack):
        programme.release_money(event=event, at=at)
    assert box_office.charge(order).released_at is None
