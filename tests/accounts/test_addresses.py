"""A changed address: the old one is told once, and may bring it back within a week."""

from datetime import datetime, timedelta

import pytest
import time_machine
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import TOTP
from allauth.usersessions.models import UserSession
from django.test import Client

from accounts import addresses, personal_data
from accounts.models import AddressChange, AuditEntry, Letter, User
from clubs.models import Club
from payments.models import Payee
from tests.accounts.factors import SEED, code
from tests.accounts.people import code_in, link_in, newest_to, sign_in
from tests.factories import PASSWORD, UserFactory

pytestmark = pytest.mark.django_db
OLD, NEW = "ben@example.com", "thief@example.com"


def change_address(client: Client, to: str) -> None:
    client.post("/account/email/", {"action_add": "", "email": to})
    client.post("/account/confirm-email/", {"code": code_in(newest_to(to))})


@pytest.fixture
def thief(client: Client, ben: User) -> Client:
    """Return a browser in which somebody signed in as Ben and changed his address."""
    sign_in(client, ben)
    change_address(client, NEW)
    ben.refresh_from_db()
    assert ben.email == NEW
    return client


def test_the_old_address_is_told_once_with_a_link(thief: Client) -> None:
    letters = Letter.objects.filter(to=OLD, subject="Your address was changed")
    assert letters.count() == 1
    assert link_in(letters.get()).startswith("/me/undo/")


def test_the_link_brings_the_address_back_and_shuts_everybody_out(
    thief: Client, ben: User, client: Client
) -> None:
    TOTP.activate(ben, SEED)
    undo = link_in(newest_to(OLD))
    stranger = Client()
    assert stranger.get(undo).status_code == 200
    assert User.objects.get(pk=ben.pk).email == NEW  # looking undoes nothing
    before = User.objects.get(pk=ben.pk).standing
    assert stranger.post(undo).status_code == 200
    ben.refresh_from_db()
    assert (ben.email, ben.check_password(PASSWORD), ben.has_usable_password()) == (OLD, False, False)
    assert list(EmailAddress.objects.filter(user=ben).values_list("email", "verified", "primary")) == [
        (OLD, True, True)
    ]
    assert (UserSession.objects.count(), Authenticator.objects.count()) == (0, 0)
    assert thief.get("/me/").status_code == 302
    assert ben.standing > before
    assert AuditEntry.objects.filter(verb="address-restored", subject_id=str(ben.pk)).count() == 1


@pytest.mark.parametrize("kind", [Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN])
@pytest.mark.parametrize(("hours", "stay"), [(0, 0), (7 * 24 - 1, 0), (7 * 24 + 1, 1)])
def test_a_factor_of_the_week_before_goes_and_an_older_one_stays(
    thief: Client, ben: User, kind: Authenticator.Type, hours: int, stay: int
) -> None:
    changed_at = AddressChange.objects.get().changed_at
    added_at = changed_at - timedelta(hours=hours, minutes=1)
    for one in (kind, Authenticator.Type.RECOVERY_CODES):
        Authenticator.objects.create(user=ben, type=one, data={}, created_at=added_at)
    assert Client().post(link_in(newest_to(OLD))).status_code == 200
    left = Authenticator.objects.filter(user=ben).values_list("type", flat=True)
    assert list(left) == [kind] * stay


def test_the_owner_comes_in_though_the_thief_set_up_an_app_first(client: Client, ben: User) -> None:
    sign_in(client, ben)
    client.post("/account/reauthenticate/", {"password": PASSWORD})
    secret = str(client.get("/account/2fa/totp/activate/").context["form"].secret)
    assert client.post("/account/2fa/totp/activate/", {"code": code(secret)}).status_code == 302
    assert Authenticator.objects.filter(user=ben, type=Authenticator.Type.TOTP).exists()
    change_address(client, NEW)
    assert Client().post(link_in(newest_to(OLD))).status_code == 200
    owner = Client()
    owner.post("/account/login/code/", {"email": OLD})
    owner.post("/account/login/code/confirm/", {"code": code_in(newest_to(OLD))})
    assert owner.get("/me/").status_code == 200
    assert client.get("/me/").status_code == 302


