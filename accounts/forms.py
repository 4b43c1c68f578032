"""What may be typed about oneself. allauth's forms lose their placeholders: every field has its label."""

import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, cast

from allauth.account import forms as allauth
from allauth.account.fields import SetPasswordField
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.mfa.adapter import get_adapter
from allauth.mfa.base import forms as mfa
from allauth.mfa.totp import forms as totp
from allauth.mfa.webauthn import forms as webauthn
from django import forms
from django.conf import settings
from django.contrib import messages
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.timezone import now
from django.utils.translation import gettext_lazy as _

from accounts import evenly, limits, signup, timezones
from accounts.models import User
from core.fields import AddressField, DataField, LineField

LONG_ENOUGH = _("At least 10 characters, and none of the usual ones. A short sentence is good.")


class PlainWords(forms.Form):
    """Words of ours on the fields of allauth's forms."""

    LABELS: ClassVar[dict[str, Any]] = {
        "email": _("E-mail address"),
        "login": _("E-mail address"),
        "code": _("Code"),
        "oldpassword": _("Current password"),
        "password2": _("The same password again"),
        "name": _("Name"),
    }

    AUTOCOMPLETE: ClassVar[dict[str, str]] = {}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, field in list(self.fields.items()):
            field.widget.attrs.pop("placeholder", None)
            field.label = self.LABELS.get(name, field.label)
            if name in self.AUTOCOMPLETE:
                field.widget.attrs["autocomplete"] = self.AUTOCOMPLETE[name]
            if isinstance(field, forms.JSONField):
                self.fields[name] = DataField(required=field.required, widget=field.widget)
            if isinstance(field, forms.EmailField):
                self.fields[name] = AddressField(
                    label=field.label, required=field.required, widget=field.widget
                )
            if isinstance(field, SetPasswordField):
                field.label, field.help_text = _("New password"), LONG_ENOUGH


class ZoneInput(forms.TextInput):
    """A field to type a city into, with all zones to pick from. Needs no script."""

    template_name = "accounts/zone_input.html"

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        context = super().get_context(name, value, attrs)
        list_id = f"{context['widget']['attrs'].get('id', name)}_zones"
        context["widget"]["attrs"] |= {"list": list_id, "autocomplete": "off", "spellcheck": "false"}
        context["widget"] |= {"list_id": list_id, "zones": timezones.labels().items()}
        return context


class ZoneField(forms.CharField):
    """A time zone by its city: "Berlin", or as the list has it. The cleaned value is "Europe/Berlin"."""

    widget = ZoneInput

    def __init__(self, *, guess: bool = False, **kwargs: Any) -> None:
        super().__init__(max_length=100, **kwargs)
        if guess:
            self.widget.attrs["data-guess-zone"] = True  # zone.js fills in the browser's own

    def prepare_value(self, value: Any) -> Any:
        return timezones.labels().get(value, value)

    def clean(self, value: Any) -> str:
        text = str(super().clean(value))
        zone = timezones.find(text) if text else ""
        if zone is None:
            raise forms.ValidationError(
                _("Choose a city from the list, like Berlin, Europe."), code="invalid"
            )
        return zone


# People sign in with their address, so that is what a password manager keeps beside the password. The handle
# is no user name to it: it would fill it in where the address belongs.
WHO_SIGNS_IN = {"login": "username", "email": "username", "username": "nickname", "name": "name"}


class LoginForm(PlainWords, allauth.LoginForm):  # type: ignore[misc]  # allauth publishes no types
    AUTOCOMPLETE = WHO_SIGNS_IN

    def clean(self) -> Any:
        evenly.look_it_up(str(self.cleaned_data.get("login", "")))
        return super().clean()


