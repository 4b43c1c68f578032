"""What fans see and do."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from django.test import Client
from lxml.html import document_fromstring
from pytest_django import DjangoAssertNumQueries
from pytest_django.fixtures import Settings

from accounts.models import User
from payments.sandbox.serve import StandIn
from tests import factories
from tests.ticketing import box_office
from tests.ticketing.box_office import SIGNED_IN
from ticketing import aftersales, programme, sales
from ticketing.forms import BasketForm
from ticketing.models import Event, Order, TicketType

pytestmark = pytest.mark.django_db


def basket(kind: TicketType, count: int) -> dict[str, str]:
    return {BasketForm.name_of(kind): str(count)}


def buy(client: Client, kind: TicketType, count: int = 1) -> Any:
    return client.post(f"/events/{kind.event.slug}/buy/", basket(kind, count))


@pytest.fixture
def bens(client: Client, ben: User) -> Client:
    """Return Ben's browser."""
    client.force_login(ben)
    client.get("/healthz")  # the first page of a session writes it down; those after it do not
    return client


# ---- The event


def test_an_event_is_told_in_its_own_zone_with_what_it_costs(client: Client, event: Event) -> None:
    Event.objects.filter(pk=event.pk).update(starts_at=datetime(2026, 12, 4, 19, 0, tzinfo=UTC))
    page = client.get(event.get_absolute_url()).content.decode()
    assert "Friday 4 December 2026, 20:00 CET" in page
    assert "€12.00" in page
    assert "Free" in page


def test_a_draft_is_there_for_the_club_alone(client: Client, ada: User, max: User, event: Event) -> None:
    Event.objects.filter(pk=event.pk).update(status=Event.Status.DRAFT)
    told = []
    for person in (None, max, ada):
        if person:
            client.force_login(person)
        told.append(client.get(event.get_absolute_url()).status_code)
    assert told == [404, 404, 200]


