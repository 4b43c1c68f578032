"""What those who run a club see and do."""

from datetime import datetime, timedelta

import pytest
from django.test import Client
from django.utils.timezone import now
from pytest_django import DjangoAssertNumQueries

from accounts.models import User
from clubs.models import Club, Officer
from payments import refunds
from payments.models import Refund
from payments.stripe_records import RefundState
from tests import factories
from tests.ticketing import box_office
from tests.ticketing.box_office import SIGNED_IN
from ticketing import aftersales, money_back, programme
from ticketing.models import Event, Order, Ticket, TicketType

pytestmark = pytest.mark.django_db


@pytest.fixture
def adas(client: Client, ada: User) -> Client:
    """Return Ada's browser."""
    client.force_login(ada)
    client.get("/healthz")  # the first page of a session writes it down; those after it do not
    return client


def typed(*offers: dict[str, str], **other: str) -> dict[str, str]:
    """Return what the editor sends: an event with one free type, and what is different."""
    data = {
        "title": "Owls",
        "description": "",
        "starts": "2027-12-03T20:00",
        "timezone": "Europe/Berlin",
        "minutes": "60",
        "offers-TOTAL_FORMS": str(len(offers) or 1),
        "offers-INITIAL_FORMS": "0",
    }
    for number, offer in enumerate(offers or [{}]):
        row = {"name": "Seat", "price": "", "capacity": "", "per_person": "6", "is_open": "on"} | offer
        data |= {f"offers-{number}-{name}": value for name, value in row.items()}
    return data | other


def shown_again(event: Event, **other: str) -> dict[str, str]:
    """Return what the editor of an event sends when nothing was changed, but for these."""
    kinds = [
        {
            "pk": str(kind.pk),
            "name": kind.name,
            "price": f"{kind.price.major}",
            "capacity": str(kind.capacity or ""),
        }
        for kind in event.ticket_types.all()
    ]
    start = event.starts_there.strftime("%Y-%m-%dT%H:%M")
    data = typed(*kinds, title=event.title, starts=start, timezone=event.timezone)
    return data | {"offers-INITIAL_FORMS": str(len(kinds))} | other


# ---- Who may


@pytest.mark.parametrize(
    ("role", "told"),
    [
        (Officer.Role.HOST, [200, 200, 404, 404]),
        (Officer.Role.CASHIER, [200, 404, 200, 200]),
        (Officer.Role.MODERATOR, [404, 404, 404, 404]),
        (None, [404, 404, 404, 404]),
    ],
)
def test_each_officer_sees_what_is_theirs(
    client: Client,
    club: Club,
    event: Event,
    seat: TicketType,
    at: datetime,
    role: str | None,
    told: list[int],
) -> None:
    person, order = factories.UserFactory.create(), box_office.buy(box_office.fan(), seat, at=at)
    if role:
        factories.OfficerFactory.create(club=club, user=person, role=role)
    client.force_login(person)
    pages = [
        f"/manage/{club.slug}/events/",
        f"/manage/events/{event.slug}/",
        f"/manage/events/{event.slug}/sales/",
        f"/manage/orders/{order.pk}/",
    ]
    assert [client.get(page).status_code for page in pages] == told


def test_only_who_manages_the_club_calls_off(client: Client, club: Club, event: Event) -> None:
    host = factories.OfficerFactory.create(club=club, role=Officer.Role.HOST).user
    client.force_login(host)
    assert client.post(f"/manage/events/{event.slug}/cancel/", {"reason": "Storm"}).status_code == 404


def test_only_who_sees_the_money_refunds(client: Client, club: Club, seat: TicketType, at: datetime) -> None:
    order = box_office.buy(box_office.fan(), seat, at=at)
    client.force_login(factories.OfficerFactory.create(club=club, role=Officer.Role.HOST).user)
    assert client.post(f"/manage/orders/{order.pk}/refund/", {"reason": "Ill"}).status_code == 404
    assert box_office.again(order).status == Order.Status.PAID


# ---- Events


