"""The role machine: told case by case, and walked through at random."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from accounts.models import AuditEntry
from clubs.models import Officer
from rooms import admission, callboard, presence, stage
from rooms.models import Ban, Room, Seat
from tests import factories
from tests.rooms import people

pytestmark = pytest.mark.django_db

REFUSALS = (stage.NotAllowed, stage.NotNow, stage.NotSeated, stage.StageFull)


def test_a_hand_goes_up_and_down(bens_seat: Seat, at: datetime) -> None:
    stage.raise_hand(by=bens_seat, at=at)
    assert people.now(bens_seat).stage == Seat.Stage.HAND
    stage.lower_hand(by=bens_seat, seat=bens_seat)
    assert people.now(bens_seat).stage == Seat.Stage.OFF


def test_the_way_to_the_stage_is_by_invitation_and_one_goes_up_muted(
    bens_seat: Seat, adas_seat: Seat, at: datetime
) -> None:
    stage.raise_hand(by=bens_seat, at=at)
    stage.invite(by=adas_seat, seat=bens_seat, at=at)
    stage.step_up(by=bens_seat)
    assert (people.now(bens_seat).stage, people.now(bens_seat).muted) == (Seat.Stage.ON, True)


def test_nobody_steps_up_uninvited(bens_seat: Seat, at: datetime) -> None:
    stage.raise_hand(by=bens_seat, at=at)
    with pytest.raises(stage.NotAllowed):
        stage.step_up(by=bens_seat)


def test_nobody_invites_but_those_who_moderate(bens_seat: Seat, tonight: Any, at: datetime) -> None:
    other = people.sit(people.fan(tonight), tonight, at)
    with pytest.raises(stage.NotAllowed):
        stage.invite(by=bens_seat, seat=other, at=at)


def test_an_invitation_may_be_turned_down(bens_seat: Seat, adas_seat: Seat, at: datetime) -> None:
    stage.invite(by=adas_seat, seat=bens_seat, at=at)
    stage.lower_hand(by=bens_seat, seat=bens_seat)
    with pytest.raises(stage.NotAllowed):
        stage.step_up(by=bens_seat)


def test_who_is_muted_by_a_host_unmutes_themselves(bens_seat: Seat, adas_seat: Seat, at: datetime) -> None:
    put_on_stage(adas_seat, bens_seat, at)
    stage.unmute(by=bens_seat)
    stage.mute(by=adas_seat, seat=bens_seat)
    assert people.now(bens_seat).muted is True
    stage.unmute(by=bens_seat)
    assert people.now(bens_seat).muted is False


def test_stepping_down_and_being_taken_down_mute(bens_seat: Seat, adas_seat: Seat, at: datetime) -> None:
    ways: list[Callable[[], None]] = [
        lambda: stage.step_down(by=bens_seat),
        lambda: stage.demote(by=adas_seat, seat=bens_seat),
    ]
    for take_down in ways:
        put_on_stage(adas_seat, bens_seat, at)
        stage.unmute(by=bens_seat)
        take_down()
        assert (people.now(bens_seat).stage, people.now(bens_seat).muted) == (Seat.Stage.OFF, True)


@pytest.mark.parametrize("act", ["mute", "demote", "remove"])
def test_nobody_acts_on_their_equal_or_better(act: str, adas_seat: Seat, tonight: Any, at: datetime) -> None:
    moderators = [people.sit(people.officer(tonight, Officer.Role.MODERATOR), tonight, at) for _ in range(2)]
    stage.step_up(by=moderators[1])
    stage.step_up(by=adas_seat)
    deeds: dict[str, Callable[[Seat], None]] = {
        "mute": lambda seat: stage.mute(by=moderators[0], seat=seat),
        "demote": lambda seat: stage.demote(by=moderators[0], seat=seat),
        "remove": lambda seat: stage.remove(by=moderators[0], seat=seat, reason="", at=at),
    }
    for seat in (moderators[1], adas_seat):
        with pytest.raises(stage.NotAllowed):
            deeds[act](seat)


def test_removing_bans_and_tells_the_audit_no_name(bens_seat: Seat, adas_seat: Seat, at: datetime) -> None:
    stage.remove(by=adas_seat, seat=bens_seat, reason="Shouting", at=at)
    assert people.now(bens_seat).status == Seat.Status.REVOKED
    assert Ban.objects.get().user == bens_seat.user
    entry = AuditEntry.objects.get(verb="person-removed-from-room")
    assert (entry.actor, entry.reason, entry.details) == (adas_seat.user, "Shouting", {})
    assert entry.subject_id == adas_seat.room_id


def test_the_stage_holds_twelve(adas_seat: Seat, bens_seat: Seat, at: datetime) -> None:
    factories.SeatFactory.create_batch(stage.MOST_ON_STAGE, room=adas_seat.room, stage=Seat.Stage.ON)
    with pytest.raises(stage.StageFull):
        stage.invite(by=adas_seat, seat=bens_seat, at=at)


def test_hands_are_lowered_all_at_once_and_invitations_stay(
    adas_seat: Seat, tonight: Any, at: datetime
) -> None:
    seats = [people.sit(people.fan(tonight), tonight, at) for _ in range(3)]
    for seat in seats:
        stage.raise_hand(by=seat, at=at)
    stage.invite(by=adas_seat, seat=seats[0], at=at)
    stage.lower_hands(by=adas_seat)
    assert [people.now(seat).stage for seat in seats] == [Seat.Stage.INVITED, Seat.Stage.OFF, Seat.Stage.OFF]


def test_a_change_that_changes_nothing_tells_nobody(adas_seat: Seat, at: datetime) -> None:
    stage.step_up(by=adas_seat)
    before = Room.objects.get().seq
    stage.mute(by=adas_seat, seat=adas_seat)
    assert Room.objects.get().seq == before


def test_the_database_itself_keeps_the_unseated_off_the_stage(bens_seat: Seat) -> None:
    with pytest.raises(IntegrityError, match="only_those_seated_are_on_stage"), transaction.atomic():
        Seat.objects.filter(pk=bens_seat.pk).update(status="left", stage="on")


def test_the_database_itself_keeps_everybody_muted_off_the_stage(bens_seat: Seat) -> None:
    with pytest.raises(IntegrityError, match="only_on_stage_is_anybody_unmuted"), transaction.atomic():
        Seat.objects.filter(pk=bens_seat.pk).update(muted=False)


@pytest.mark.parametrize("hands", [1, 3])
def test_the_room_is_read_with_two_queries_however_many_hands_are_up(
    hands: int, adas_seat: Seat, tonight: Any, at: datetime, django_assert_num_queries: Any
) -> None:
    for _ in range(hands):
        stage.raise_hand(by=people.sit(people.fan(tonight), tonight, at), at=at)
    room = Room.objects.get()
    with django_assert_num_queries(2):
        seen = callboard.view(room)
    assert (seen.hands_up, seen.audience) == (hands, hands + 1)


def put_on_stage(host: Seat, seat: Seat, at: datetime) -> None:
    stage.invite(by=host, seat=seat, at=at)
    stage.step_up(by=seat)


class Evening(RuleBasedStateMachine):
    """Five people do whatever comes to their minds, allowed or not, and a model says what may come of it."""

    who = st.integers(0, 4)

    def __init__(self) -> None:
        super().__init__()
        self.at = datetime.now().astimezone()

    @initialize()
    def begin(self) -> None:
        event = factories.EventFactory.create()
        host = people.open_room(event, people.officer(event, Officer.Role.HOST), self.at)
        moderator = people.sit(people.officer(event, Officer.Role.MODERATOR), event, self.at)
        self.seats = [host, moderator, *(people.sit(people.fan(event), event, self.at) for _ in range(3))]
        self.stage = dict.fromkeys(range(5), "off")
        self.unmuted: set[int] = set()
        self.gone: set[int] = set()

    def rank(self, who: int) -> int:
        return {0: 2, 1: 1}.get(who, 0)

    def outranks(self, by: int, whom: int) -> bool:
        return self.rank(by) > 0 and self.rank(by) > self.rank(whom)

    def tries(self, deed: Callable[[], None], *, allowed: bool) -> bool:
        """Do it; it must come about exactly if the model allows it."""
        try:
            with transaction.atomic():
                deed()
        except REFUSALS:
            assert not allowed
            return False
        assert allowed
        return True

    def here(self, *people_: int) -> bool:
        return not self.gone & set(people_)

    @rule(by=who)
    def raise_hand(self, by: int) -> None:
        allowed = self.here(by) and self.stage[by] == "off"
        if self.tries(lambda: stage.raise_hand(by=self.seats[by], at=self.at), allowed=allowed):
            self.stage[by] = "hand"

    @rule(by=who, whom=who)
    def lower_hand(self, by: int, whom: int) -> None:
        authority = by == whom or self.rank(by) > 0
        allowed = self.here(by, whom) and authority and self.stage[whom] in {"hand", "invited"}
        if self.tries(lambda: stage.lower_hand(by=self.seats[by], seat=self.seats[whom]), allowed=allowed):
            self.stage[whom] = "off"

    @rule(by=who, whom=who)
    def invite(self, by: int, whom: int) -> None:
        allowed = self.here(by, whom) and self.rank(by) > 0 and self.stage[whom] in {"off", "hand"}
        deed = lambda: stage.invite(by=self.seats[by], seat=self.seats[whom], at=self.at)  # noqa: E731 -- named for the line below
        if self.tries(deed, allowed=allowed):
            self.stage[whom] = "invited"

    @rule(by=who)
    def step_up(self, by: int) -> None:
        authority = self.stage[by] == "invited" or self.rank(by) > 0
        allowed = self.here(by) and authority and self.stage[by] != "on"
        if self.tries(lambda: stage.step_up(by=self.seats[by]), allowed=allowed):
            self.stage[by] = "on"

    @rule(by=who)
    def step_down(self, by: int) -> None:
        allowed = self.here(by) and self.stage[by] == "on"
        if self.tries(lambda: stage.step_down(by=self.seats[by]), allowed=allowed):
            self.come_down(by)

    @rule(by=who, whom=who)
    def demote(self, by: int, whom: int) -> None:
        allowed = self.here(by, whom) and self.outranks(by, whom) and self.stage[whom] == "on"
        if self.tries(lambda: stage.demote(by=self.seats[by], seat=self.seats[whom]), allowed=allowed):
            self.come_down(whom)

    @rule(by=who, whom=who)
    def mute(self, by: int, whom: int) -> None:
        authority = by == whom or self.outranks(by, whom)
        allowed = self.here(by, whom) and authority and self.stage[whom] == "on"
        if self.tries(lambda: stage.mute(by=self.seats[by], seat=self.seats[whom]), allowed=allowed):
            self.unmuted.discard(whom)

    @rule(by=who)
    def unmute(self, by: int) -> None:
        allowed = self.here(by) and self.stage[by] == "on"
        if self.tries(lambda: stage.unmute(by=self.seats[by]), allowed=allowed):
            self.unmuted.add(by)

    @rule(whom=who)
    def lose_the_line(self, whom: int) -> None:
        presence.away(seat=self.seats[whom], at=self.at)

    @precondition(lambda self: len(self.gone) < 2)
    @rule(by=who, whom=who)
    def remove(self, by: int, whom: int) -> None:
        allowed = self.here(by, whom) and self.outranks(by, whom)
        deed = lambda: stage.remove(by=self.seats[by], seat=self.seats[whom], reason="", at=self.at)  # noqa: E731 -- named for the line below
        if self.tries(deed, allowed=allowed):
            self.go(whom)

    @precondition(lambda self: len(self.gone) < 2)
    @rule(whom=who)
    def lose_the_ticket(self, whom: int) -> None:
        admission.revoke(seats=[self.seats[whom].pk], reason=admission.Reason.TICKET, at=self.at)
        self.go(whom)

    def come_down(self, whom: int) -> None:
        self.stage[whom] = "off"
        self.unmuted.discard(whom)

    def go(self, whom: int) -> None:
        self.come_down(whom)
        self.gone.add(whom)

    @invariant()
    def the_rows_agree_with_the_model(self) -> None:
        if not hasattr(self, "seats"):
            return
        rows = {seat.pk: seat for seat in Seat.objects.filter(room=self.seats[0].room_id)}
        for who, seat in enumerate(self.seats):
            row = rows[seat.pk]
            assert (row.stage, row.muted) == (self.stage[who], who not in self.unmuted)
            assert row.is_seated == (who not in self.gone)
            assert row.is_seated or not row.is_on_stage


@pytest.mark.timeout(1_200)  # bounded by examples and steps; a busy machine takes its time
def test_no_evening_breaks_the_rules_of_the_stage() -> None:
    few = settings(
        max_examples=25,
        stateful_step_count=30,
        derandomize=True,  # the same evenings for everybody
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    )
    run_state_machine_as_test(Evening, settings=few)
