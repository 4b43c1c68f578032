"""The review desk: staff with a second factor decide, once, with the evidence before them."""

import io
import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import structlog
from django.contrib.messages import get_messages
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from lxml.html import document_fromstring

from accounts.models import User
from payments import evidence, payouts, permissions
from payments.models import Charge, Payee, Payout
from payments.money import Money
from stagedoor import logs
from tests import factories
from tests.accounts.factors import let_time_pass
from tests.payments.conftest import at_the_desk

if TYPE_CHECKING:
    from pytest_django import DjangoAssertNumQueries, Settings

Sold = Callable[..., Charge]
pytestmark = pytest.mark.django_db
DESK = "/payments/review/"


@pytest.fixture
def asked(payee: Payee, sold: Sold, ada: User, at: datetime) -> Payout:
    sold(5000, released=True)
    return payouts.request(payee=payee, amount=Money(1000, "EUR"), by=ada, at=at)


@pytest.fixture
def sheet(asked: Payout) -> str:
    return reverse("payments:review", args=[asked.pk])


def said(response: Any) -> str:
    return [str(message) for message in get_messages(response.wsgi_request)][-1]


def test_only_finance_staff_come_in(client: Client, ada: User, sheet: str) -> None:
    assert client.get(DESK).headers["Location"] == f"/account/login/?next={DESK}"
    client.force_login(ada)
    for page in (DESK, sheet):
        assert client.get(page).status_code == 403
    assert client.post(f"{sheet}approve/").status_code == 403


def test_a_stranger_at_the_desk_is_one_line_in_the_log(client: Client, ada: User, sheet: str) -> None:
    made = logs.config(level="INFO", as_json=False)
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    formatter = {key: value for key, value in made["formatters"]["structured"].items() if key != "()"}
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(**formatter))
    for name in made["handlers"]["console"]["filters"]:
        handler.addFilter(made["filters"][name]["()"]())
    logging.getLogger().addHandler(handler)
    client.force_login(ada)
    try:
        assert client.get(sheet).status_code == 403
    finally:
        logging.getLogger().removeHandler(handler)
    assert len(out.getvalue().splitlines()) == 1
    assert "Forbidden" in out.getvalue()


def test_finance_staff_need_their_second_factor(client: Client, rae: User, asked: Payout, sheet: str) -> None:
    client.force_login(rae)
    assert client.get(DESK).status_code == 302
    client.post(f"{sheet}approve/")
    asked.refresh_from_db()
    assert asked.status == "requested"


@pytest.mark.parametrize("act", ["approve", "hold", "reject"])
def test_a_factor_of_thirteen_days_ago_decides_about_nothing(
    desk: Client, asked: Payout, sheet: str, act: str
) -> None:
    let_time_pass(desk, timedelta(days=13))
    assert desk.get(sheet).status_code == 200
    sent_to = desk.post(f"{sheet}{act}/", {"reason": "Because."}).headers["Location"]
    assert sent_to.startswith("/account/2fa/")
    asked.refresh_from_db()
    assert asked.status == "requested"


def test_the_desk_shows_who_waits_longest_first(
    desk: Client, asked: Payout, payee: Payee, ada: User, at: datetime
) -> None:
    second = payouts.request(payee=payee, amount=Money(500, "EUR"), by=ada, at=at)
    page = desk.get(DESK)
    assert {payout.pk for payout in page.context["page"]} == {asked.pk, second.pk}
    assert page.context["tabs"][0][2] == 2
    assert list(desk.get(f"{DESK}?show=decided").context["page"]) == []
    assert desk.get(f"{DESK}?show=nonsense").context["shelf"] == "waiting"


def test_an_empty_desk_says_so(desk: Client) -> None:
    assert "Nothing waits for you" in desk.get(DESK).content.decode()


@pytest.mark.parametrize("count", [1, 3])
def test_the_desk_costs_the_same_for_any_number(
    desk: Client,
    sold: Sold,
    payee: Payee,
    at: datetime,
    count: int,
    django_assert_num_queries: "DjangoAssertNumQueries",
) -> None:
    sold(5000, released=True)
    for _ in range(count):
        payouts.request(payee=payee, amount=Money(100, "EUR"), by=factories.UserFactory.create(), at=at)
    with django_assert_num_queries(12):
        desk.get(DESK)


def test_a_sheet_costs_the_same_for_any_history(
    desk: Client, asked: Payout, sheet: str, payee: Payee, ada: User, at: datetime
) -> None:
    # Compared, not counted: what the other apps ask for their evidence is theirs.
    desk.get(sheet)
    costs = []
    for count in (1, 2):
        for _ in range(count):
            payouts.request(payee=payee, amount=Money(100, "EUR"), by=ada, at=at)
        with CaptureQueriesContext(connection) as queries:
            desk.get(sheet)
        costs.append(len(queries))
    assert costs[0] == costs[1]


