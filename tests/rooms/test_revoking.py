"""Whoever may not be here any more is put out at once, whatever changed; a lost nudge costs a round."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from importlib import import_module

import pytest
from allauth.usersessions.models import UserSession
from django.conf import settings as django_settings
from django.contrib.sessions.models import Session
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts import personal_data, standing
from accounts.models import User
from clubs import officers
from clubs.models import Officer
from payments import disputes
from payments.models import Charge
from payments.money import Money
from payments.stripe_records import DisputeState
from rooms import admission, doors, grants, nudges, rounds, stage
from rooms.admission import Reason
from rooms.models import Grant, Room, Seat
from rooms.protocol import Close
from tests import factories
from tests.rooms import people
from tests.rooms.extras import Extras
from ticketing import aftersales
from ticketing.models import Event, Order, Ticket

pytestmark = pytest.mark.django_db(transaction=True)

NEW_PASSWORD = "staple correct battery horse"


@pytest.fixture
def browser(ben: User) -> Client:
    """Return Ben's browser, in which he is signed in as people are."""
    browser = Client()
    browser.force_login(ben, backend="allauth.account.auth_backends.AuthenticationBackend")
    browser.get("/")  # so that the list of his sessions knows it
    return browser


@pytest.fixture
def seat(
    browser: Client, ben: User, bens_ticket: Ticket, adas_seat: Seat, tonight: Event, at: datetime
) -> Seat:
    """Return the seat that Ben has taken in that browser."""
    answer = browser.post(f"/rooms/{tonight.slug}/seat", {"tab": people.TAB}, content_type="application/json")
    assert answer.status_code == 200, answer.content
    return Seat.objects.get(pk=answer.json()["seat"])


