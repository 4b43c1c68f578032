from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from accounts.forms import ZoneField
from clubs.models import Club, Officer, Plan
from core import seen
from core.fields import LineField, WordsField
from payments.fields import AmountField
from payments.money import LARGEST_MONTH, SALE_CURRENCIES


class ClubForm(forms.ModelForm[Club]):
    """What a club says about itself, while it stands."""

    timezone = ZoneField(
        guess=True,
        label=_("Time zone"),
        help_text=_("New events start in this zone. Type a city."),
    )

    class Meta:
        model = Club
        fields = ["name", "tagline", "description", "timezone"]
        field_classes = {"name": LineField, "tagline": LineField, "description": WordsField}
        widgets = {"description": forms.Textarea(attrs={"rows": 6})}

    def clean_name(self) -> str:
        """Refuse letters that pass for others: docs/decisions has a page on what is seen."""
        name = str(self.cleaned_data["name"])
        mixed = seen.mixed_words(name)
        if mixed:
            words = _("%(word)s mixes letters of two alphabets that look alike. Write it in one of them.")
            raise forms.ValidationError(words % {"word": mixed[0]})
        if not seen.skeleton(name):
            raise forms.ValidationError(LineField.default_error_messages["unseen"])
        return name

    def _post_clean(self) -> None:
        # The trade changes the club; a form that was refused must not show its words as the club's.
        return


class FoundingForm(ClubForm):
    currency = forms.ChoiceField(
        label=_("Currency"),
        choices=[(code, code) for code in SALE_CURRENCIES],
        help_text=_("Tickets are sold and money is kept in it. It stays for good."),
    )
    field_order = ["name", "tagline", "description", "timezone", "currency"]


class InvitationForm(forms.Form):
    role = forms.ChoiceField(label=_("Task"), choices=Officer.Role.choices, initial=Officer.Role.HOST)


class RoleForm(forms.Form):
    role = forms.ChoiceField(label=_("Task"), choices=Officer.Role.choices)


class PlanForm(forms.ModelForm[Plan]):
    class Meta:
        model = Plan
        fields = ["name", "promise"]
        field_classes = {"name": LineField, "promise": LineField}
        help_texts = {"promise": _("For example: all open evenings, and first come when seats are few.")}

    def __init__(self, *args: Any, club: Club, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["price"] = AmountField(
            currency=club.currency,
            most=LARGEST_MONTH[club.currency],
            error_messages={"most": _("A month may cost %(limit)s at most.")},
            label=_("Price a month, in %s") % club.currency,
        )
        self.order_fields(["name", "price", "promise"])
