"""An old login changes nothing about how one signs in: whoever is there shows again who they are."""

from datetime import datetime, timedelta

import pytest
import time_machine
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP
from allauth.usersessions.models import UserSession
from django.test import Client

from accounts.models import Letter, User
from tests import addresses
from tests.accounts.factors import SEED, let_time_pass, sign_in_with_factor
from tests.accounts.people import code_in, newest_to, sign_in
from tests.factories import PASSWORD

pytestmark = pytest.mark.django_db
ASKS_AGAIN = {
    "account_email",  # to change it; the page itself may be looked at
    "account_set_password",
    "usersessions_list",
    "mfa_activate_totp",
    "mfa_deactivate_totp",
    "mfa_generate_recovery_codes",
    "mfa_add_webauthn",
    "mfa_remove_webauthn",
    "mfa_edit_webauthn",
    "accounts:export",
    "accounts:close",
}
NEEDS_NOT = {
    "account_change_password": "asks for the current password in its form",
    "account_reauthenticate": "is where one shows it",
    "mfa_reauthenticate": "is where one shows it",
    "mfa_reauthenticate_webauthn": "is where one shows it",
    "accounts:show_again": "is where one shows it",
    "account_logout": "leaving is free",
    "accounts:settings": "name, language and time zone open no account",
    "accounts:go_on": "offers a form again, and sends nothing",
    "accounts:undo_address": "its link is the proof",
    "mfa_index": "shows",
    "mfa_list_webauthn": "shows",
    "mfa_view_recovery_codes": "shows the codes only to whoever showed who they are",
    "mfa_download_recovery_codes": "the same",
}
FOR_THOSE_OUTSIDE = {
    "account_login", "account_signup", "account_inactive", "account_email_verification_sent",
    "account_reset_password", "account_reset_password_done", "account_reset_password_from_key",
    "account_reset_password_from_key_done", "account_confirm_login_code", "account_request_login_code",
    "mfa_authenticate", "mfa_login_webauthn",
}  # fmt: skip
OURS = ("account_", "accounts:", "mfa_", "usersessions_")
FORM = {"action_add": "", "email": "new@example.com", "password1": "a long new sentence", "handle": "ben"}


def test_every_address_about_one_s_account_is_known() -> None:
    found = {address.name for address in addresses.every() if address.name.startswith(OURS)}
    assert found == ASKS_AGAIN | set(NEEDS_NOT) | FOR_THOSE_OUTSIDE


@pytest.mark.parametrize("name", sorted(ASKS_AGAIN))
@pytest.mark.parametrize("kind", ["password", "nothing", "factor"])
def test_an_old_login_is_asked_again(client: Client, ben: User, name: str, kind: str) -> None:
    if kind == "factor":
        sign_in_with_factor(client, ben)
        let_time_pass(client, timedelta(minutes=11))
    elif kind == "password":
        sign_in(client, ben)
        let_time_pass(client, timedelta(minutes=11))
    else:
        User.objects.filter(pk=ben.pk).update(password="!")
        client.force_login(User.objects.get(pk=ben.pk))
    if name == "account_set_password":
        User.objects.filter(pk=ben.pk).update(password="!")
        client.force_login(User.objects.get(pk=ben.pk))
    if name == "mfa_deactivate_totp" and kind != "factor":
        TOTP.activate(ben, SEED)
    path = next(address.path() for address in addresses.every() if address.name == name)
    answer = client.get(path) if name == "accounts:export" else client.post(path, FORM)
    pages = ("/account/reauthenticate/", "/account/2fa/reauthenticate/", "/me/show-again/")
    assert answer.headers["Location"].startswith(pages)


@pytest.mark.parametrize("name", ["view", "download"])
def test_recovery_codes_are_not_shown_to_an_old_login(client: Client, ben: User, name: str) -> None:
    sign_in_with_factor(client, ben)
    [code, *_others] = RecoveryCodes.activate(ben).get_unused_codes()
    let_time_pass(client, timedelta(minutes=11))
    page = client.get(f"/account/2fa/recovery-codes/{'' if name == 'view' else 'download/'}")
    assert code not in page.content.decode()


def test_an_old_login_took_an_account_over_and_does_so_no_more(client: Client, ben: User) -> None:
    sign_in(client, ben)
    let_time_pass(client, timedelta(days=13))
    client.post("/account/email/", {"action_add": "", "email": "thief@example.com"})
    assert Letter.objects.filter(to="thief@example.com").count() == 0
    client.post("/account/sessions/")
    client.post("/account/2fa/totp/activate/", {"code": "123456"})
    assert list(EmailAddress.objects.values_list("email", flat=True)) == [ben.email]
    assert (UserSession.objects.count(), Authenticator.objects.count()) == (1, 0)


def test_what_was_asked_for_goes_on_after_it_was_shown(client: Client, ben: User) -> None:
    sign_in(client, ben)
    let_time_pass(client, timedelta(days=13))
    there = client.post("/account/email/", {"action_add": "", "email": "new@example.com"})
    answer = client.post(there.headers["Location"], {"password": PASSWORD})
    assert answer.headers["Location"] == "/account/confirm-email/"
    assert Letter.objects.filter(to="new@example.com").count() == 1


def test_signing_in_a_moment_ago_is_showing_it(client: Client, ben: User) -> None:
    sign_in(client, ben)
    assert client.post("/account/sessions/").headers["Location"] == "/account/sessions/"


def test_for_a_new_second_factor_signing_in_is_not_enough(client: Client, ben: User) -> None:
    sign_in(client, ben)
    answer = client.post("/account/2fa/totp/activate/", {"code": "123456"})
    assert answer.headers["Location"].startswith("/account/reauthenticate/")


def test_people_without_a_password_show_it_by_a_code(client: Client, ben: User) -> None:
    User.objects.filter(pk=ben.pk).update(password="!")
    client.force_login(User.objects.get(pk=ben.pk))
    there = client.post("/account/sessions/").headers["Location"]
    assert client.get(there).status_code == 200
    client.post(there, {"action": "send"})
    code = code_in(newest_to(ben.email))
    assert client.post(there, {"code": "AAAA-AAAA"}).status_code == 200
    assert client.post(there, {"code": code.lower()}).headers["Location"] == "/account/sessions/"
    assert client.post(there, {"code": code}).status_code == 200  # once


def test_a_code_bears_three_tries_and_ten_minutes(client: Client, ben: User, at: datetime) -> None:
    User.objects.filter(pk=ben.pk).update(password="!")
    client.force_login(User.objects.get(pk=ben.pk))
    client.post("/me/show-again/", {"action": "send"})
    code = code_in(newest_to(ben.email))
    for _try in range(3):
        client.post("/me/show-again/", {"code": "AAAA-AAAA"})
    assert client.post("/me/show-again/", {"code": code}).status_code == 200
    client.post("/me/show-again/", {"action": "send"})
    code = code_in(newest_to(ben.email))
    with time_machine.travel(at + timedelta(minutes=11)):
        assert client.post("/me/show-again/", {"code": code}).status_code == 200
