"""What each officer may do, how somebody becomes one, and that a club keeps an owner."""

import threading
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial

import pytest
from django.contrib.auth.models import AnonymousUser
from django.db import connection

from accounts.models import AuditEntry, User
from clubs import officers
from clubs.models import Club, Invitation, Officer
from tests.factories import ClubFactory, OfficerFactory, UserFactory

pytestmark = pytest.mark.django_db
Role = Officer.Role


def invited(club: Club, by: User, at: datetime, role: Officer.Role = Role.HOST) -> str:
    _invitation, token = officers.invite(club=club, role=role, by=by, at=at)
    return token


@pytest.mark.parametrize(
    ("role", "may"),
    [
        (Role.OWNER, {"manage", "host", "moderate", "see_money"}),
        (Role.HOST, {"host", "moderate"}),
        (Role.MODERATOR, {"moderate"}),
        (Role.CASHIER, {"see_money"}),
        (None, set()),
    ],
)
def test_each_task_has_its_powers_and_no_others(
    club: Club, ben: User, role: str | None, may: set[str]
) -> None:
    if role:
        OfficerFactory.create(club=club, user=ben, role=role)
    answers = {
        "manage": officers.may_manage(ben, club),
        "host": officers.may_host(ben, club),
        "moderate": officers.may_moderate(ben, club),
        "see_money": officers.may_see_money(ben, club),
    }
    assert {power for power, answer in answers.items() if answer} == may
    assert officers.powers(ben, club) == may


def test_powers_end_at_the_club_and_with_the_account(club: Club, ada: User) -> None:
    assert officers.powers(ada, ClubFactory.create()) == frozenset()
    assert officers.powers(AnonymousUser(), club) == frozenset()
    ada.is_active = False
    assert officers.powers(ada, club) == frozenset()


def test_a_link_makes_an_officer_once(club: Club, ada: User, ben: User, max: User, at: datetime) -> None:
    token = invited(club, ada, at)
    assert officers.accept(token=token, user=ben, at=at).role == Role.HOST
    with pytest.raises(officers.InvitationGone):
        officers.accept(token=token, user=max, at=at)
    assert officers.powers(max, club) == frozenset()


def test_the_database_does_not_know_the_link(club: Club, ada: User, at: datetime) -> None:
    token = invited(club, ada, at)
    assert token not in str(Invitation.objects.values().get())


def test_links_get_old(club: Club, ada: User, ben: User, at: datetime) -> None:
    token = invited(club, ada, at)
    almost, over = at + timedelta(days=7, seconds=-1), at + timedelta(days=7)
    assert officers.look_up(token=token, at=almost).club == club
    with pytest.raises(officers.InvitationGone):
        officers.accept(token=token, user=ben, at=over)


def test_a_withdrawn_link_opens_nothing(club: Club, ada: User, ben: User, at: datetime) -> None:
    invitation, token = officers.invite(club=club, role=Role.HOST, by=ada, at=at)
    officers.withdraw(invitation=invitation, by=ada, at=at)
    with pytest.raises(officers.InvitationGone):
        officers.accept(token=token, user=ben, at=at)
    with pytest.raises(officers.InvitationGone):
        officers.withdraw(invitation=invitation, by=ada, at=at)


def test_a_made_up_link_opens_nothing(club: Club, at: datetime) -> None:
    with pytest.raises(officers.InvitationGone):
        officers.look_up(token="made-up", at=at)


def test_whoever_is_an_officer_leaves_the_link_to_somebody_else(
    club: Club, ada: User, ben: User, at: datetime
) -> None:
    token = invited(club, ada, at, Role.CASHIER)
    with pytest.raises(officers.AlreadyOfficer):
        officers.accept(token=token, user=ada, at=at)
    assert officers.accept(token=token, user=ben, at=at).role == Role.CASHIER


def test_links_of_a_dismissed_owner_open_nothing(club: Club, ada: User, ben: User, at: datetime) -> None:
    second = OfficerFactory.create(club=club, role=Role.OWNER)
    token = invited(club, second.user, at)
    officers.remove(officer=second, by=ada, at=at)
    with pytest.raises(officers.InvitationGone):
        officers.accept(token=token, user=ben, at=at)