class SignupForm(PlainWords, allauth.SignupForm):  # type: ignore[misc]  # the same
    AUTOCOMPLETE = WHO_SIGNS_IN
    name = LineField(
        required=False,
        max_length=60,
        help_text=_("Shown to others in a room. Without one they see your handle."),
    )
    timezone = forms.CharField(required=False, widget=forms.HiddenInput(attrs={"data-guess-zone": True}))
    field_order = ["email", "username", "name", "password1", "timezone"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["username"].label = _("Handle")
        self.fields["username"].help_text = _(
            "2 to 30 letters, figures and underscores. It is yours alone, and stays as you write it now."
        )
        self.fields["username"].widget.attrs.update(autocapitalize="none", spellcheck="false")
        self.fields["password1"].help_text = _(
            "At least 10 characters. Leave it empty to sign in with a code by e-mail each time."
        )

    def clean_email(self) -> str:
        address = str(super().clean_email())
        limits.ask_for_a_letter(address)
        return address

    def clean_timezone(self) -> str:
        """Return the browser's guess if it is one that we know; it is no reason to refuse anybody."""
        return timezones.find(str(self.cleaned_data["timezone"])) or ""

    def try_save(self, request: HttpRequest) -> tuple[User | None, HttpResponse | None]:
        """Save as allauth does. Of two people who take one handle at the same moment one is asked again."""
        taken = self.account_already_exists
        try:
            with transaction.atomic():
                user = self._save_and_take_back(request) if taken else self.save(request)
                signup.keep_handle(self.cleaned_data["username"], at=now())
        except IntegrityError:
            messages.error(request, _("Somebody took that handle just now. Choose another one."))
            raise ImmediateHttpResponse(redirect("account_signup")) from None
        if not taken:
            return user, None
        evenly.confirm_nothing()
        return cast("tuple[User | None, HttpResponse | None]", super().try_save(request))

    def save(self, request: HttpRequest) -> User:
        with transaction.atomic():
            return cast("User", super().save(request))

    def _save_and_take_back(self, request: HttpRequest) -> User:
        """Do as for a free address, and take it back: who has an account shows in nothing."""
        address = self.cleaned_data["email"]
        self.cleaned_data["email"], self.account_already_exists = evenly.somewhere(), False
        with transaction.atomic():
            nobody = cast("User", super().save(request))
            transaction.set_rollback(True)
        self.cleaned_data["email"], self.account_already_exists = address, True
        return nobody

    def signup(self, _request: HttpRequest, user: User) -> None:
        """Keep what allauth does not know about."""
        user.name = self.cleaned_data["name"]
        user.timezone = self.cleaned_data["timezone"]
        user.save(update_fields=["name", "timezone"])


class RequestLoginCodeForm(PlainWords, allauth.RequestLoginCodeForm):  # type: ignore[misc]  # the same
    AUTOCOMPLETE = WHO_SIGNS_IN

    def clean_email(self) -> str:
        address = str(super().clean_email())
        evenly.look_it_up(address)
        limits.ask_for_a_letter(address)
        return address


class ConfirmLoginCodeForm(PlainWords, allauth.ConfirmLoginCodeForm):  # type: ignore[misc]  # the same
    pass


class ConfirmEmailVerificationCodeForm(PlainWords, allauth.ConfirmEmailVerificationCodeForm):  # type: ignore[misc]  # the same
    pass


class ChangeEmailForm(PlainWords, allauth.ChangeEmailForm):  # type: ignore[misc]  # the same
    """Another address while the first waits to be confirmed."""


class AddEmailForm(PlainWords, allauth.AddEmailForm):  # type: ignore[misc]  # the same
    LABELS = {"email": _("New e-mail address")}


class ResetPasswordForm(PlainWords, allauth.ResetPasswordForm):  # type: ignore[misc]  # the same
    AUTOCOMPLETE = WHO_SIGNS_IN

    def clean_email(self) -> str:
        address = str(super().clean_email())
        evenly.look_it_up(address)
        limits.ask_for_a_letter(address)
        if not self.users:
            evenly.make_no_token()
        return address


class ResetPasswordKeyForm(PlainWords, allauth.ResetPasswordKeyForm):  # type: ignore[misc]  # the same
    pass


class ChangePasswordForm(PlainWords, allauth.ChangePasswordForm):  # type: ignore[misc]  # the same
    pass


class SetPasswordForm(PlainWords, allauth.SetPasswordForm):  # type: ignore[misc]  # the same
    pass


class ReauthenticateForm(PlainWords, allauth.ReauthenticateForm):  # type: ignore[misc]  # the same
    pass


class CodeAgainForm(forms.Form):
    """The code that was sent to somebody who is signed in."""

    code = forms.CharField(
        label=_("Code"),
        max_length=20,
        widget=forms.TextInput(attrs={"autocomplete": "one-time-code", "autocapitalize": "characters"}),
    )

    def __init__(self, *args: Any, fits: Callable[[str], bool], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fits = fits

    def clean_code(self) -> str:
        code = str(self.cleaned_data["code"])
        if not self.fits(code):
            raise forms.ValidationError(_("That is not the code, or it is too old. Ask for a new one."))
        return code


class FactorForm(PlainWords, mfa.AuthenticateForm):  # type: ignore[misc]  # the same
    """A code of an authenticator app, or a recovery code."""


class FactorAgainForm(PlainWords, mfa.ReauthenticateForm):  # type: ignore[misc]  # the same
    pass


class ActivateAppForm(PlainWords, totp.ActivateTOTPForm):  # type: ignore[misc]  # the same
    LABELS = {"code": _("The code that the app shows")}


# What allauth and fido2 raise where a part is missing, is something else than they await, or cannot be read.
ODD_SHAPES = (
    ArithmeticError,
    AttributeError,
    LookupError,
    struct.error,
    TypeError,
    ValueError,
    RecursionError,
    NotImplementedError,
)


@contextmanager
def odd_shapes_are_refused() -> Iterator[None]:
    """Say no, as to a wrong code, to what a script sent in another shape than a passkey's."""
    try:
        yield
    except ODD_SHAPES as error:
        raise get_adapter().validation_error("incorrect_code") from error


class SignedByKey(PlainWords):
    """Forms with what a passkey signed."""

    def clean_credential(self) -> Any:
        with odd_shapes_are_refused():
            return super().clean_credential()  # type: ignore[misc]  # allauth's forms have it


class PasskeyForm(SignedByKey, webauthn.AuthenticateWebAuthnForm):  # type: ignore[misc]  # the same
    """What a passkey signed, as second factor."""


class PasskeyLoginForm(SignedByKey, webauthn.LoginWebAuthnForm):  # type: ignore[misc]  # the same
    pass


class PasskeyAgainForm(SignedByKey, webauthn.ReauthenticateWebAuthnForm):  # type: ignore[misc]  # the same
    pass


class RenamePasskeyForm(PlainWords, webauthn.EditWebAuthnForm):  # type: ignore[misc]  # the same
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["name"] = LineField(label=self.fields["name"].label, max_length=100)


class AddPasskeyForm(PlainWords, webauthn.AddWebAuthnForm):  # type: ignore[misc]  # the same
    LABELS = {"name": _("Name"), "passwordless": _("Let it sign me in alone")}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["name"] = LineField(label=self.fields["name"].label, required=False, max_length=100)
        self.fields["passwordless"].help_text = _(
            "Then you need neither password nor code. The device asks for your finger, your face or a PIN."
        )

    def clean(self) -> Any:
        with odd_shapes_are_refused():
            return super().clean()


class SettingsForm(forms.ModelForm[User]):
    timezone = ZoneField(
        label=_("Time zone"),
        required=False,
        help_text=_(
            "Events show their own time, and beside it the time in this zone. Type a city; leave it empty "
            "to go by your browser."
        ),
    )
    locale = forms.ChoiceField(label=_("Language"), choices=settings.LANGUAGES)

    class Meta:
        model = User
        fields = ["name", "timezone", "locale"]
        field_classes = {"name": LineField}
        help_texts = {"name": _("Shown to others in a room. Without one they see your handle.")}


class CloseAccountForm(forms.Form):
    handle = LineField(
        label=_("Your handle"),
        max_length=31,
        help_text=_("Type it, so that nobody closes an account by mistake."),
        widget=forms.TextInput(
            attrs={"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}
        ),
    )

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.user = user

    def clean_handle(self) -> str:
        handle = str(self.cleaned_data["handle"]).strip().removeprefix("@")
        if handle.lower() != self.user.handle.lower():
            raise forms.ValidationError(_("That is not your handle. It is @%s.") % self.user.handle)
        return handle