def test_a_sheet_shows_what_every_app_knows(desk: Client, sheet: str, asked: Payout) -> None:
    facts = {fact.label: fact.value for fact in desk.get(sheet).context["facts"]}
    assert (facts["Charges paid"], facts["Payouts before"], facts["Events that took place"]) == (
        "1",
        "0",
        "0",
    )


def test_approving(desk: Client, asked: Payout, sheet: str, rae: User) -> None:
    assert said(desk.post(f"{sheet}approve/")) == "Approved. The money is being sent."
    asked.refresh_from_db()
    assert (asked.status, asked.reviewed_by) == ("approved", rae)
    assert "Decide" not in desk.get(sheet).content.decode()
    assert said(desk.post(f"{sheet}approve/")) == "Somebody else has decided about this payout meanwhile."


def test_holding_and_rejecting_tell_the_creator_why(desk: Client, asked: Payout, sheet: str) -> None:
    desk.post(f"{sheet}hold/", {"reason": "Show us the programme."})
    asked.refresh_from_db()
    assert (asked.status, asked.reason) == ("held", "Show us the programme.")
    desk.post(f"{sheet}reject/", {"reason": "There was no programme."})
    asked.refresh_from_db()
    assert (asked.status, asked.reason) == ("rejected", "There was no programme.")
    steps = [step["words"] for step in desk.get(sheet).context["history"]]
    assert steps == ["asked for it", "held it", "rejected it"]


@pytest.mark.parametrize("decision", ["hold", "reject"])
def test_without_a_reason_nothing_is_decided(desk: Client, asked: Payout, sheet: str, decision: str) -> None:
    response = desk.post(f"{sheet}{decision}/", {"reason": " "})
    asked.refresh_from_db()
    assert (response.status_code, asked.status) == (422, "requested")


def test_whoever_asked_sees_no_buttons_and_has_none(asked: Payout, sheet: str, ada: User) -> None:
    User.objects.filter(pk=ada.pk).update(is_finance=True)
    own = at_the_desk(User.objects.get(pk=ada.pk))
    assert f"{sheet}approve/" not in own.get(sheet).content.decode()
    words = "You asked for this payout, so somebody else has to review it."
    assert said(own.post(f"{sheet}approve/")) == words


def test_above_the_limit_the_second_yes_comes_from_somebody_else(
    desk: Client, asked: Payout, sheet: str, settings: "Settings"
) -> None:
    settings.TWO_REVIEWERS_ABOVE = {"EUR": 999}
    assert said(desk.post(f"{sheet}approve/")) == "Your yes is noted. Somebody else has to approve it, too."
    assert (
        said(desk.post(f"{sheet}approve/"))
        == "You have approved it already. Somebody else has to approve it, too."
    )
    other = at_the_desk(factories.UserFactory.create(is_finance=True))
    assert said(other.post(f"{sheet}approve/")) == "Approved. The money is being sent."


def test_a_yes_from_an_old_tab_does_not_overrule_a_hold(desk: Client, asked: Payout, sheet: str) -> None:
    [seen] = document_fromstring(desk.get(sheet).content).cssselect("input[name=seen]")
    desk.post(f"{sheet}hold/", {"reason": "Show us the contract."})
    desk.post(f"{sheet}approve/", {"seen": seen.get("value", "")})
    asked.refresh_from_db()
    assert (asked.status, asked.approvals.count()) == ("held", 0)


def test_a_creator_whom_stripe_does_not_pay_is_not_approved(desk: Client, asked: Payout, sheet: str) -> None:
    Payee.objects.update(transfers_active=False)
    assert (
        said(desk.post(f"{sheet}approve/"))
        == "Stripe cannot pay this creator yet. Hold the payout and tell them so."
    )


def test_the_admin_shows_money_and_changes_none(rae: User, asked: Payout) -> None:
    User.objects.filter(pk=rae.pk).update(is_staff=True, is_superuser=True)
    staff = at_the_desk(User.objects.get(pk=rae.pk))
    for model in (
        "payee",
        "charge",
        "refund",
        "dispute",
        "subscription",
        "payout",
        "approval",
        "ledgeraccount",
    ):
        assert staff.get(f"/admin/payments/{model}/").status_code == 200
        assert staff.get(f"/admin/payments/{model}/add/").status_code == 403
    for model in ("transfer", "stripeevent"):
        assert staff.get(f"/admin/payments/{model}/").status_code == 200
    staff.post(f"/admin/payments/payout/{asked.pk}/change/", {"status": "paid"})
    assert staff.post(f"/admin/payments/payout/{asked.pk}/delete/", {"post": "yes"}).status_code == 403
    asked.refresh_from_db()
    assert asked.status == "requested"


def test_evidence_and_permissions_are_what_apps_register(payee: Payee, ada: User) -> None:
    assert permissions.may_see(ada, payee) is False  # a payee without a club
    assert evidence.Fact("Charges paid", "0") in evidence.about(payee)
