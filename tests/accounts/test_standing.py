"""Whoever is not who they were when they came in is told of: closed, deactivated, changed, signed out."""

from collections.abc import Callable
from datetime import datetime
from uuid import UUID

import pytest
from allauth.mfa.totp.internal.auth import TOTP
from allauth.usersessions.models import UserSession
from django.db import transaction
from django.test import Client

from accounts import personal_data, standing
from accounts.models import User
from tests.accounts.factors import SEED, code
from tests.accounts.people import sign_in, sign_in_and_show_again
from tests.factories import PASSWORD

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> list[UUID]:
    """Everybody of whom a listener was told."""
    people: list[UUID] = []
    monkeypatch.setattr(standing, "_told", [])

    @standing.told
    def _hear(*, person: UUID, at: datetime) -> None:
        people.append(person)

    return people


def _deactivate(ben: User) -> None:
    ben.is_active = False
    ben.save()


def _choose_a_password(ben: User) -> None:
    ben.set_password("another long sentence")
    ben.save()


def _move(ben: User) -> None:
    ben.email = "ben@elsewhere.example"
    ben.save(update_fields=["email"])


CHANGES: list[Callable[[User], object]] = [_deactivate, _choose_a_password, _move]


@pytest.mark.parametrize("change", CHANGES)
def test_what_changes_on_the_row_is_counted_and_told(
    change: Callable[[User], object], ben: User, heard: list[UUID]
) -> None:
    before = User.objects.get(pk=ben.pk).standing
    with transaction.atomic():
        change(ben)
        assert heard == []
    assert (heard, User.objects.get(pk=ben.pk).standing) == ([ben.pk], before + 1)


def test_a_new_name_changes_no_standing(ben: User, heard: list[UUID]) -> None:
    ben.name = "Benjamin"
    ben.save()
    assert (heard, User.objects.get(pk=ben.pk).standing) == ([], ben.standing)


def test_an_old_copy_of_the_row_does_not_bring_the_old_standing_back(ben: User) -> None:
    old = User.objects.get(pk=ben.pk)
    User.objects.filter(pk=ben.pk).update(is_active=False)  # where no signal sees it, the database counts
    User.objects.filter(pk=ben.pk).update(is_active=True)
    old.name = "Benjamin"
    old.save()
    assert User.objects.get(pk=ben.pk).standing == old.standing + 2


def test_closing_an_account_is_told(ben: User, heard: list[UUID], at: datetime) -> None:
    personal_data.close(user=ben, at=at)
    assert (set(heard), standing.of(ben.pk)) == ({ben.pk}, None)


def test_ending_the_other_sessions_is_told_and_counted(client: Client, ben: User, heard: list[UUID]) -> None:
    sign_in(Client(), ben)
    sign_in_and_show_again(client, ben)
    heard.clear()
    before = standing.of(ben.pk)
    client.post("/account/sessions/")
    assert before is not None
    assert (set(heard), standing.of(ben.pk)) == ({ben.pk}, before + 1)
    assert UserSession.objects.count() == 1


def test_signing_out_is_told_but_other_browsers_keep_their_standing(
    client: Client, ben: User, heard: list[UUID]
) -> None:
    sign_in(client, ben)
    heard.clear()
    before = standing.of(ben.pk)
    client.post("/account/logout/")
    assert (set(heard), standing.of(ben.pk)) == ({ben.pk}, before)


def test_a_second_factor_taken_away_is_told(client: Client, ben: User, heard: list[UUID]) -> None:
    TOTP.activate(ben, SEED)
    sign_in(client, ben)
    client.post("/account/2fa/authenticate/", {"code": code()})
    client.post("/account/reauthenticate/", {"password": PASSWORD})
    heard.clear()
    before = standing.of(ben.pk)
    assert before is not None
    client.post("/account/2fa/totp/deactivate/")
    assert (heard, standing.of(ben.pk)) == ([ben.pk], before + 1)


def test_staff_who_deactivate_somebody_are_heard(
    client: Client, rae: User, ben: User, heard: list[UUID]
) -> None:
    User.objects.filter(pk=rae.pk).update(is_staff=True, is_superuser=True)
    TOTP.activate(rae, SEED)
    sign_in(client, rae)
    client.post("/account/2fa/authenticate/", {"code": code()})
    heard.clear()
    client.post(f"/admin/accounts/user/{ben.pk}/change/", {"handle": "ben", "name": "Ben"})
    assert (heard, standing.of(ben.pk)) == ([ben.pk], None)


def test_a_listener_that_fails_stops_nobody(
    ben: User, heard: list[UUID], caplog: pytest.LogCaptureFixture
) -> None:
    @standing.told
    def _fail(*, person: UUID, at: datetime) -> None:
        raise ValueError(person)

    _deactivate(ben)
    assert heard == [ben.pk]