def test_the_link_works_once(thief: Client) -> None:
    undo = link_in(newest_to(OLD))
    assert [Client().post(undo).status_code for _time in range(2)] == [200, 410]
    assert Letter.objects.filter(to=OLD, subject="Your address is back").count() == 1


@pytest.mark.parametrize(("hours", "status"), [(7 * 24 - 1, 200), (7 * 24 + 1, 410)])
def test_the_link_works_for_a_week(thief: Client, hours: int, status: int, at: datetime) -> None:
    undo = link_in(newest_to(OLD))
    with time_machine.travel(at + timedelta(hours=hours)):
        assert Client().post(undo).status_code == status
        assert addresses.forget(at=at + timedelta(hours=hours)) == (status == 410)


def test_a_link_that_somebody_made_up_opens_nothing(thief: Client, ben: User) -> None:
    change = AddressChange.objects.get()
    assert [Client().post(f"/me/undo/{token}/").status_code for token in ("x", str(change.pk))] == [410, 410]
    assert User.objects.get(pk=ben.pk).email == NEW


def test_the_first_address_undoes_what_came_after_it_too(thief: Client, ben: User) -> None:
    first = link_in(newest_to(OLD))
    change_address(thief, "thief2@example.com")
    second = link_in(newest_to(NEW))
    assert [Client().post(link).status_code for link in (first, second)] == [200, 410]
    assert User.objects.get(pk=ben.pk).email == OLD


def test_a_sign_up_that_nobody_confirmed_does_not_keep_the_owner_out(thief: Client, ben: User) -> None:
    UserFactory.create(handle="squatter", email=OLD, verified=False)
    assert Client().post(link_in(newest_to(OLD))).status_code == 200
    assert User.objects.get(email=OLD) == ben


def test_an_account_that_was_confirmed_with_the_address_keeps_it(thief: Client, ben: User) -> None:
    somebody = UserFactory.create(handle="somebody", email=OLD)
    undo = link_in(newest_to(OLD))
    assert Client().post(undo).status_code == 409
    assert (User.objects.get(email=OLD), User.objects.get(pk=ben.pk).email) == (somebody, NEW)
    assert AddressChange.objects.get().undone_at is None


def test_an_address_that_was_never_confirmed_is_told_nothing(client: Client, ben: User) -> None:
    EmailAddress.objects.filter(user=ben).update(verified=False)
    client.force_login(ben)
    address = EmailAddress.objects.get(user=ben)
    addresses._told_of_change(
        EmailAddress, request=client.get("/").wsgi_request, user=ben, from_email_address=address,
        to_email_address=EmailAddress(user=ben, email=NEW),
    )  # fmt: skip
    assert (AddressChange.objects.count(), Letter.objects.count()) == (0, 0)


def test_closing_the_account_ends_the_link_and_forgets_both_addresses(
    thief: Client, ben: User, at: datetime
) -> None:
    undo = link_in(newest_to(OLD))
    personal_data.close(user=ben, at=at)
    assert Client().get(undo).status_code == 410
    assert AddressChange.objects.count() == 0


def test_the_payee_of_a_club_goes_with_its_owner_s_address(client: Client, ada: User, club: Club) -> None:
    Payee.objects.filter(pk=club.payee_id).update(email=ada.email)
    sign_in(client, ada)
    change_address(client, "ada@elsewhere.example")
    assert Payee.objects.get(pk=club.payee_id).email == "ada@elsewhere.example"
    Client().post(link_in(newest_to("ada@example.com")))
    assert Payee.objects.get(pk=club.payee_id).email == "ada@example.com"
