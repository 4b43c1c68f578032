"""Every field that takes words is one of ours, and asks for no more than its column keeps."""

from typing import Any

import pytest
from django import forms
from django.apps import apps
from django.db import models

from accounts import forms as accounts_forms
from clubs import forms as clubs_forms
from core.fields import AddressField, CountField, DataField, LineField
from payments import forms as payments_forms
from payments.fields import AmountField
from ticketing import forms as ticketing_forms

MODULES = (accounts_forms, clubs_forms, payments_forms, ticketing_forms)
OURS = (LineField, AddressField, CountField, DataField, AmountField, accounts_forms.ZoneField)
KEPT_IN = [  # what is kept of which field in which columns
    (ticketing_forms.EventForm, "title", ["ticketing.Event.title"]),
    (ticketing_forms.EventForm, "description", ["ticketing.Event.description"]),
    (ticketing_forms.OfferForm, "name", ["ticketing.TicketType.name", "ticketing.Ticket.sold_as"]),
    (ticketing_forms.ReasonForm, "reason", ["ticketing.Event.refunding_because", "payments.Refund.reason"]),
    (clubs_forms.FoundingForm, "name", ["clubs.Club.name", "payments.Payee.name"]),
    (clubs_forms.FoundingForm, "tagline", ["clubs.Club.tagline"]),
    (clubs_forms.FoundingForm, "description", ["clubs.Club.description"]),
    (clubs_forms.PlanForm, "name", ["clubs.Plan.name"]),
    (clubs_forms.PlanForm, "promise", ["clubs.Plan.promise"]),
    (payments_forms.ReasonForm, "reason", ["payments.Payout.reason"]),
    (accounts_forms.SignupForm, "name", ["accounts.User.name"]),
    (accounts_forms.SettingsForm, "name", ["accounts.User.name"]),
]
# Replaced when the form is made (accounts/forms.py), secret, or looked up.
NOT_WORDS = "login email email2 password password1 password2 oldpassword code username credential attempt pk"
REPLACED = {("AddPasskeyForm", "name"), ("RenamePasskeyForm", "name"), ("SignupForm", "timezone")}


def fields() -> list[tuple[str, str, forms.Field]]:
    """Return (form, name, field) of every form in our own modules, rows of formsets included."""
    found = [
        (form.__name__, name, field)
        for module in MODULES
        for form in vars(module).values()
        if isinstance(form, type) and issubclass(form, forms.BaseForm) and form.__module__ == module.__name__
        for name, field in getattr(form, "base_fields", {}).items()
    ]
    assert len(found) > 30
    return found


def test_whoever_takes_words_looks_at_what_is_seen() -> None:
    others = {
        (form, name)
        for form, name, field in fields()
        if isinstance(field, forms.CharField) and not isinstance(field, OURS)
        if name not in NOT_WORDS.split() and (form, name) not in REPLACED
    }
    assert others == set()


@pytest.mark.parametrize(("form", "name", "columns"), KEPT_IN)
def test_no_form_takes_more_than_is_kept(form: Any, name: str, columns: list[str]) -> None:
    most = form.base_fields[name].max_length
    kept = [
        apps.get_model(path.rpartition(".")[0])._meta.get_field(path.rpartition(".")[2]) for path in columns
    ]
    limits = [column.max_length for column in kept if column.max_length is not None]
    assert most is not None
    assert most <= min(limits, default=2000)


def test_every_text_column_of_people_has_a_most() -> None:
    endless = {
        f"{model._meta.label}.{field.name}"
        for model in apps.get_models()
        if model.__module__.partition(".")[0] in {"clubs", "ticketing"}
        for field in model._meta.get_fields()
        if isinstance(field, models.TextField) and field.max_length is None and field.editable
        if field.name != "last_error"
    }
    assert endless == set()


LONG = "W" * 20_000


@pytest.mark.django_db
def test_what_is_too_long_is_refused_and_nothing_is_kept() -> None:
    assert list(ticketing_forms.ReasonForm({"reason": LONG}).errors) == ["reason"]
    assert list(payments_forms.ReasonForm({"reason": LONG}).errors) == ["reason"]
    founding = clubs_forms.FoundingForm(
        {"name": LONG, "tagline": LONG, "description": LONG, "timezone": "Berlin", "currency": "EUR"}
    )
    assert sorted(founding.errors) == ["description", "name", "tagline"]
