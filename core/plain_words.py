"""Django's own error words, said as we would. `take_over` is called once, when the apps are ready."""

from django import forms
from django.core import validators
from django.forms.formsets import BaseFormSet
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy

REQUIRED = _("Fill this in.")
CHOOSE = _("Choose one of those that are offered.")
AGAIN = _("Load the page again, and try once more.")


def take_over() -> None:
    """Put our words in the place of Django's, on its fields, validators and formsets."""
    forms.Field.default_error_messages["required"] = REQUIRED
    forms.BooleanField.default_error_messages = {"required": _("Tick this to go on.")}
    for choice in (forms.ChoiceField, forms.TypedChoiceField):
        choice.default_error_messages = {**choice.default_error_messages, "invalid_choice": CHOOSE}
    for odd in (forms.UUIDField, forms.JSONField):
        odd.default_error_messages = {"invalid": AGAIN}
    validators.MaxLengthValidator.message = ngettext_lazy(
        "%(limit_value)d character at most; this has %(show_value)d.",
        "%(limit_value)d characters at most; this has %(show_value)d.",
        "limit_value",
    )
    validators.ProhibitNullCharactersValidator.message = _(
        "This holds characters that nobody can see. Type it again by hand."
    )
    BaseFormSet.default_error_messages = {
        "missing_management_form": AGAIN,
        "too_many_forms": ngettext_lazy("%(num)d at most.", "%(num)d at most.", "num"),
        "too_few_forms": ngettext_lazy("%(num)d at least.", "%(num)d at least.", "num"),
    }
