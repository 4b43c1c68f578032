"""The pages of clubs: who sees them, what they do, and what they cost."""

import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from clubs import memberships, officers
from clubs.models import Club, Membership, Officer, Plan
from payments import evidence, permissions
from payments.sandbox.serve import StandIn
from tests.factories import ClubFactory, MembershipFactory, OfficerFactory, PlanFactory

pytestmark = pytest.mark.django_db
Counting = Callable[[int], AbstractContextManager[Any]]
MANAGED = [
    "/clubs/night-voices/manage/",
    "/clubs/night-voices/manage/officers/",
    "/clubs/night-voices/manage/plan/",
]


def names(html: str) -> list[str]:
    return re.findall(r'event-card__title"><a [^>]+>([^<]+)<', html)


@pytest.mark.parametrize("count", [1, 3])
def test_the_list_costs_the_same_for_any_number(
    client: Client, count: int, django_assert_num_queries: Counting
) -> None:
    clubs = ClubFactory.create_batch(count)
    with django_assert_num_queries(2):
        page = client.get("/clubs/")
    assert names(page.content.decode()) == sorted(club.name for club in clubs)


def test_an_empty_list_leads_to_founding(client: Client) -> None:
    assert 'href="/clubs/new/"' in client.get("/clubs/").content.decode()


