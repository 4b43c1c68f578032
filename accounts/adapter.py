"""How allauth does things in this house: letters go through the outbox, secrets are kept encrypted."""

import base64
import uuid
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.internal.flows.reauthentication import get_reauthentication_flows
from allauth.core.exceptions import ReauthenticationRequired
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
from django.http import HttpRequest
from django.urls import reverse
from django.utils.timezone import now
from django.utils.translation import gettext as _

from accounts import addresses, factor, letters, limits, links, signup, standing
from accounts.models import User
from core import email_addresses

NAME = "Stagedoor"


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]  # allauth publishes no types
    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Put a letter of allauth's into the outbox. Each call is its own cause: one per code or deed."""
        key = f"{template_prefix}-{uuid.uuid4()}"
        # allauth builds addresses from the request, whose Host is whatever somebody sent.
        asked = self.request.get_host() if self.request else ""
        ours = {name: links.at_home(word, instead_of=asked) for name, word in context.items()}
        letters.write(template_prefix, key=key, to=email, context=ours, at=now())

    def clean_username(self, username: str, shallow: bool = False) -> str:  # noqa: FBT001, FBT002 -- allauth's signature
        username = super().clean_username(username, shallow=shallow)
        try:
            signup.check_handle(username)
            if not shallow:
                signup.check_not_kept(username, at=now())
        except signup.HandleReserved:
            raise ValidationError(_("This handle is reserved. Choose another one.")) from None
        except signup.HandleKept:
            raise self.validation_error("username_taken") from None
        except signup.HandleLooksLikeAnother:
            raise ValidationError(
                _("Somebody has a handle that looks the same. Choose another one.")
            ) from None
        return username

    def _get_login_attempts_cache_key(self, request: HttpRequest, **credentials: Any) -> str:
        """Count wrong passwords for the pair of network and account: a stranger locks no owner out."""
        return limits.pair(request, super()._get_login_attempts_cache_key(request, **credentials))

    def is_reauthentication_required(self, *, app: str, **_kwargs: Any) -> bool:
        """Say whether the person has to show again who they are: not within ten minutes of the last time.

        To have signed in a moment ago is enough, but not for a second factor, which opens everything else.
        allauth asks nothing of people who have neither password nor second factor; we send them a code.
        """
        if app != "allauth.mfa" and factor.has_shown(self.request, since=now() - factor.FRESH_FOR):
            return False
        if not get_reauthentication_flows(self.request.user) and not factor.has_shown(
            self.request, since=now() - factor.FRESH_FOR
        ):
            raise ReauthenticationRequired
        return bool(super().is_reauthentication_required(app=app))

    def clean_email(self, email: str) -> str:
        """Return the address as it is kept. Every form of allauth's that keeps one asks here."""
        try:
            return email_addresses.normal(email)
        except email_addresses.NotAnAddress as refusal:
            raise ValidationError(str(refusal)) from None

    def get_reauthentication_methods(self, user: AbstractBaseUser) -> list[dict[str, str]]:
        """Offer a passkey first: it is the quickest for whoever has one; a code to those who have nothing."""
        methods = super().get_reauthentication_methods(user)
        if not methods and user.is_authenticated:
            words = str(_("Send me a code by e-mail"))
            return [{"id": "code", "description": words, "url": reverse("accounts:show_again")}]
        return sorted(methods, key=lambda method: method["id"] != "mfa_reauthenticate:webauthn")

    def send_notification_mail(self, template_prefix: str, user: User, *args: Any, **kwargs: Any) -> None:
        """Write what allauth tells people, but for a changed address: accounts.addresses tells of that."""
        if template_prefix != addresses.CHANGED:
            super().send_notification_mail(template_prefix, user, *args, **kwargs)


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


def _box() -> MultiFernet:
    """Return what seals TOTP seeds and recovery codes: a copy of the database alone opens no account.

    The key is made from SECRET_KEY; an old one stays readable while it is named in SECRET_KEY_FALLBACKS.
    """
    return MultiFernet([_fernet(str(key)) for key in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)])


def _fernet(secret: str) -> Fernet:
    kdf = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"stagedoor second factor")
    return Fernet(base64.urlsafe_b64encode(kdf.derive(secret.encode())))
