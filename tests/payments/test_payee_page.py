"""The creator's payout page: what they see, what they ask for, and who may."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from django.contrib.messages import get_messages
from django.test import Client
from django.urls import reverse

from accounts.models import Letter, User
from clubs.models import Club, Officer
from payments import payouts
from payments.models import Charge, Payee, Payout
from payments.money import Money
from tests import factories
from tests.accounts.factors import sign_in_with_factor
from tests.payments import parcels

if TYPE_CHECKING:
    from pytest_django import DjangoAssertNumQueries

    from payments.sandbox.serve import StandIn

pytestmark = pytest.mark.django_db


@pytest.fixture
def payee(club: Club) -> Payee:
    """Return the payee of Ada's club, whom Stripe would pay."""
    Payee.objects.filter(pk=club.payee_id).update(
        stripe_account_id="acct_night", details_submitted=True, transfers_active=True
    )
    club.payee.refresh_from_db()
    return club.payee


@pytest.fixture
def page(payee: Payee) -> str:
    return reverse("payments:payee", args=[payee.pk])


@pytest.fixture
def as_ada(client: Client, ada: User) -> Client:
    sign_in_with_factor(client, ada)
    return client


def said(response: Any) -> list[str]:
    return [str(message) for message in get_messages(response.wsgi_request)]


def test_strangers_find_nothing(client: Client, page: str, max: User) -> None:
    assert client.get(page).headers["Location"] == f"/account/login/?next={page}"
    client.force_login(max)
    assert client.get(page).status_code == 404
    assert client.post(f"{page}payout/", {"amount": "1"}).status_code == 404
    assert client.post(f"{page}stripe/").status_code == 404


@pytest.mark.parametrize(
    ("role", "status"), [("owner", 200), ("cashier", 200), ("host", 404), ("moderator", 404)]
)
def test_owners_and_cashiers_see_the_money(
    client: Client, club: Club, page: str, role: str, status: int, payee: Payee
) -> None:
    officer = factories.OfficerFactory.create(club=club, role=Officer.Role(role))
    client.force_login(officer.user)
    assert client.get(page).status_code == status


def test_before_anything_is_sold_it_says_what_will_be_here(as_ada: Client, page: str) -> None:
    content = as_ada.get(page).content.decode()
    for words in ("No payouts yet", "Nothing sold yet", "Nothing is available at the moment."):
        assert words in content


def test_it_shows_where_the_money_is(
    as_ada: Client, page: str, sold: Callable[..., Charge], ada: User, payee: Payee, at: datetime
) -> None:
    sold(1200)
    sold(2500, released=True)
    payouts.request(payee=payee, amount=Money(1000, "EUR"), by=ada, at=at)
    context = as_ada.get(page).context
    balances = context["balances"]
    assert [str(each) for each in (balances.available, balances.pending, balances.reserved)] == [
        "13.00 EUR",
        "11.04 EUR",
        "10.00 EUR",
    ]
    assert [line.words for line in context["lines"]] == [
        "Set aside for a payout",
        "Delivered: free to be paid out",
        "Stagedoor's fee",
        "Sold",
        "Stagedoor's fee",
        "Sold",
    ]


@pytest.mark.parametrize("count", [1, 3])
def test_the_page_costs_the_same_for_any_number_of_rows(
    as_ada: Client,
    page: str,
    payee: Payee,
    sold: Callable[..., Charge],
    ada: User,
    at: datetime,
    count: int,
    django_assert_num_queries: "DjangoAssertNumQueries",
) -> None:
    for _ in range(count):
        sold(released=True)
        payouts.request(payee=payee, amount=Money(100, "EUR"), by=ada, at=at)
    with django_assert_num_queries(22):
        assert as_ada.get(page).status_code == 200


def test_asking_for_a_payout(as_ada: Client, page: str, sold: Callable[..., Charge]) -> None:
    sold(released=True)
    attempt = str(uuid4())
    for _ in range(2):  # a double click
        response = as_ada.post(f"{page}payout/", {"amount": "10,50", "attempt": attempt})
        assert response.headers["Location"] == page
    payout = Payout.objects.get()
    assert (payout.amount, str(payout.pk)) == (Money(1050, "EUR"), attempt)
    assert said(response)[-1] == "Your payout is asked for. We review it and write to you."


@pytest.mark.parametrize(
    ("amount", "words"),
    [
        ("100", "Your available balance does not cover this."),
        ("0", "A payout starts at €0.50."),
        ("0.01", "A payout starts at €0.50."),
        ("-5", "Write the amount in figures, like 12.50."),
        ("2.500", "2.500: do you mean 2,500.00 or 2.50? Write it like one of these."),
        ("2,500.00", "Your available balance does not cover this."),  # as this page itself prints it
        ("1000000", "€999,999.99 at most at a time. Ask again for more."),
        ("ten", "Write the amount in figures, like 12.50."),
        ("", "Fill this in."),
    ],
)
def test_an_amount_that_will_not_do_is_told(
    as_ada: Client, page: str, sold: Callable[..., Charge], amount: str, words: str
) -> None:
    sold(released=True)
    response = as_ada.post(f"{page}payout/", {"amount": amount, "attempt": str(uuid4())})
    assert (response.status_code, response.context["form"].errors["amount"]) == (422, [words])
    assert not Payout.objects.exists()


def test_a_payee_below_zero_is_told(as_ada: Client, page: str, payee: Payee, at: datetime) -> None:
    Payee.objects.filter(pk=payee.pk).update(below_zero_since=at)
    assert "Your balance is below zero" in as_ada.get(page).content.decode()