@contextmanager
def nudges_lost(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let no nudge arrive while the block lasts."""

    def lose(*_args: object, **_kwargs: object) -> None:
        return

    with monkeypatch.context() as lost:
        lost.setattr(standing, "_told", [])
        lost.setattr(nudges, "once_committed", lose)
        lost.setattr(aftersales, "on_ticket_death", [])
        yield


Change = Callable[[User, Client, Event], object]


def closes_the_account(ben: User, _browser: Client, event: Event) -> None:
    personal_data.close(user=ben, at=event.starts_at)


def is_deactivated(ben: User, _browser: Client, _event: Event) -> None:
    person = User.objects.get(pk=ben.pk)
    person.is_active = False
    person.save()


def changes_the_password(ben: User, _browser: Client, _event: Event) -> None:
    person = User.objects.get(pk=ben.pk)
    person.set_password(NEW_PASSWORD)
    person.save()


def ends_all_sessions(ben: User, _browser: Client, _event: Event) -> None:
    for session in UserSession.objects.filter(user=ben):
        session.end()


def signs_out(_ben: User, browser: Client, _event: Event) -> None:
    browser.post("/account/logout/")


def loses_the_session(_ben: User, browser: Client, _event: Event) -> None:
    engine = import_module(django_settings.SESSION_ENGINE)
    engine.SessionStore().delete(browser.session.session_key)


def comes_under_another_address(ben: User, _browser: Client, _event: Event) -> None:
    person = User.objects.get(pk=ben.pk)
    person.email = "ben@elsewhere.example"
    person.save()


def is_refunded(ben: User, _browser: Client, event: Event) -> None:
    order = Order.objects.get(tickets__holder=ben, event=event)
    aftersales.refund(order=order, by=None, reason="As asked", at=event.starts_at)


def is_charged_back(ben: User, _browser: Client, event: Event) -> None:
    order = Order.objects.get(tickets__holder=ben, event=event)
    charge = factories.ChargeFactory.create(payee=event.club.payee, buyer=ben)
    Order.objects.filter(pk=order.pk).update(charge=charge, total_minor=charge.amount_minor)
    bank_says(charge, "needs_response", withdrawn=True, at=event.starts_at)


def bank_says(
    charge: Charge, status: str, *, withdrawn: bool, reinstated: bool = False, at: datetime
) -> None:
    state = DisputeState(
        id="du_1",
        payment_intent="",
        amount=charge.amount,
        status=status,
        reason="fraudulent",
        is_withdrawn=withdrawn,
        is_reinstated=reinstated,
        stripe_fee=Money(0, charge.currency),
    )
    disputes.heed(charge=charge, state=state, at=at)


CHANGES: list[tuple[Change, Close]] = [
    (closes_the_account, Close.ASK_AGAIN),
    (is_deactivated, Close.ASK_AGAIN),
    (changes_the_password, Close.ASK_AGAIN),
    (ends_all_sessions, Close.ASK_AGAIN),
    (signs_out, Close.ASK_AGAIN),
    (loses_the_session, Close.ASK_AGAIN),
    (comes_under_another_address, Close.ASK_AGAIN),
    (is_refunded, Close.TICKET_GONE),
    (is_charged_back, Close.TICKET_GONE),
]


@pytest.mark.parametrize(("change", "code"), CHANGES, ids=lambda value: getattr(value, "__name__", ""))
def test_whoever_may_not_stay_is_put_out_at_once(
    change: Change,
    code: Close,
    extras: Extras,
    seat: Seat,
    ben: User,
    browser: Client,
    tonight: Event,
    at: datetime,
) -> None:
    extras.sign_on("edge", "edge")
    change(ben, browser, tonight)
    now = people.now(seat)
    assert (now.status, now.epoch, now.closed_with) == (Seat.Status.REVOKED, seat.epoch + 1, code)
    assert [(call["op"], call["seat"]) for call in extras.told("edge")] == [("drop", seat.pk)]


@pytest.mark.parametrize("change", [change for change, _code in CHANGES], ids=lambda one: one.__name__)
def test_a_round_finds_whoever_may_not_stay_when_the_nudge_was_lost(
    change: Change,
    seat: Seat,
    ben: User,
    browser: Client,
    tonight: Event,
    at: datetime,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    token = grants.issue(seat=seat, use=Grant.Use.LISTEN, at=at)
    with nudges_lost(monkeypatch):
        change(ben, browser, tonight)
        assert people.now(seat).is_seated
        with pytest.raises((admission.StandsNoMore, admission.NotAdmitted)):
            admission.grant(seat=seat, use=Grant.Use.LISTEN, at=at)
        with pytest.raises((grants.BadGrant, admission.NotAdmitted)):
            admission.enter(token=token, use=Grant.Use.LISTEN, at=at)
    rounds.make(at=at)
    assert people.now(seat).status == Seat.Status.REVOKED


def test_whoever_changes_nothing_of_the_kind_stays(
    seat: Seat, ben: User, browser: Client, tonight: Event, at: datetime
) -> None:
    person = User.objects.get(pk=ben.pk)
    person.name, person.handle, person.timezone = "Benjamin", "benjamin", "Europe/Rome"
    person.save()
    other = Client()
    other.force_login(ben, backend="allauth.account.auth_backends.AuthenticationBackend")
    other.post("/account/logout/")  # on another machine: that session alone
    rounds.make(at=at)
    assert people.now(seat).is_seated


def test_who_was_charged_back_is_told_so_and_comes_in_again_when_the_bank_returns_it(
    seat: Seat, ben: User, browser: Client, tonight: Event, at: datetime
) -> None:
    is_charged_back(ben, browser, tonight)
    verdict = admission.may_enter(user=ben, event=tonight, at=at)
    assert verdict.code == admission.Code.CHARGED_BACK
    charge = Charge.objects.get(order__tickets__holder=ben)
    bank_says(charge, "won", withdrawn=True, reinstated=True, at=tonight.ends_at)
    assert admission.may_enter(user=ben, event=tonight, at=at).is_ok


def test_who_signed_in_again_gets_the_seat_back(
    seat: Seat, ben: User, browser: Client, tonight: Event, at: datetime
) -> None:
    changes_the_password(ben, browser, tonight)
    assert browser.post(
        f"/rooms/{tonight.slug}/seat", {"tab": people.TAB}, content_type="application/json"
    ).json() == {"code": "sign_in", "text": "Sign in, so that we can find your ticket."}
    browser.force_login(
        User.objects.get(pk=ben.pk), backend="allauth.account.auth_backends.AuthenticationBackend"
    )
    again = browser.post(f"/rooms/{tonight.slug}/seat", {"tab": people.TAB}, content_type="application/json")
    assert (again.status_code, again.json()["role"]) == (200, "listener")


def test_old_sessions_that_expired_are_swept_away_without_a_look_at_the_rooms(
    at: datetime,
) -> None:
    for number in range(5):
        Session.objects.create(session_key=f"{number:032}", session_data="", expire_date=at)
    with CaptureQueriesContext(connection) as asked:
        Session.objects.filter(expire_date__lte=at).delete()
    assert [query["sql"] for query in asked if "rooms_seat" in query["sql"]] == []


# ---- Those who run the club


@pytest.fixture
def hal(tonight: Event, adas_seat: Seat) -> User:
    return people.officer(tonight, Officer.Role.HOST)


@pytest.fixture
def hals_seat(hal: User, tonight: Event, at: datetime) -> Seat:
    return people.sit(hal, tonight, at)


def office(user: User) -> Officer:
    return Officer.objects.select_related("club").get(user=user)


def test_a_host_made_moderator_is_one_at_once_and_closes_nothing(
    hals_seat: Seat, hal: User, ada: User, at: datetime
) -> None:
    officers.change_role(officer=office(hal), role=Officer.Role.MODERATOR, by=ada, at=at)
    now = people.now(hals_seat)
    assert (now.role, now.status) == (Seat.Role.MODERATOR, Seat.Status.PRESENT)
    with pytest.raises(stage.NotAllowed):
        doors.close_room(by=now, at=at)


def test_the_office_is_asked_when_a_host_acts_though_the_nudge_was_lost(
    hals_seat: Seat, hal: User, ada: User, bens_seat: Seat, at: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    with nudges_lost(monkeypatch):
        officers.change_role(officer=office(hal), role=Officer.Role.CASHIER, by=ada, at=at)
    assert people.now(hals_seat).role == Seat.Role.HOST
    with pytest.raises(stage.NotAllowed):
        doors.close_room(by=hals_seat, at=at)
    with pytest.raises(stage.NotAllowed):
        stage.remove(by=hals_seat, seat=bens_seat, reason="", at=at)
    with pytest.raises(admission.NotAdmitted):
        admission.grant(seat=hals_seat, use=Grant.Use.SPEAK, at=at)
    rounds.make(at=at)
    assert people.now(hals_seat).closed_with == Close.ASK_AGAIN


def test_a_host_made_moderator_does_not_come_back_as_host(
    hals_seat: Seat, hal: User, ada: User, tonight: Event, at: datetime
) -> None:
    officers.change_role(officer=office(hal), role=Officer.Role.MODERATOR, by=ada, at=at)
    again = admission.admit(user=hal, event=tonight, tab=people.TAB, at=at, take_over=True)
    assert again.seat.role == Seat.Role.MODERATOR


def test_a_moderator_made_host_is_one_at_once(
    adas_seat: Seat, tonight: Event, ada: User, at: datetime
) -> None:
    mo = people.officer(tonight, Officer.Role.MODERATOR)
    seat = people.sit(mo, tonight, at)
    officers.change_role(officer=office(mo), role=Officer.Role.HOST, by=ada, at=at)
    assert people.now(seat).role == Seat.Role.HOST


@pytest.mark.parametrize("how", ["leaves", "is removed"])
def test_an_officer_who_is_one_no_longer_is_out_at_once_and_may_listen_with_a_ticket(
    how: str,
    hals_seat: Seat,
    hal: User,
    ada: User,
    tonight: Event,
    at: datetime,
) -> None:
    if how == "leaves":
        officers.leave(club=tonight.club, user=hal, at=at)
    else:
        officers.remove(officer=office(hal), by=ada, at=at)
    now = people.now(hals_seat)
    assert (now.status, now.closed_with) == (Seat.Status.REVOKED, Close.ASK_AGAIN)
    assert admission.may_enter(user=hal, event=tonight, at=at).code == admission.Code.NO_TICKET
    people.with_ticket(hal, tonight)
    assert admission.admit(user=hal, event=tonight, tab=people.TAB, at=at).seat.role == Seat.Role.LISTENER


def test_who_stands_in_for_absent_hosts_keeps_that_until_they_are_no_moderator(
    adas_seat: Seat, tonight: Event, ada: User, at: datetime
) -> None:
    mo = people.officer(tonight, Officer.Role.MODERATOR)
    seat = people.sit(mo, tonight, at)
    Seat.objects.filter(pk=seat.pk).update(role=Seat.Role.HOST, is_deputy=True)
    rounds.make(at=at)
    assert people.now(seat).role == Seat.Role.HOST
    officers.change_role(officer=office(mo), role=Officer.Role.CASHIER, by=ada, at=at)
    assert people.now(seat).status == Seat.Status.REVOKED


# ---- A close whose message was lost


def test_a_round_closes_again_what_closed_within_the_last_minute(
    extras: Extras, adas_seat: Seat, at: datetime
) -> None:
    doors.close_room(by=adas_seat, at=at)  # nobody stands in the register: the message reaches nobody
    extras.sign_on("edge", "edge")
    extras.sign_on("mixer", "mixer")
    rounds.make(at=at)
    for name in ("edge", "mixer"):
        assert [(call["op"], call["room"]) for call in extras.told(name)] == [("close", adas_seat.room_id)]


def test_sound_that_goes_on_in_a_closed_room_is_closed_when_it_is_told_of(
    extras: Extras, adas_seat: Seat, at: datetime
) -> None:
    doors.close_room(by=adas_seat, at=at)
    extras.sign_on("edge", "edge")
    assert rounds.close_if_over(room_id=adas_seat.room_id)
    assert [call["op"] for call in extras.told("edge")] == ["close"]


def test_sound_of_an_open_room_and_of_a_team_behind_shut_doors_goes_on(
    extras: Extras, adas_seat: Seat, at: datetime
) -> None:
    extras.sign_on("edge", "edge")
    assert not rounds.close_if_over(room_id=adas_seat.room_id)
    Room.objects.update(status=Room.Status.SHUT)
    assert not rounds.close_if_over(room_id=adas_seat.room_id)
    admission.revoke(seats=[adas_seat.pk], reason=Reason.SHUT, at=at)
    extras.told("edge")
    assert rounds.close_if_over(room_id=adas_seat.room_id)


# ---- An event that is over


def test_a_team_behind_shut_doors_is_out_at_once_when_the_event_is_cancelled(
    extras: Extras, ada: User, tonight: Event, at: datetime
) -> None:
    seat = people.sit(ada, tonight, at)
    extras.sign_on("edge", "edge")
    aftersales.cancel_event(event=tonight, by=ada, reason="I am ill", at=at)
    assert Room.objects.get().status == Room.Status.CLOSED
    assert not Seat.objects.filter(pk=seat.pk).exists()
    assert [call["op"] for call in extras.told("edge")] == ["close"]
