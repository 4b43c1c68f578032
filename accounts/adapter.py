"""How allauth does things in this house: letters go through the outbox, secrets are kept encrypted."""

import base64
import re
import uuid
from dataclasses import dataclass
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from allauth.usersessions.adapter import DefaultUserSessionsAdapter
from allauth.usersessions.models import UserSession
from cryptography.fernet import Fernet, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser
from django.forms import ValidationError
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.timezone import now
from django.utils.translation import gettext as _

from accounts import links, mail, signup, standing

NAME = "Stagedoor"
LINK = re.compile(r"^(?P<label>[^:\n]+): (?P<url>https?://\S+)$")


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A paragraph of a letter: plain words, a link with its label, or a code to type."""

    text: str
    url: str = ""
    is_code: bool = False


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]  # allauth publishes no types
    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Put a letter of allauth's into the outbox.

        The words stand in `<prefix>.txt`: the subject, then paragraphs. One frame lays them all out, where
        "Label: https://…" becomes a button and the code is set large. Each call is its own cause:
        allauth calls once per code or deed.
        """
        always = {
            "email": email,
            "base_url": links.absolute("/"),
            "password_reset_url": links.absolute(reverse("account_reset_password")),
        }
        words = render_to_string(f"{template_prefix}.txt", {**always, **context}).strip()
        subject, *paragraphs = re.split(r"\n\s*\n", words)
        mail.write(
            key=f"{template_prefix}-{uuid.uuid4()}",
            to=email,
            template="account/email/letter",
            context={
                "subject": subject,
                "paragraphs": [_paragraph(text.strip(), code=context.get("code")) for text in paragraphs],
            },
            at=now(),
        )

    def clean_username(self, username: str, shallow: bool = False) -> str:  # noqa: FBT001, FBT002 -- allauth's signature
        username = super().clean_username(username, shallow=shallow)
        try:
            signup.check_handle(username)
        except signup.HandleReserved:
            raise ValidationError(_("This handle is reserved. Choose another one.")) from None
        return username

    def get_reauthentication_methods(self, user: AbstractBaseUser) -> list[dict[str, str]]:
        """Offer a passkey first: it is the quickest for whoever has one."""
        methods = super().get_reauthentication_methods(user)
        return sorted(methods, key=lambda method: method["id"] != "mfa_reauthenticate:webauthn")


class MFAAdapter(DefaultMFAAdapter):  # type: ignore[misc]  # the same
    def get_totp_issuer(self) -> str:
        return NAME

    def get_public_key_credential_rp_entity(self) -> dict[str, str]:
        return {**super().get_public_key_credential_rp_entity(), "name": NAME}

    def generate_authenticator_name(self, user: AbstractBaseUser, type: Authenticator.Type) -> str:  # noqa: A002 -- allauth's signature
        count = Authenticator.objects.filter(user_id=user.pk, type=type).count()
        return _("Passkey %d") % (count + 1) if count else _("Passkey")

    def encrypt(self, text: str) -> str:
        return _box().encrypt(text.encode()).decode()

    def decrypt(self, encrypted_text: str) -> str:
        return _box().decrypt(encrypted_text.encode()).decode()


class SessionsAdapter(DefaultUserSessionsAdapter):  # type: ignore[misc]  # the same
    def end_sessions(self, sessions: list[UserSession]) -> None:
        """End them, and with them what was let in by them: a room that one of them hears, say."""
        super().end_sessions(sessions)
        for person in {session.user_id for session in sessions}:
            standing.changed(person=person, at=now())


def _paragraph(text: str, *, code: str | None) -> Paragraph:
    link = LINK.match(text)
    if link:
        return Paragraph(link["label"], url=link["url"])
    return Paragraph(text, is_code=bool(code) and text == code)


def _box() -> MultiFernet:
    """Return what seals TOTP seeds and recovery codes: a copy of the database alone opens no account.

    The key is made from SECRET_KEY; an old one stays readable while it is named in SECRET_KEY_FALLBACKS.
    """
    return MultiFernet([_fernet(str(key)) for key in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)])


def _fernet(secret: str) -> Fernet:
    kdf = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"stagedoor second factor")
    return Fernet(base64.urlsafe_b64encode(kdf.derive(secret.encode())))
