"""Form fields for what people type, and what is said when it does not fit."""

import json
import unicodedata
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from core import email_addresses, figures, seen


class CountField(forms.Field):
    """A whole number in figures, from `least` to `most`; empty is None where it is not required.

    Not Django's IntegerField, which also reads "+5", "1_000", "5.0" and the figures of other scripts.
    """

    default_error_messages = {
        "required": _("Write a whole number in figures, like 12."),
        "least": _("%(least)s or more."),
        "most": _("%(most)s or fewer."),
    }

    def __init__(self, *, least: int, most: int, **kwargs: Any) -> None:
        kwargs.setdefault("widget", forms.TextInput(attrs={"inputmode": "numeric"}))
        super().__init__(**kwargs)
        self.least, self.most = least, most

    def to_python(self, value: Any) -> int | None:
        if value in self.empty_values or (isinstance(value, str) and not value.strip()):
            return None
        try:
            return figures.count(str(value))
        except figures.NotFigures as refusal:
            raise ValidationError(str(refusal), code="invalid") from None

    def validate(self, value: int | None) -> None:
        super().validate(value)
        if value is None:
            return
        for code, limit, is_wrong in (
            ("least", self.least, value < self.least),
            ("most", self.most, value > self.most),
        ):
            if is_wrong:
                raise ValidationError(self.error_messages[code], code=code, params={code: limit})

    def has_changed(self, initial: Any, data: Any) -> bool:
        return super().has_changed("" if initial is None else str(initial), data)


class LineField(forms.CharField):
    """One line that a person writes: gaps folded, and something of it can be seen."""

    default_error_messages = {
        "hidden": _("This holds characters that nobody can see. Type it again by hand."),
        "unseen": _("Nothing of this can be seen. Write it in letters."),
    }
    lines = False

    def to_python(self, value: Any) -> str:
        text = unicodedata.normalize("NFC", str(super().to_python(value) or ""))
        if "\0" in text:
            return text  # Django's own validator says so
        if not self.lines:
            text = " ".join(text.split())
        if seen.is_hidden(text, lines=self.lines):
            raise ValidationError(self.error_messages["hidden"], code="hidden")
        if text and not seen.is_seen(text):
            raise ValidationError(self.error_messages["unseen"], code="unseen")
        return text


class WordsField(LineField):
    """Several lines that a person writes."""

    widget = forms.Textarea
    lines = True


class AddressField(forms.CharField):
    """An e-mail address, in the form that is kept and compared."""

    widget = forms.EmailInput

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("max_length", 320)
        super().__init__(**kwargs)

    def clean(self, value: Any) -> str:
        text = str(super().clean(value))
        try:
            return email_addresses.normal(text) if text else ""
        except email_addresses.NotAnAddress as refusal:
            raise ValidationError(str(refusal), code="invalid") from None


class DataField(forms.JSONField):
    """An object of JSON from a script of ours, that PostgreSQL can keep.

    Django's own fails at a number of 5,000 figures and at a deep nest, and takes NUL and NaN.
    """

    longest = 100_000

    def to_python(self, value: Any) -> Any:
        if isinstance(value, str) and len(value) > self.longest:
            raise ValidationError(self.error_messages["invalid"], code="invalid")
        try:
            data = super().to_python(value)
            text = json.dumps(data, allow_nan=False, ensure_ascii=False)
            text.encode()
        except (ValueError, TypeError, RecursionError):
            raise ValidationError(self.error_messages["invalid"], code="invalid") from None
        if data is not None and (not isinstance(data, dict) or "\\u0000" in text):
            raise ValidationError(self.error_messages["invalid"], code="invalid")
        return data