@pytest.mark.parametrize("count", [1, 3])
def test_an_event_costs_the_same_for_any_number_of_types(
    bens: Client, count: int, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    event = factories.EventFactory.create()
    factories.TicketTypeFactory.create_batch(count, event=event)
    with django_assert_num_queries(SIGNED_IN + 6):
        assert bens.get(event.get_absolute_url()).status_code == 200


def test_what_is_sold_out_says_so(client: Client, ben: User, event: Event, at: datetime) -> None:
    event.ticket_types.all().delete()
    box_office.buy(ben, box_office.kind(event, capacity=1, name="Loge"), at=at)
    page = client.get(event.get_absolute_url()).content.decode()
    assert "Sold out" in page
    assert BasketForm.name_of(event.ticket_types.get()) not in page


@pytest.mark.parametrize(
    ("status", "words"), [("cancelled", "This event is cancelled"), ("ended", "This evening is over")]
)
def test_what_is_over_sells_nothing(
    client: Client, event: Event, at: datetime, status: str, words: str
) -> None:
    factories.put_down_as(event, status, at=at)
    page = client.get(event.get_absolute_url()).content.decode()
    assert (words in page, "Get tickets" in page) == (True, False)


# ---- Buying


def test_free_tickets_are_taken_with_one_click(bens: Client, ben: User, standing: TicketType) -> None:
    answer = buy(bens, standing)
    order = Order.objects.get()
    assert (answer.status_code, answer.headers["Location"]) == (302, f"/orders/{order.pk}/")
    page = bens.get(f"/orders/{order.pk}/").content.decode()
    assert ("You are in" in page, f"/rooms/{order.event.slug}/" in page) == (True, True)


def test_paid_tickets_lead_to_stripe_and_back(
    stand_in: StandIn, deliver: Callable[[], int], bens: Client, seat: TicketType
) -> None:
    answer = buy(bens, seat, 2)
    session = stand_in.objects("checkout.session")[0]
    assert answer.headers["Location"] == session["url"]
    back = session["success_url"].removeprefix("http://testserver")
    assert "Confirming your payment" in bens.get(back).content.decode()
    stand_in.pay(session["id"])
    deliver()
    page = bens.get(back).content.decode()
    assert ("You are in" in page, page.count("/tickets/pass/")) == (True, 1)


def test_signed_out_people_sign_up_first_and_keep_their_basket(
    client: Client, ben: User, seat: TicketType
) -> None:
    answer = buy(client, seat, 2)
    back = f"{seat.event.get_absolute_url()}?{urlencode(basket(seat, 2))}"
    assert answer.headers["Location"] == f"/account/signup/?next={quote(back, safe='')}".replace("%2F", "%2F")
    assert Order.objects.count() == 0
    client.force_login(ben)
    assert f'name="{BasketForm.name_of(seat)}" value="2"' in client.get(back).content.decode()


@pytest.mark.parametrize("signed_in", [True, False])
def test_an_empty_basket_is_told_there_and_then(
    client: Client, ben: User, event: Event, *, signed_in: bool
) -> None:
    if signed_in:
        client.force_login(ben)
    answer = client.post(f"/events/{event.slug}/buy/", {})
    page = document_fromstring(answer.content)
    [told] = page.cssselect("[role=alert][autofocus]")
    assert answer.status_code == 422
    assert "Choose how many tickets you would like." in told.text_content()
    assert page.findtext("head/title", "").startswith("Not sent yet: ")


def test_sold_out_meanwhile_is_told_with_what_is_left(
    bens: Client, max: User, event: Event, at: datetime
) -> None:
    kind = box_office.kind(event, capacity=3, name="Loge")
    slow = {BasketForm.name_of(kind): "3"}
    box_office.buy(max, kind, 2, at=at)
    answer = bens.post(f"/events/{event.slug}/buy/", slow)
    assert answer.status_code == 422
    assert "1 or fewer." in answer.content.decode()


def test_while_stripe_is_silent_the_tickets_stay_held(
    bens: Client, seat: TicketType, settings: Settings
) -> None:
    settings.STRIPE_API_BASE = "http://127.0.0.1:9"
    answer = buy(bens, seat)
    order = Order.objects.get()
    assert answer.headers["Location"] == order.get_absolute_url()
    page = bens.get(order.get_absolute_url()).content.decode()
    assert ("does not answer just now" in page, "Pay €12.00" in page) == (True, True)


def test_a_draft_cannot_be_bought_by_its_address(bens: Client, seat: TicketType) -> None:
    Event.objects.filter(pk=seat.event.pk).update(status=Event.Status.DRAFT)
    assert buy(bens, seat).status_code == 404


# ---- The order


def test_an_order_is_its_buyers(client: Client, max: User, ben: User, seat: TicketType, at: datetime) -> None:
    order = box_office.hold(ben, seat, at=at)
    client.force_login(max)
    told = [
        client.get(f"/orders/{order.pk}/").status_code,
        client.get(f"/orders/{order.pk}/state/").status_code,
        client.post(f"/orders/{order.pk}/pay/").status_code,
        client.post(f"/orders/{order.pk}/let-go/").status_code,
    ]
    assert told == [404, 404, 404, 404]


def test_confirming_resolves_by_itself_without_a_webhook(
    stand_in: StandIn, bens: Client, ben: User, seat: TicketType, at: datetime
) -> None:
    order = box_office.hold(ben, seat, at=at)
    stand_in.pay(box_office.checkout(order, at=at))
    state = f"/orders/{order.pk}/state/?seen=held-to-pay&back=paid"
    [waits] = document_fromstring(bens.get(f"/orders/{order.pk}/?back=paid").content).cssselect("[hx-get]")
    assert waits.get("hx-get") == state
    part = bens.get(state).content.decode()
    assert ("You are in" in part, "hx-get" in part) == (True, False)


def test_what_is_asked_for_again_and_again_comes_only_when_it_has_changed(
    bens: Client, ben: User, seat: TicketType, at: datetime
) -> None:
    order = box_office.hold(ben, seat, at=at)
    [waits] = document_fromstring(bens.get(f"/orders/{order.pk}/").content).cssselect("[hx-get]")
    again = waits.get("hx-get", "")
    assert bens.get(again).status_code == 204
    Order.objects.filter(pk=order.pk).update(held_until=at - timedelta(seconds=1))
    assert "The time to pay is over" in bens.get(again).content.decode()


def test_a_held_order_is_shown_with_its_deadline_wherever_the_person_looks(
    bens: Client, ben: User, seat: TicketType, at: datetime
) -> None:
    order = box_office.hold(ben, seat, at=at)
    for place in (seat.event.get_absolute_url(), "/tickets/", order.get_absolute_url()):
        page = document_fromstring(bens.get(place).content)
        [pay] = page.cssselect(f'form[action="/orders/{order.pk}/pay/"]')
        assert pay.text_content().strip() == "Pay €12.00"
        assert order.held_until.isoformat(timespec="milliseconds") in [
            when.get("datetime") for when in page.cssselect("time")
        ]


def test_a_held_order_is_shown_beside_the_ticket_one_has(
    bens: Client, ben: User, seat: TicketType, at: datetime
) -> None:
    box_office.buy(ben, seat, at=at)
    order = box_office.hold(ben, seat, at=at)
    panel = document_fromstring(bens.get(seat.event.get_absolute_url()).content).cssselect("#tickets")[0]
    assert "You have a ticket" in panel.text_content()
    assert len(panel.cssselect(f'form[action="/orders/{order.pk}/pay/"]')) == 1


def test_sold_out_is_said_on_card_and_panel_without_a_button_that_leads_nowhere(
    client: Client, max: User, event: Event, at: datetime
) -> None:
    event.ticket_types.all().delete()
    kind = box_office.kind(event, capacity=1, name="Loge")
    assert "Sold out" not in client.get("/").content.decode()
    box_office.buy(max, kind, 1, at=at)
    [card] = document_fromstring(client.get("/").content).cssselect(".event-card__price")
    panel = document_fromstring(client.get(event.get_absolute_url()).content).cssselect("#tickets")[0]
    assert card.text == "Sold out"
    assert panel.cssselect("button") == []
    assert "Every seat is taken." in panel.text_content()


def test_a_card_says_from_where_prices_differ(client: Client, event: Event) -> None:
    kind = box_office.kind(event, capacity=1, name="Loge")
    event.ticket_types.exclude(pk=kind.pk).delete()
    box_office.kind(event, capacity=1, name="Front row", price=kind.price_minor * 2)
    [card] = document_fromstring(client.get("/").content).cssselect(".event-card__price")
    assert card.text == f"from {kind.price.shown}"


def test_stripe_is_asked_about_an_order_once_in_a_while(
    stand_in: StandIn, bens: Client, ben: User, seat: TicketType, at: datetime
) -> None:
    order = box_office.hold(ben, seat, at=at)
    session = box_office.checkout(order, at=at)
    state = f"/orders/{order.pk}/state/?back=paid"
    bens.get(state)
    stand_in.pay(session)
    assert "Confirming your payment" in bens.get(state).content.decode()


def test_who_comes_back_unpaid_may_still_pay_or_let_go(
    stand_in: StandIn, bens: Client, ben: User, seat: TicketType, at: datetime
) -> None:
    order = box_office.hold(ben, seat, at=at)
    assert "Held for you" in bens.get(f"/orders/{order.pk}/?back=unpaid").content.decode()
    assert bens.post(f"/orders/{order.pk}/pay/").headers["Location"].startswith(stand_in.base_url)
    answer = bens.post(f"/orders/{order.pk}/let-go/")
    assert answer.headers["Location"] == seat.event.get_absolute_url()
    assert (box_office.again(order).status, box_office.counts(seat)) == (Order.Status.EXPIRED, (0, 0))


def test_after_the_deadline_the_pay_button_is_gone(
    bens: Client, ben: User, seat: TicketType, at: datetime
) -> None:
    order = box_office.hold(ben, seat, at=at - timedelta(minutes=11))
    assert "The time to pay is over" in bens.get(f"/orders/{order.pk}/").content.decode()
    answer = bens.post(f"/orders/{order.pk}/pay/")
    assert answer.headers["Location"] == seat.event.get_absolute_url()


@pytest.mark.parametrize(
    ("way", "words"),
    [("let go", "Let go"), ("refund", "Your money is on its way back"), ("late", "Paid too late")],
)
def test_an_order_that_is_over_says_how(
    bens: Client, ada: User, ben: User, event: Event, at: datetime, way: str, words: str
) -> None:
    last = box_office.kind(event, capacity=1)
    order = box_office.hold(ben, last, at=at)
    if way == "refund":
        aftersales.refund(order=box_office.pay(order, at=at), by=ada, reason="Ill", at=at)
    else:
        sales.release(order=order, at=at)
    if way == "late":
        box_office.buy(box_office.fan(), last, at=at)
        box_office.pay(order, at=at)
    page = bens.get(f"/orders/{order.pk}/").content.decode()
    assert (f"<h1>{words}</h1>" in page, "hx-get" in page) == (True, False)


@pytest.mark.parametrize("count", [1, 3])
def test_an_order_costs_the_same_for_any_number_of_tickets(
    bens: Client,
    ben: User,
    seat: TicketType,
    at: datetime,
    count: int,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    order = box_office.buy(ben, seat, count, at=at)
    with django_assert_num_queries(SIGNED_IN + 2):
        assert bens.get(f"/orders/{order.pk}/").status_code == 200


# ---- My tickets


@pytest.mark.parametrize("count", [1, 3])
def test_my_tickets_cost_the_same_for_any_number(
    bens: Client, ben: User, at: datetime, count: int, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    titles = []
    for _ in range(count):
        order = box_office.buy(ben, factories.TicketTypeFactory.create(price_minor=0), at=at)
        titles.append(order.event.title)
    with django_assert_num_queries(SIGNED_IN + 6):
        page = bens.get("/tickets/").content.decode()
    assert [title for title in titles if f'<h2 class="stub__title">{title}</h2>' not in page] == []
    assert "stub--past" not in page


def test_without_tickets_the_way_to_one_is_shown(bens: Client) -> None:
    assert "No tickets yet" in bens.get("/tickets/").content.decode()


def test_what_is_over_is_past(bens: Client, ben: User, standing: TicketType, at: datetime) -> None:
    box_office.buy(ben, standing, at=at)
    programme.end(event=standing.event, at=at)
    page = bens.get("/tickets/").content.decode()
    assert ("No tickets yet" in page, "stub--past" in page) == (True, True)


def test_my_tickets_are_for_those_who_signed_in(client: Client) -> None:
    assert client.get("/tickets/").headers["Location"] == "/account/login/?next=/tickets/"


# ---- Passing on


def test_a_friend_takes_a_ticket_by_its_link(
    client: Client, ben: User, max: User, seat: TicketType, at: datetime
) -> None:
    order = box_office.buy(ben, seat, 2, at=at)
    link = order.tickets.get(holder=None).pass_path
    page = client.get(link).content.decode()
    assert ("Sign up to take it" in page, f"?next={link}" in page) == (True, True)
    client.force_login(max)
    assert "Take this ticket" in client.get(link).content.decode()
    assert client.post(link).headers["Location"] == "/tickets/"
    assert "You are in" not in client.get(link).content.decode()
    assert client.get(link).status_code == 410


def test_the_buyer_is_told_that_one_is_enough(
    bens: Client, ben: User, seat: TicketType, at: datetime
) -> None:
    link = box_office.buy(ben, seat, 2, at=at).tickets.get(holder=None).pass_path
    assert bens.post(link).status_code == 409
    assert "You have a ticket for this event" in bens.get(link).content.decode()


def test_a_link_can_be_made_void(bens: Client, ben: User, seat: TicketType, at: datetime) -> None:
    order = box_office.buy(ben, seat, 2, at=at)
    ticket = order.tickets.get(holder=None)
    bens.post(f"/tickets/{ticket.pk}/new-link/")
    assert bens.get(ticket.pass_path).status_code == 410
    ticket.refresh_from_db()
    assert bens.get(ticket.pass_path).status_code == 200


def test_only_the_buyer_makes_new_links(
    client: Client, ben: User, max: User, seat: TicketType, at: datetime
) -> None:
    ticket = box_office.buy(ben, seat, 2, at=at).tickets.get(holder=None)
    client.force_login(max)
    assert client.post(f"/tickets/{ticket.pk}/new-link/").status_code == 404


def test_a_cancelled_event_shows_why(client: Client, ada: User, event: Event, at: datetime) -> None:
    aftersales.cancel_event(event=event, by=ada, reason="The storyteller has lost her voice.", at=at)
    panel = document_fromstring(client.get(event.get_absolute_url()).content).cssselect("#tickets")[0]
    assert "The storyteller has lost her voice." in panel.text_content()
