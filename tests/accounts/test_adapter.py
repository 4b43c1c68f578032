"""allauth's letters in our words, and its secrets under our key."""

from pathlib import Path

import allauth.account
import allauth.mfa
import pytest
from allauth.account.adapter import get_adapter
from allauth.mfa.adapter import get_adapter as get_mfa_adapter
from allauth.mfa.totp.internal.auth import TOTP
from django.conf import settings
from django.template import Engine
from pytest_django import Settings

from accounts.adapter import MFAAdapter
from accounts.models import Letter, User
from tests.accounts.people import newest_to

PACKAGES = (allauth.account, allauth.mfa)
LETTERS = sorted(
    f"{folder}/email/{path.name.removesuffix('_subject.txt')}"
    for folder, package in zip(("account", "mfa"), PACKAGES, strict=True)
    for path in Path(str(package.__path__[0]), "..", "templates", folder, "email").glob("*_subject.txt")
)


def test_allauth_has_the_letters_that_we_think_it_has() -> None:
    assert len(LETTERS) == 18


@pytest.mark.parametrize("letter", LETTERS)
def test_every_letter_of_allauth_has_words_of_ours(letter: str) -> None:
    found = Engine.get_default().get_template(f"{letter}.txt")
    assert found.origin is not None
    assert settings.BASE_DIR / "templates" in Path(found.origin.name).parents


@pytest.mark.django_db
def test_a_link_becomes_a_button_and_a_code_stands_out() -> None:
    get_adapter().send_mail(
        "account/email/unknown_account", "ben@example.com", {"signup_url": "https://s.example/up"}
    )
    get_adapter().send_mail("account/email/login_code", "max@example.com", {"code": "ABCD-1234"})
    assert ">Sign up</a>" in newest_to("ben@example.com").html
    assert "Sign up: https://s.example/up" in newest_to("ben@example.com").text
    assert newest_to("max@example.com").html.count(">ABCD-1234</p>") == 1


@pytest.mark.django_db
def test_words_that_somebody_typed_stay_words() -> None:
    get_adapter().send_mail(
        "account/email/unknown_account", "b@example.com", {"email": "<b>&", "signup_url": "x"}
    )
    letter = Letter.objects.get()
    assert ("<b>&" in letter.text, "&lt;b&gt;&amp;" in letter.html, "<b>&" in letter.html) == (
        True,
        True,
        False,
    )


@pytest.mark.django_db
def test_what_a_second_factor_is_made_of_is_not_readable_in_the_database(ben: User) -> None:
    authenticator = TOTP.activate(ben, "JBSWY3DPEHPK3PXP").instance
    assert "JBSWY3DPEHPK3PXP" not in str(authenticator.data)
    assert get_mfa_adapter().decrypt(authenticator.data["secret"]) == "JBSWY3DPEHPK3PXP"


def test_an_old_key_opens_until_it_is_taken_away(settings: Settings) -> None:
    sealed = MFAAdapter().encrypt("seed")
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "a new key", [settings.SECRET_KEY]
    assert MFAAdapter().decrypt(sealed) == "seed"
