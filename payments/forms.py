from typing import Any
from uuid import uuid4

from django import forms
from django.utils.translation import gettext_lazy as _

from core.fields import WordsField
from payments.countries import COUNTRIES
from payments.fields import AmountField
from payments.models import Payee
from payments.replies import LARGEST_DOCUMENT, Document, NotADocument


class PayoutForm(forms.Form):
    """How much to pay out, in the payee's currency. `attempt` makes a double click one request."""

    attempt = forms.UUIDField(widget=forms.HiddenInput, initial=uuid4)

    def __init__(self, *args: Any, payee: Payee, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.payee = payee
        self.fields["amount"] = AmountField(
            currency=payee.currency,
            label=_("Amount in %(currency)s") % {"currency": payee.currency},
            error_messages={
                "least": _("A payout starts at %(limit)s."),
                "most": _("%(limit)s at most at a time. Ask again for more."),
            },
        )
        self.order_fields(["amount", "attempt"])


class CountryForm(forms.Form):
    """Where the payee lives, or the company has its seat. Stripe fixes it when the account is made."""

    country = forms.ChoiceField(
        label=_("Country"),
        choices=[("", _("Choose…")), *COUNTRIES.items()],
        help_text=_("Where you live, or your company has its seat. It cannot be changed later."),
        error_messages={
            "required": _("Choose the country first."),
            "invalid_choice": _("Choose one here."),
        },
    )


class ReplyForm(forms.Form):
    """What a payee answers to a held payout, with a document if they like."""

    text = WordsField(label=_("Your answer"), max_length=2000, widget=forms.Textarea(attrs={"rows": 4}))
    document = forms.FileField(
        label=_("A document, if it helps"),
        required=False,
        help_text=_("PDF, PNG or JPEG, 5 MB at most. Only the people who review payouts see it."),
        widget=forms.ClearableFileInput(attrs={"accept": ".pdf,.png,.jpg,.jpeg"}),
    )

    def clean_document(self) -> Document | None:
        sent = self.cleaned_data.get("document")
        if not sent:
            return None
        if sent.size > LARGEST_DOCUMENT:
            raise forms.ValidationError(_("The file is larger than 5 MB."))
        try:
            return Document.of(name=sent.name, content=sent.read())
        except NotADocument:
            raise forms.ValidationError(_("Send a PDF, a PNG or a JPEG.")) from None


class ReasonForm(forms.Form):
    """What the creator is told."""

    reason = WordsField(
        label=_("What the creator is told"),
        max_length=1000,
        widget=forms.Textarea(attrs={"rows": 4}),
        help_text=_("Say what is missing or why, and what they can do next."),
    )


class NoteForm(forms.Form):
    """Why a case is settled, for whoever reads it later."""

    note = WordsField(
        label=_("Settled, because"),
        max_length=1000,
        widget=forms.Textarea(attrs={"rows": 4}),
        help_text=_("Say what you did or found, so that others understand it in a year."),
    )
