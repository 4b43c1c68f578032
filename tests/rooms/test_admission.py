"""The one door: what it says to whom, and that every way in asks it."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from threading import Barrier
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser
from django.db import connection

from accounts.models import User
from clubs.models import Officer
from payments.states import move
from rooms import admission, doors, grants, stage
from rooms.admission import Code, Reason
from rooms.models import Ban, Grant, Room, Seat
from tests import factories
from tests.rooms import people
from tests.rooms.people import OTHER_TAB, TAB
from ticketing import programme
from ticketing.models import Event, Ticket

pytestmark = pytest.mark.django_db


def verdict(user: User | AnonymousUser, event: Event, at: datetime) -> Code:
    return admission.may_enter(user=user, event=event, at=at).code


# ---- What the door says


def test_whoever_is_not_signed_in_is_asked_to(tonight: Event, adas_seat: Seat, at: datetime) -> None:
    assert verdict(AnonymousUser(), tonight, at) == Code.SIGN_IN


def test_a_ticket_opens_the_door(
    ben: User, bens_ticket: Ticket, tonight: Event, adas_seat: Seat, at: datetime
) -> None:
    told = admission.may_enter(user=ben, event=tonight, at=at)
    assert (told.code, told.role, told.ticket) == (Code.OK, Seat.Role.LISTENER, bens_ticket)


def test_without_a_ticket_it_stays_shut(max: User, tonight: Event, adas_seat: Seat, at: datetime) -> None:
    assert verdict(max, tonight, at) == Code.NO_TICKET


def test_a_ticket_for_another_evening_is_none(
    max: User, tonight: Event, adas_seat: Seat, at: datetime
) -> None:
    people.with_ticket(max, factories.EventFactory.create(club=tonight.club))
    assert verdict(max, tonight, at) == Code.NO_TICKET


def test_a_dead_ticket_is_none(
    ben: User, bens_ticket: Ticket, tonight: Event, adas_seat: Seat, at: datetime
) -> None:
    move(bens_ticket, Ticket.Status.DEAD)
    assert verdict(ben, tonight, at) == Code.NO_TICKET


def test_a_ticket_holder_waits_until_the_doors_open(
    ben: User, bens_ticket: Ticket, tonight: Event, at: datetime
) -> None:
    assert verdict(ben, tonight, at) == Code.DOORS_SHUT


@pytest.mark.parametrize(
    ("office", "role"),
    [
        (Officer.Role.OWNER, Seat.Role.HOST),
        (Officer.Role.HOST, Seat.Role.HOST),
        (Officer.Role.MODERATOR, Seat.Role.MODERATOR),
    ],
)
def test_those_who_run_the_club_need_no_ticket_and_no_open_doors(
    office: Officer.Role, role: Seat.Role, tonight: Event, at: datetime
) -> None:
    told = admission.may_enter(user=people.officer(tonight, office), event=tonight, at=at)
    assert (told.code, told.role, told.ticket) == (Code.OK, role, None)


def test_a_cashier_needs_a_ticket_like_anybody(tonight: Event, adas_seat: Seat, at: datetime) -> None:
    assert verdict(people.officer(tonight, Officer.Role.CASHIER), tonight, at) == Code.NO_TICKET


def test_who_was_banned_stays_out_whatever_they_hold(
    ben: User, bens_ticket: Ticket, tonight: Event, adas_seat: Seat, at: datetime
) -> None:
    Ban.objects.create(room=adas_seat.room, user=ben, by=adas_seat.user, at=at)
    assert verdict(ben, tonight, at) == Code.BANNED


def test_a_full_room_lets_nobody_else_in(
    bens_seat: Seat, tonight: Event, at: datetime, settings: Any
) -> None:
    settings.ROOM_CAPACITY = 2
    assert verdict(people.fan(tonight), tonight, at) == Code.FULL


def test_a_full_room_still_lets_its_moderators_in(
    bens_seat: Seat, tonight: Event, at: datetime, settings: Any
) -> None:
    settings.ROOM_CAPACITY = 1
    assert verdict(people.officer(tonight, Officer.Role.MODERATOR), tonight, at) == Code.OK


def test_a_closed_room_is_closed_to_everybody(
    ada: User, ben: User, adas_seat: Seat, bens_seat: Seat, tonight: Event, at: datetime
) -> None:
    doors.close_room(by=adas_seat, at=at)
    tonight.refresh_from_db()
    assert [verdict(user, tonight, at) for user in (ada, ben, AnonymousUser())] == [Code.CLOSED] * 3


def test_an_evening_that_nobody_opened_is_over_some_time_after_its_end(
    ben: User, bens_ticket: Ticket, tonight: Event, at: datetime
) -> None:
    later = tonight.ends_at + programme.MISSED_AFTER + timedelta(seconds=1)
    assert verdict(ben, tonight, later) == Code.CLOSED


@pytest.mark.parametrize("seats", [1, 3])
def test_the_door_asks_the_same_few_questions_however_many_are_inside(
    seats: int,
    ben: User,
    bens_ticket: Ticket,
    tonight: Event,
    adas_seat: Seat,
    at: datetime,
    django_assert_num_queries: Any,
) -> None:
    for _ in range(seats):
        people.sit(people.fan(tonight), tonight, at)
    with django_assert_num_queries(5):
        assert verdict(ben, tonight, at) == Code.OK


# ---- Seats


def test_a_seat_has_a_name_that_tells_nothing(bens_seat: Seat, ben: User, bens_ticket: Ticket) -> None:
    known = {ben.pk.hex, bens_ticket.pk.hex, str(ben.handle)}
    assert len(bens_seat.pk) == 32
    assert bens_seat.pk not in known


def test_a_second_page_is_not_let_in_until_it_asks_to_take_over(
    bens_seat: Seat, ben: User, tonight: Event, at: datetime
) -> None:
    with pytest.raises(admission.SeatedElsewhere):
        admission.admit(user=ben, event=tonight, tab=OTHER_TAB, at=at)


def test_taking_over_keeps_the_seat_and_kills_what_the_old_page_had(
    bens_seat: Seat, ben: User, tonight: Event, at: datetime
) -> None:
    left = grants.issue(seat=bens_seat, use=Grant.Use.LISTEN, at=at)
    taken = admission.admit(user=ben, event=tonight, tab=OTHER_TAB, at=at, take_over=True)
    assert (taken.seat.pk, taken.seat.epoch) == (bens_seat.pk, bens_seat.epoch + 1)
    with pytest.raises(grants.BadGrant):
        admission.enter(token=left, use=Grant.Use.LISTEN, at=at)


def test_a_page_that_lost_its_seat_gets_a_new_one_under_a_new_name(
    ben: User, bens_seat: Seat, tonight: Event, at: datetime
) -> None:
    move(people.now(bens_seat), Seat.Status.LEFT)
    assert admission.admit(user=ben, event=tonight, tab=TAB, at=at).seat.pk != bens_seat.pk


# ---- Coming back


def back(user: User, event: Event, secret: str, at: datetime, tab: str = TAB) -> admission.Admitted:
    return admission.resume(user=user, event=event, secret=secret, tab=tab, at=at)


@pytest.fixture
def bens_secret(ben: User, bens_ticket: Ticket, adas_seat: Seat, tonight: Event, at: datetime) -> str:
    return admission.admit(user=ben, event=tonight, tab=TAB, at=at).resume


def test_who_comes_back_finds_seat_and_stage_but_is_muted(
    ben: User, bens_secret: str, adas_seat: Seat, tonight: Event, at: datetime
) -> None:
    seat = Seat.objects.get(user=ben)
    stage.invite(by=adas_seat, seat=seat, at=at)
    stage.step_up(by=seat)
    stage.unmute(by=seat)
    again = back(ben, tonight, bens_secret, at).seat
    assert (again.pk, again.stage, again.muted, again.epoch) == (seat.pk, Seat.Stage.ON, True, seat.epoch)


def test_a_secret_brings_back_once(ben: User, bens_secret: str, tonight: Event, at: datetime) -> None:
    back(ben, tonight, bens_secret, at)
    with pytest.raises(admission.NoSeatToResume):
        back(ben, tonight, bens_secret, at)


def test_a_secret_is_of_no_use_to_somebody_else(bens_secret: str, tonight: Event, at: datetime) -> None:
    with pytest.raises(admission.NoSeatToResume):
        back(people.fan(tonight), tonight, bens_secret, at)


def test_coming_back_from_another_page_while_the_first_is_here_needs_a_click(
    ben: User, bens_secret: str, tonight: Event, at: datetime
) -> None:
    move(Seat.objects.get(user=ben), Seat.Status.PRESENT)
    with pytest.raises(admission.SeatedElsewhere):
        back(ben, tonight, bens_secret, at, tab=OTHER_TAB)


def lose_the_ticket(seat: Seat, _settings: Any) -> None:
    assert seat.ticket is not None
    move(seat.ticket, Ticket.Status.DEAD)


def be_banned(seat: Seat, _settings: Any) -> None:
    Ban.objects.create(room=seat.room, user=seat.user, by=seat.user, at=seat.taken_at)


def find_the_room_full(_seat: Seat, settings: Any) -> None:
    settings.ROOM_CAPACITY = 1


@pytest.mark.parametrize(
    ("happen", "code"),
    [(lose_the_ticket, Code.NO_TICKET), (be_banned, Code.BANNED), (find_the_room_full, Code.FULL)],
)
def test_coming_back_asks_the_door_again(
    happen: Callable[[Seat, Any], None],
    code: Code,
    ben: User,
    bens_secret: str,
    tonight: Event,
    at: datetime,
    settings: Any,
) -> None:
    happen(Seat.objects.get(user=ben), settings)
    with pytest.raises(admission.NotAdmitted) as refused:
        back(ben, tonight, bens_secret, at)
    assert refused.value.verdict.code == code


@pytest.mark.parametrize("use", list(Grant.Use))
@pytest.mark.parametrize(("happen", "code"), [(lose_the_ticket, Code.NO_TICKET), (be_banned, Code.BANNED)])
def test_a_grant_in_hand_does_not_outlive_the_right_to_be_here(
    use: Grant.Use,
    happen: Callable[[Seat, Any], None],
    code: Code,
    bens_seat: Seat,
    at: datetime,
    settings: Any,
) -> None:
    token = grants.issue(seat=bens_seat, use=use, at=at)
    happen(bens_seat, settings)
    with pytest.raises(admission.NotAdmitted) as refused:
        admission.enter(token=token, use=use, at=at)
    assert refused.value.verdict.code == code


def test_only_somebody_on_stage_may_send_sound(bens_seat: Seat, at: datetime) -> None:
    token = grants.issue(seat=bens_seat, use=Grant.Use.SPEAK, at=at)
    with pytest.raises(admission.NotOnStage):
        admission.enter(token=token, use=Grant.Use.SPEAK, at=at)


# ---- Revoking


def test_revoking_ends_the_seat_and_all_that_was_issued_to_it(
    ben: User, bens_secret: str, adas_seat: Seat, tonight: Event, at: datetime
) -> None:
    seat = Seat.objects.get(user=ben)
    stage.raise_hand(by=seat, at=at)
    assert admission.revoke(seats=[seat.pk], reason=Reason.TICKET, at=at) == 1
    gone = people.now(seat)
    assert (gone.status, gone.stage, gone.epoch) == (Seat.Status.REVOKED, Seat.Stage.OFF, seat.epoch + 1)
    with pytest.raises(admission.NoSeatToResume):
        back(ben, tonight, bens_secret, at)


def test_revoking_twice_revokes_once(bens_seat: Seat, at: datetime) -> None:
    times = [admission.revoke(seats=[bens_seat.pk], reason=Reason.TICKET, at=at) for _ in range(2)]
    assert times == [1, 0]


def test_the_people_in_the_room_see_that_somebody_went(bens_seat: Seat, at: datetime) -> None:
    before = Room.objects.get().seq
    admission.revoke(seats=[bens_seat.pk], reason=Reason.TICKET, at=at)
    assert Room.objects.get().seq == before + 1


# ---- Races


@pytest.mark.django_db(transaction=True)
def test_of_eight_who_come_at_once_to_three_places_three_get_in(
    tonight: Event, adas_seat: Seat, at: datetime, settings: Any
) -> None:
    """Seen failing (all eight got in) without the lock on the room in `admit`."""
    settings.ROOM_CAPACITY = 4  # Ada's own, and three
    fans = [people.fan(tonight) for _ in range(8)]
    together = Barrier(len(fans))

    def come(user: User) -> bool:
        try:
            together.wait(10)
            admission.admit(user=user, event=tonight, tab=TAB, at=at)
        except admission.NotAdmitted:
            return False
        finally:
            connection.close()
        return True

    with ThreadPoolExecutor(len(fans)) as pool:
        came = list(pool.map(come, fans))
    assert sum(came) == 3
    assert Seat.objects.seated().count() == 4
