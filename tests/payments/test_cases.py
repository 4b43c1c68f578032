"""Cases: opened once per cause, tried again or settled by a person, with the reason kept."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import AuditEntry, User
from core import retries
from payments import cases, stripe_events
from payments.models import Case, StripeEvent

if TYPE_CHECKING:
    from pytest_django import DjangoAssertNumQueries

pytestmark = pytest.mark.django_db
DESK = "/payments/review/cases/"


@pytest.fixture
def dead(db: None, at: datetime) -> StripeEvent:
    """Return an event that has been tried for the last time."""
    event = StripeEvent.objects.create(
        stripe_id="evt_odd",
        kind="refund.updated",
        api_version="",
        body={"data": {"object": {}}},
        received_at=at,
        next_attempt_at=at,
        attempts=retries.PATIENT.most - 1,
    )
    stripe_events.handle_due(at=at)
    event.refresh_from_db()
    return event


@pytest.fixture
def case(dead: StripeEvent) -> Case:
    return Case.objects.get()


def report(at: datetime, what: str = "Look at it.") -> Case:
    return cases.report(kind=Case.Kind.OTHER, cause="thing-1", what=what, at=at)


def test_a_cause_opens_one_case_and_a_settled_one_stays_settled(rae: User, at: datetime) -> None:
    first = report(at)
    assert report(at, "Again.") == first
    cases.settle(case=first, by=rae, note="Seen.", at=at)
    again = report(at, "Again.")
    assert (again.pk, again.what, again.note, again.settled_by) == (first.pk, "Look at it.", "Seen.", rae)
    assert AuditEntry.objects.get(verb="case-settled").actor == rae
    with pytest.raises(cases.AlreadySettled):
        cases.settle(case=first, by=rae, note="Seen twice.", at=at)
    with pytest.raises(cases.AlreadySettled):
        cases.try_again(case=first, by=rae, at=at)


def test_a_case_about_nothing_that_is_tried_cannot_be_tried_again(rae: User, at: datetime) -> None:
    with pytest.raises(cases.NothingToTry):
        cases.try_again(case=report(at), by=rae, at=at)


def test_an_event_that_never_succeeds_ends_as_a_case_in_plain_words(dead: StripeEvent, case: Case) -> None:
    assert (dead.status, dead.given_up_at is not None) == ("received", True)
    assert (case.kind, case.cause, case.stripe_id) == ("event", "event-evt_odd", "evt_odd")
    assert "refund.updated" in case.what
    assert cases.subject_of(case) == dead


def test_the_desk_lists_what_is_open_the_oldest_first(desk: Client, case: Case, at: datetime) -> None:
    newer = report(at + timedelta(minutes=1))
    page = desk.get(DESK)
    assert [shown.pk for shown in page.context["page"]] == [case.pk, newer.pk]
    assert desk.get("/payments/review/").context["cases"] == 2
    assert list(desk.get(f"{DESK}?show=settled").context["page"]) == []


@pytest.mark.parametrize("count", [1, 3])
def test_the_desk_costs_the_same_for_any_number(
    desk: Client, at: datetime, count: int, django_assert_num_queries: "DjangoAssertNumQueries"
) -> None:
    for number in range(count):
        cases.report(kind=Case.Kind.OTHER, cause=f"thing-{number}", what="Look at it.", at=at)
    with django_assert_num_queries(11):
        assert len(desk.get(DESK).context["page"]) == count


def test_a_case_says_what_happened_and_leads_to_stripe(desk: Client, case: Case) -> None:
    page = desk.get(f"{DESK}{case.pk}/").content.decode()
    assert "refund.updated" in page
    assert 'href="https://dashboard.stripe.com/search?query=evt_odd"' in page
    assert "Try again" in page


def test_trying_again_puts_the_event_back_among_those_that_wait(
    desk: Client, dead: StripeEvent, case: Case, rae: User
) -> None:
    StripeEvent.objects.filter(pk=dead.pk).update(kind="ping.of.nobody")  # what stood in its way is gone
    assert desk.post(reverse("payments:try_case_again", args=[case.pk])).status_code == 302
    dead.refresh_from_db()
    assert (dead.attempts, dead.given_up_at) == (0, None)
    assert stripe_events.handle_due(at=dead.next_attempt_at) == 1  # type: ignore[arg-type]
    case.refresh_from_db()
    assert (case.settled_by, case.note) == (None, "It was taken in when it was tried again.")
    assert AuditEntry.objects.get(verb="case-tried-again").actor == rae


def test_settling_takes_a_reason(desk: Client, case: Case, rae: User) -> None:
    url = reverse("payments:settle_case", args=[case.pk])
    assert desk.post(url, {"note": "  "}).status_code == 422
    case.refresh_from_db()
    assert case.settled_at is None
    assert desk.post(url, {"note": "It was a test of ours."}).status_code == 302
    case.refresh_from_db()
    assert (case.settled_by, case.note) == (rae, "It was a test of ours.")
    assert "It was a test of ours." in desk.get(f"{DESK}{case.pk}/").content.decode()
    assert desk.post(url, {"note": "Twice."}).status_code == 302
    case.refresh_from_db()
    assert case.note == "It was a test of ours."


def test_only_finance_staff_with_their_second_factor_come_in(
    client: Client, ada: User, rae: User, case: Case
) -> None:
    paths = [DESK, f"{DESK}{case.pk}/"]
    posts = [f"{DESK}{case.pk}/again/", f"{DESK}{case.pk}/settle/"]
    client.force_login(ada)
    assert [client.get(path).status_code for path in paths] == [403, 403]
    assert [client.post(path, {"note": "x"}).status_code for path in posts] == [403, 403]
    client.force_login(rae)
    assert [client.get(path).status_code for path in paths] == [302, 302]
    client.post(posts[1], {"note": "x"})
    case.refresh_from_db()
    assert case.settled_at is None