@pytest.mark.parametrize("count", [1, 3])
def test_the_list_costs_the_same_for_any_number(
    adas: Client, club: Club, count: int, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for event in factories.EventFactory.create_batch(count, club=club):
        factories.TicketTypeFactory.create_batch(count, event=event)
    with django_assert_num_queries(SIGNED_IN + 4):
        page = adas.get(f"/manage/{club.slug}/events/").content.decode()
    assert page.count('<th scope="row"') == count


def test_without_events_the_way_to_one_is_shown(adas: Client, club: Club) -> None:
    page = adas.get(f"/manage/{club.slug}/events/").content.decode()
    assert ("No events yet" in page, f"/manage/{club.slug}/events/new/" in page) == (True, True)


def test_a_new_event_is_kept_as_a_draft(adas: Client, club: Club) -> None:
    answer = adas.post(f"/manage/{club.slug}/events/new/", typed({"price": "12.50", "capacity": "40"}))
    event = Event.objects.get()
    assert answer.headers["Location"] == f"/manage/events/{event.slug}/"
    assert (event.status, event.title, event.currency) == (Event.Status.DRAFT, "Owls", "EUR")
    kind = event.ticket_types.get()
    assert (kind.price_minor, kind.capacity, kind.is_open) == (1250, 40, True)


def test_a_new_event_is_published_at_once(adas: Client, club: Club) -> None:
    answer = adas.post(f"/manage/{club.slug}/events/new/", typed(publish="1"))
    event = Event.objects.get()
    assert (event.status, answer.headers["Location"]) == (Event.Status.PUBLISHED, event.get_absolute_url())


def test_what_is_past_is_kept_and_not_published(adas: Client, club: Club) -> None:
    page = adas.post(
        f"/manage/{club.slug}/events/new/",
        typed(starts=f"{now() - timedelta(days=3):%Y-%m-%dT%H:%M}", publish="1"),
        follow=True,
    )
    assert Event.objects.get().status == Event.Status.DRAFT
    assert "The start is in the past." in page.content.decode()


def test_a_year_long_past_is_asked_for_again(adas: Client, club: Club) -> None:
    page = adas.post(f"/manage/{club.slug}/events/new/", typed(starts="2020-01-01T20:00", publish="1"))
    assert (page.status_code, Event.objects.count()) == (422, 0)
    assert "Choose a day within the next two years." in page.content.decode()


def test_a_skipped_hour_is_explained_beside_the_field(adas: Client, club: Club) -> None:
    answer = adas.post(f"/manage/{club.slug}/events/new/", typed(starts="2027-03-28T02:30"))
    assert (answer.status_code, Event.objects.count()) == (422, 0)
    assert "no clock shows 02:30" in answer.content.decode()


def test_saving_unchanged_changes_nothing(adas: Client, event: Event, seat: TicketType) -> None:
    before = (event.starts_at, seat.price_minor, seat.capacity)
    assert adas.post(f"/manage/events/{event.slug}/", shown_again(event)).status_code == 302
    event.refresh_from_db()
    seat.refresh_from_db()
    assert (event.starts_at, seat.price_minor, seat.capacity) == before


def test_the_start_of_what_is_sold_stays_and_nothing_else_is_saved(
    adas: Client, ben: User, event: Event, standing: TicketType, at: datetime
) -> None:
    box_office.buy(ben, standing, at=at)
    answer = adas.post(
        f"/manage/events/{event.slug}/", shown_again(event, title="Owls", starts="2027-12-03T20:00")
    )
    assert answer.status_code == 422
    assert "Tickets are sold for" in answer.content.decode()
    event.refresh_from_db()
    assert event.title == "An evening of ghost stories"


def test_fewer_seats_than_are_sold_is_explained_beside_the_row(
    adas: Client, ben: User, event: Event, seat: TicketType, at: datetime
) -> None:
    box_office.buy(ben, seat, 3, at=at)
    data = shown_again(event) | {"offers-0-capacity": "2"}
    answer = adas.post(f"/manage/events/{event.slug}/", data)
    assert answer.status_code == 422
    assert "3 are sold or being paid for." in answer.content.decode()


def test_what_is_over_cannot_be_edited(adas: Client, event: Event, at: datetime) -> None:
    programme.end(event=event, at=at)
    page = adas.get(f"/manage/events/{event.slug}/").content.decode()
    assert ("It stays as it was." in page, 'name="title"' in page) == (True, False)


def test_calling_off_needs_a_reason(adas: Client, event: Event) -> None:
    adas.post(f"/manage/events/{event.slug}/cancel/", {"reason": ""})
    event.refresh_from_db()
    assert event.status == Event.Status.PUBLISHED
    adas.post(f"/manage/events/{event.slug}/cancel/", {"reason": "Storm"})
    event.refresh_from_db()
    assert (event.status, event.refunding_because) == (Event.Status.CANCELLED, "Storm")


# ---- Sales


@pytest.mark.parametrize("count", [1, 3])
def test_sales_cost_the_same_for_any_number(
    adas: Client,
    event: Event,
    seat: TicketType,
    at: datetime,
    count: int,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    orders = [box_office.buy(box_office.fan(), seat, at=at) for _ in range(count)]
    with django_assert_num_queries(SIGNED_IN + 10):
        page = adas.get(f"/manage/events/{event.slug}/sales/").content.decode()
    assert [order.code for order in orders if f">{order.code}</a>" not in page] == []


def test_sales_say_what_was_taken_and_what_is_the_clubs(
    adas: Client, ada: User, ben: User, max: User, event: Event, seat: TicketType, at: datetime
) -> None:
    box_office.buy(ben, seat, 2, at=at)
    aftersales.refund(order=box_office.buy(max, seat, at=at), by=ada, reason="Ill", at=at)
    page = adas.get(f"/manage/events/{event.slug}/sales/").content.decode()
    for words in ("<dd>€36.00</dd>", "<dd>€12.00</dd>", "<dd>€22.08<small>after €1.92 fees</small></dd>"):
        assert words in page


def test_an_order_is_found_by_its_code_or_buyer(
    adas: Client, ben: User, max: User, event: Event, seat: TicketType, at: datetime
) -> None:
    orders = [box_office.buy(person, seat, at=at) for person in (ben, max)]
    page = f"/manage/events/{event.slug}/sales/?q="
    for query, found in (
        (orders[0].code.lower(), [True, False]),
        ("max", [False, True]),
        ("nobody", [False, False]),
    ):
        shown = adas.get(f"{page}{query}").content.decode()
        assert [f">{order.code}</a>" in shown for order in orders] == found


def test_ada_refunds_ben_from_the_order(adas: Client, ben: User, seat: TicketType, at: datetime) -> None:
    order = box_office.buy(ben, seat, 2, at=at)
    page = adas.get(f"/manage/orders/{order.pk}/").content.decode()
    assert "Refund €24.00" in page
    adas.post(f"/manage/orders/{order.pk}/refund/", {"reason": "Ben is ill"})
    assert {ticket.status for ticket in order.tickets.all()} == {Ticket.Status.DEAD}
    shown = adas.get(f"/manage/orders/{order.pk}/").content.decode()
    assert ("Ben is ill" in shown, "Refund €24.00" in shown) == (True, False)


def test_a_refund_needs_a_reason_and_happens_once(
    adas: Client, ben: User, seat: TicketType, at: datetime
) -> None:
    order = box_office.buy(ben, seat, at=at)
    for reason in ("", "Ill", "Ill"):
        adas.post(f"/manage/orders/{order.pk}/refund/", {"reason": reason})
    assert Refund.objects.count() == 1


def test_after_an_evening_that_was_not_delivered_refunds_are_proposed(
    adas: Client, ben: User, event: Event, seat: TicketType, at: datetime
) -> None:
    order = box_office.buy(ben, seat, at=at)
    programme.end(event=event, at=at)
    programme.set_delivery(event=event, delivery=Event.Delivery.NOT_DELIVERED, at=at)
    page = f"/manage/events/{event.slug}/sales/"
    assert "This evening did not take place" in adas.get(page).content.decode()
    adas.post(f"/manage/events/{event.slug}/refund/", {"reason": "The evening did not take place."})
    money_back.give(at=at)
    assert box_office.again(order).status == Order.Status.REFUNDED
    shown = adas.get(page).content.decode()
    assert ("Everybody has been refunded" in shown, "The money is on its way back to everybody" in shown) == (
        False,
        True,
    )


@pytest.mark.parametrize(
    ("given", "failed", "title", "figures"),
    [
        (0, 0, "The money is on its way back to everybody", ["3 on their way back"]),
        (1, 0, "The money is on its way back to everybody", ["1 given back", "2 on their way back"]),
        (
            1,
            1,
            "Not everybody has their money back",
            ["1 given back", "1 on its way back", "1 did not go through"],
        ),
        (3, 0, "Everybody has been refunded", ["3 given back"]),
    ],
)
def test_sales_say_how_far_the_money_of_everybody_has_come(
    adas: Client,
    event: Event,
    seat: TicketType,
    at: datetime,
    given: int,
    failed: int,
    title: str,
    figures: list[str],
) -> None:
    for _ in range(3):
        box_office.buy(box_office.fan(), seat, at=at)
    box_office.buy(
        box_office.fan(), event.ticket_types.get(name="Standing"), at=at
    )  # free: no money to count
    aftersales.cancel_event(event=event, by=event.created_by, reason="Storm", at=at)
    money_back.give(at=at)
    rows = list(Refund.objects.order_by("pk"))
    for row in rows[:given]:
        refunds.heed(refund=row, state=RefundState(id=f"re_{row.pk}", status="succeeded"), at=at)
    for row in rows[given : given + failed]:
        refunds.fail(refund=row, failure="insufficient_funds", at=at)
    shown = adas.get(f"/manage/events/{event.slug}/sales/").content.decode()
    assert title in shown
    words = ("given back", "on its way back", "on their way back", "did not go through")
    counted = [f"{n} {each}" for each in words for n in range(1, 4) if f">{n} {each}" in shown]
    assert counted == figures