@pytest.mark.parametrize("role", [Role.HOST, Role.MODERATOR, Role.CASHIER])
def test_only_owners_choose_officers(club: Club, ada: User, role: str, at: datetime) -> None:
    helper = OfficerFactory.create(club=club, role=role)
    owner = Officer.objects.get(user=ada)
    with pytest.raises(officers.NotAllowed):
        officers.invite(club=club, role=Role.OWNER, by=helper.user, at=at)
    with pytest.raises(officers.NotAllowed):
        officers.remove(officer=owner, by=helper.user, at=at)
    with pytest.raises(officers.NotAllowed):
        officers.change_role(officer=helper, role=Role.OWNER, by=helper.user, at=at)


def test_links_have_a_bound(club: Club, ada: User, at: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(officers, "MOST_INVITATIONS", 2)
    invited(club, ada, at)
    invited(club, ada, at)
    with pytest.raises(officers.TooManyInvitations):
        invited(club, ada, at)
    invited(club, ada, at + officers.INVITATION_LASTS)


def test_the_last_owner_stays(club: Club, ada: User, at: datetime) -> None:
    owner = Officer.objects.get(user=ada)
    with pytest.raises(officers.LastOwner):
        officers.leave(club=club, user=ada, at=at)
    with pytest.raises(officers.LastOwner):
        officers.remove(officer=owner, by=ada, at=at)
    with pytest.raises(officers.LastOwner):
        officers.change_role(officer=owner, role=Role.HOST, by=ada, at=at)
    assert Officer.objects.get().role == Role.OWNER


def test_an_owner_among_others_may_leave(club: Club, ada: User, ben: User, at: datetime) -> None:
    helper = OfficerFactory.create(club=club, user=ben, role=Role.HOST)
    officers.change_role(officer=helper, role=Role.OWNER, by=ada, at=at)
    officers.leave(club=club, user=ada, at=at)
    assert list(club.officers.values_list("user__handle", "role")) == [("ben", "owner")]
    officers.leave(club=club, user=ada, at=at)  # no task, no harm


def test_every_change_of_officers_is_audited(club: Club, ada: User, ben: User, at: datetime) -> None:
    officers.accept(token=invited(club, ada, at), user=ben, at=at)
    officer = Officer.objects.get(user=ben)
    officers.change_role(officer=officer, role=Role.CASHIER, by=ada, at=at)
    officers.remove(officer=officer, by=ada, at=at)
    entries = AuditEntry.objects.filter(subject_id=str(club.pk)).order_by("id")
    assert list(entries.values_list("verb", "actor__handle")) == [
        ("officer-invited", "ada"),
        ("officer-joined", "ben"),
        ("officer-changed", "ada"),
        ("officer-removed", "ada"),
    ]


@pytest.mark.django_db(transaction=True)
def test_two_owners_who_leave_at_once_leave_one_behind(at: datetime) -> None:
    """Seen failing without the lock on the club's row: both left."""
    for _ in range(5):
        club = ClubFactory.create()
        owners = [OfficerFactory.create(club=club).user for _ in range(2)]
        leaving = [partial(officers.leave, club=club, user=owner, at=at) for owner in owners]
        assert together(leaving) == [officers.LastOwner]
        assert club.officers.count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_link_that_many_open_at_once_serves_one(club: Club, ada: User, at: datetime) -> None:
    """Seen failing without the condition in accept()'s UPDATE: all six became officers."""
    token = invited(club, ada, at)
    people = UserFactory.create_batch(6)
    accepting = [partial(officers.accept, token=token, user=user, at=at) for user in people]
    assert together(accepting) == [officers.InvitationGone] * 5
    assert club.officers.filter(role=Role.HOST).count() == 1


def together(deeds: Sequence[Callable[[], object]]) -> list[type[Exception]]:
    """Do all of this at the same moment, each with a connection of its own; return what was refused."""
    gate, refused = threading.Barrier(len(deeds)), []

    def run(deed: Callable[[], object]) -> None:
        try:
            gate.wait(10)
            deed()
        except Exception as error:  # noqa: BLE001 -- the test looks at it
            refused.append(type(error))
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=[deed]) for deed in deeds]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return refused