def test_the_list_has_pages(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clubs.views.CLUBS_A_PAGE", 2)
    ClubFactory.create_batch(3)
    assert [len(names(client.get(f"/clubs/?page={n}").content.decode())) for n in (1, 2)] == [2, 1]


def test_everybody_sees_a_club_with_its_hosts_and_its_plan(client: Client, club: Club) -> None:
    OfficerFactory.create(club=club, role=Officer.Role.CASHIER, user__name="Carl Cashier")
    PlanFactory.create(club=club, name="Friends", price_minor=500)
    page = client.get("/clubs/night-voices/").content.decode()
    assert ("Night Voices" in page, "Friends" in page, "€5.00" in page, "@ada" in page) == (True,) * 4
    assert "Carl" not in page
    assert "/manage/" not in page


@pytest.mark.parametrize("count", [1, 3])
def test_a_club_costs_the_same_for_any_number_of_hosts(
    client: Client, count: int, django_assert_num_queries: Counting
) -> None:
    club = ClubFactory.create(slug="many")
    OfficerFactory.create_batch(count, club=club, role=Officer.Role.HOST)
    with django_assert_num_queries(3):
        client.get("/clubs/many/")


@pytest.mark.parametrize("count", [1, 3])
def test_my_clubs_cost_the_same_for_any_number(
    client: Client, ada: User, count: int, django_assert_num_queries: Counting
) -> None:
    for _ in range(count):
        OfficerFactory.create(user=ada, role=Officer.Role.HOST)
        MembershipFactory.create(member=ada)
    client.force_login(ada)
    client.get("/clubs/mine/")
    with django_assert_num_queries(9):
        client.get("/clubs/mine/")


def test_somebody_founds_a_club(client: Client, ben: User) -> None:
    client.force_login(ben)
    typed = {"name": " Day  Desk ", "timezone": "Europe/Berlin", "currency": "EUR", "tagline": "By day"}
    response = client.post("/clubs/new/", typed)
    assert response.headers["Location"] == "/clubs/day-desk/manage/"
    assert Club.objects.get().name == "Day Desk"


def test_a_taken_name_is_told(client: Client, ben: User, club: Club) -> None:
    client.force_login(ben)
    typed = {"name": club.name, "timezone": "Europe/Berlin", "currency": "EUR"}
    page = client.post("/clubs/new/", typed)
    assert page.context["form"].errors["name"] == ["Another club has this name. Choose a name of your own."]


@pytest.mark.parametrize("page", MANAGED)
@pytest.mark.parametrize("role", [None, "host", "moderator", "cashier"])
def test_only_owners_see_how_a_club_is_run(
    client: Client, club: Club, ben: User, page: str, role: str | None
) -> None:
    if role:
        OfficerFactory.create(club=club, user=ben, role=role)
    client.force_login(ben)
    assert client.get(page).status_code == 404
    assert client.post(page, {}).status_code == 404


@pytest.mark.parametrize("page", MANAGED)
def test_owners_see_how_a_club_is_run(client: Client, club: Club, ada: User, page: str) -> None:
    client.force_login(ada)
    assert client.get(page).status_code == 200


@pytest.mark.parametrize("page", ["/clubs/mine/", "/clubs/new/", "/clubs/night-voices/membership/", *MANAGED])
def test_strangers_are_led_to_sign_in(client: Client, club: Club, page: str) -> None:
    assert client.get(page).headers["Location"] == f"/account/login/?next={page}"


def test_an_owner_describes_the_club(client: Client, club: Club, ada: User) -> None:
    client.force_login(ada)
    typed = {
        "name": "Night Voices",
        "tagline": "Late, and live",
        "timezone": "Europe/Paris",
        "description": "",
    }
    assert client.post("/clubs/night-voices/manage/", typed).status_code == 302
    club.refresh_from_db()
    assert (club.tagline, club.timezone) == ("Late, and live", "Europe/Paris")


def test_a_link_is_shown_once_and_makes_an_officer(client: Client, club: Club, ada: User, ben: User) -> None:
    client.force_login(ada)
    client.post("/clubs/night-voices/manage/officers/", {"role": "moderator"})
    page = client.get("/clubs/night-voices/manage/officers/").content.decode()
    [link] = re.findall(r"http://testserver(/clubs/invitations/[^/]+/)", page)
    assert link not in client.get("/clubs/night-voices/manage/officers/").content.decode()
    guest = Client()
    assert f"/account/login/?next={link}" in guest.get(link).content.decode()
    guest.force_login(ben)
    assert "Ada asks you to help as moderator." in guest.get(link).content.decode()
    assert guest.post(link).headers["Location"] == "/clubs/mine/"
    assert officers.powers(ben, club) == {"moderate"}
    assert Client().get(link).status_code == 410


def test_somebody_signed_out_takes_no_task(client: Client, club: Club, ada: User, at: datetime) -> None:
    _invitation, token = officers.invite(club=club, role=Officer.Role.HOST, by=ada, at=at)
    client.post(f"/clubs/invitations/{token}/")
    assert club.officers.count() == 1


def test_tasks_change_and_end_on_the_page(client: Client, club: Club, ada: User) -> None:
    helper = OfficerFactory.create(club=club, role=Officer.Role.HOST)
    client.force_login(ada)
    client.post(f"/clubs/night-voices/manage/officers/{helper.pk}/", {"role": "cashier"})
    assert officers.powers(helper.user, club) == {"see_money"}
    client.post(f"/clubs/night-voices/manage/officers/{helper.pk}/remove/")
    assert officers.powers(helper.user, club) == frozenset()


def test_officers_of_another_club_are_out_of_reach(client: Client, club: Club, ada: User) -> None:
    other = OfficerFactory.create(role=Officer.Role.HOST)
    client.force_login(ada)
    assert client.post(f"/clubs/night-voices/manage/officers/{other.pk}/remove/").status_code == 404


def test_the_last_owner_is_told_why_they_stay(client: Client, club: Club, ada: User) -> None:
    client.force_login(ada)
    page = client.post("/clubs/night-voices/leave/", follow=True).content.decode()
    assert "A club keeps at least one owner." in page


@pytest.mark.parametrize(
    ("price", "error"),
    [
        ("0.10", "A card payment starts at €0.50."),
        ("5000", "A month may cost €1,000.00 at most."),
        ("five", "Write the amount in figures, like 12.50."),
        ("-5", "Write the amount in figures, like 12.50."),
        ("1.500", "1.500: do you mean 1,500.00 or 1.50? Write it like one of these."),
    ],
)
def test_a_price_that_cannot_be_is_refused(
    client: Client, club: Club, ada: User, price: str, error: str
) -> None:
    client.force_login(ada)
    page = client.post("/clubs/night-voices/manage/plan/", {"name": "Friends", "price": price})
    assert page.context["form"].errors["price"] == [error]


def test_an_owner_offers_a_plan_and_closes_it(client: Client, club: Club, ada: User) -> None:
    client.force_login(ada)
    client.post("/clubs/night-voices/manage/plan/", {"name": "Friends", "price": "4,50", "promise": "Seats"})
    assert Plan.objects.get().price_minor == 450
    client.post("/clubs/night-voices/manage/plan/close/")
    assert not Plan.objects.get().is_open


def test_a_membership_that_waits_asks_again_and_stops_at_last(
    client: Client, club: Club, ben: User, at: datetime
) -> None:
    memberships.join(plan=PlanFactory.create(club=club), member=ben, at=at)
    client.force_login(ben)
    page = "/clubs/night-voices/membership/"
    assert "Continue to payment" in client.get(page).content.decode()
    assert f'hx-get="{page}?asked=1"' in client.get(f"{page}?asked=0").content.decode()
    assert "hx-get" not in client.get(f"{page}?asked=60", headers={"hx-request": "true"}).content.decode()
    Membership.objects.update(status="active", paid_until=at)
    answer = client.get(f"{page}?asked=3", headers={"hx-request": "true"}).content.decode()
    assert ("<html" in answer, "hx-get" in answer, "End the membership" in answer) == (False, False, True)


def test_whoever_comes_back_pays_what_they_saw(
    client: Client, club: Club, ada: User, ben: User, at: datetime, stand_in: StandIn
) -> None:
    plan = PlanFactory.create(club=club, price_minor=500)
    memberships.join(plan=plan, member=ben, at=at)
    memberships.close_plan(plan=plan, by=ada, at=at)
    client.force_login(ben)
    assert client.post("/clubs/night-voices/join/").headers["Location"].startswith(stand_in.base_url)
    assert Membership.objects.get().plan == plan


def test_a_checkout_left_behind_is_not_shown_for_ever(
    client: Client, club: Club, ben: User, at: datetime
) -> None:
    memberships.join(plan=PlanFactory.create(club=club), member=ben, at=at)
    client.force_login(ben)
    assert "You belong to" in client.get("/clubs/mine/").content.decode()
    Membership.objects.update(created_at=at - timedelta(days=2))
    assert "You belong to" not in client.get("/clubs/mine/").content.decode()


def test_nobody_joins_a_club_without_a_plan(client: Client, club: Club, ben: User) -> None:
    client.force_login(ben)
    assert client.post("/clubs/night-voices/join/").status_code == 404


def test_somebody_without_membership_is_led_to_the_club(client: Client, club: Club, ben: User) -> None:
    client.force_login(ben)
    assert client.get("/clubs/night-voices/membership/").headers["Location"] == "/clubs/night-voices/"


def test_officers_with_money_and_nobody_else_see_the_payee(
    club: Club, ada: User, ben: User, max: User
) -> None:
    OfficerFactory.create(club=club, user=ben, role=Officer.Role.CASHIER)
    OfficerFactory.create(club=club, user=max, role=Officer.Role.HOST)
    assert [permissions.may_see(user, club.payee) for user in (ada, ben, max)] == [True, True, False]


def test_the_reviewer_learns_about_the_club(club: Club) -> None:
    MembershipFactory.create(plan=PlanFactory.create(club=club))
    facts = {fact.label: fact.value for fact in evidence.about(club.payee)}
    assert (facts["Club"], facts["Owners"], facts["Officers"], facts["Members"]) == (
        "Night Voices",
        "@ada",
        "1",
        "1",
    )


def test_leave_is_not_offered_to_the_only_owner(client: Client, club: Club, ada: User, max: User) -> None:
    client.force_login(ada)
    leave = f"/clubs/{club.slug}/leave/"
    assert leave not in client.get("/clubs/mine/").content.decode()
    OfficerFactory.create(club=club, user=max, role=Officer.Role.OWNER)
    assert leave in client.get("/clubs/mine/").content.decode()