def test_a_reason_is_shown_to_the_creator(
    as_ada: Client, page: str, payee: Payee, sold: Callable[..., Charge], ada: User, rae: User, at: datetime
) -> None:
    sold(released=True)
    payout = payouts.request(payee=payee, amount=Money(100, "EUR"), by=ada, at=at)
    payouts.hold(payout=payout, by=rae, reason="Who are your guests?", at=at)
    assert "Who are your guests?" in as_ada.get(page).content.decode()


def test_setting_up_leads_to_stripe_and_back(
    stand_in: "StandIn", as_ada: Client, page: str, payee: Payee
) -> None:
    Payee.objects.update(stripe_account_id="", details_submitted=False, transfers_active=False)
    assert "Set up payouts" in as_ada.get(page).content.decode()
    response = as_ada.post(f"{page}stripe/", {"country": "AT"})
    assert response.headers["Location"].startswith(f"{stand_in.base_url}/onboard/")
    assert said(as_ada.get(f"{page}stripe/back/")) == [
        "Stripe still needs some details. Go on whenever you like."
    ]
    payee.refresh_from_db()
    stand_in.onboard(payee.stripe_account_id)
    back = as_ada.get(f"{page}stripe/back/")
    assert (back.headers["Location"], said(back)[-1]) == (
        page,
        "Stripe has all it needs. You can be paid now.",
    )


@pytest.mark.parametrize("account", ["", "acct_night"])
def test_only_who_manages_the_club_connects_its_account(
    stand_in: "StandIn", client: Client, club: Club, page: str, payee: Payee, account: str
) -> None:
    Payee.objects.update(stripe_account_id=account, details_submitted=False, transfers_active=False)
    cashier = factories.OfficerFactory.create(club=club, role=Officer.Role.CASHIER).user
    sign_in_with_factor(client, cashier)
    shown = client.get(page).content.decode()
    assert (f"{page}stripe/" in shown, "change its details: @ada." in shown) == (False, True)
    assert client.post(f"{page}stripe/", {"country": "AT"}).status_code == 403
    assert client.get(f"{page}stripe/again/").status_code == 403
    payee.refresh_from_db()
    assert (payee.stripe_account_id, stand_in.objects("account")) == (account, [])


def test_all_who_manage_the_club_learn_of_its_account(
    stand_in: "StandIn", as_ada: Client, ada: User, club: Club, page: str, payee: Payee
) -> None:
    Payee.objects.update(stripe_account_id="", details_submitted=False, transfers_active=False)
    other = factories.OfficerFactory.create(club=club, role=Officer.Role.OWNER).user
    factories.OfficerFactory.create(club=club, role=Officer.Role.CASHIER)
    for _ in range(2):
        as_ada.post(f"{page}stripe/", {"country": "AT"})
    payee.refresh_from_db()
    told = Letter.objects.filter(key__startswith=f"account-{payee.stripe_account_id}-")
    assert set(told.values_list("to", flat=True)) == {ada.email, other.email}
    assert told.count() == 2
    assert told[0].subject == "The payout account of Night Voices was set up"
    assert payee.stripe_account_id in told[0].text


def test_the_country_is_asked_before_the_account_is_made(
    stand_in: "StandIn", as_ada: Client, page: str, payee: Payee
) -> None:
    Payee.objects.update(stripe_account_id="", details_submitted=False, transfers_active=False)
    for wrong in ({}, {"country": ""}, {"country": "XX"}):
        answer = as_ada.post(f"{page}stripe/", wrong)
        assert (answer.status_code, stand_in.objects("account")) == (422, [])
    assert "Choose the country first." in as_ada.post(f"{page}stripe/").content.decode()
    as_ada.post(f"{page}stripe/", {"country": "AT"})
    as_ada.post(f"{page}stripe/", {"country": "DE"})  # too late: Stripe has fixed it
    payee.refresh_from_db()
    [account] = stand_in.objects("account")
    assert (account["country"], payee.country) == ("AT", "AT")


def test_a_link_that_is_used_up_is_made_anew(
    stand_in: "StandIn", as_ada: Client, page: str, payee: Payee
) -> None:
    Payee.objects.update(stripe_account_id="", transfers_active=False)
    as_ada.post(f"{page}stripe/", {"country": "AT"})
    again = as_ada.get(f"{page}stripe/again/")
    assert again.headers["Location"].startswith(f"{stand_in.base_url}/onboard/")


def test_stripe_not_answering_is_told_calmly(
    stand_in: "StandIn", as_ada: Client, page: str, payee: Payee
) -> None:
    stand_in.switches.turn({"fail_next": [{"path_prefix": "/v1/account", "status": 503}] * 3})
    response = as_ada.post(f"{page}stripe/", {"country": "AT"})
    assert said(response) == ["Stripe does not answer at the moment. Try again in a few minutes."]


def test_movements_stand_in_the_order_they_claim(
    as_ada: Client, page: str, payee: Payee, ben: User, at: datetime
) -> None:
    # Seen failing: they stood in the order of being written down, whatever moment they carried.
    moments = [at - timedelta(days=days) for days in (1, 3, 2)]
    for moment in moments:
        parcels.sold(payee, ben, 1200, at=moment)
    told = [line.at for line in as_ada.get(page).context["lines"]]
    assert told == sorted(told, reverse=True)
    assert set(moments) <= set(told)


def test_movements_come_in_pages(as_ada: Client, page: str, payee: Payee, ben: User, at: datetime) -> None:
    for _ in range(11):
        parcels.sold(payee, ben, 1000, at=at)
    assert len(as_ada.get(page).context["lines"]) == 20
    assert len(as_ada.get(f"{page}?page=2").context["lines"]) == 2
