"""What forms say is said in our words, on every form there is."""

import re
from datetime import UTC, datetime

import pytest
from django import forms
from django.utils.translation import override

from accounts.forms import LoginForm, RequestLoginCodeForm
from clubs.forms import FoundingForm, RoleForm
from stagedoor.templatetags import stagedoor as tags
from ticketing.forms import EventForm, ReasonForm, blank_offers

DJANGOS = re.compile(
    r"This field|Ensure this|valid choice|Enter a|ManagementForm|Null characters|Please submit"
)


def said(form: forms.BaseForm) -> list[str]:
    return [str(error) for told in form.errors.values() for error in told]


def test_no_form_speaks_as_django_does() -> None:
    long = {
        "reason": "W" * 300,
        "name": "W" * 300,
        "tagline": "W" * 300,
        "currency": "XXX",
        "timezone": "Mars",
    }
    forms_ = [
        FoundingForm({}),
        FoundingForm(long),
        RoleForm({"role": "king"}),
        ReasonForm({}),
        ReasonForm(long),
    ]
    words = [word for form in forms_ for word in said(form)]
    formset = blank_offers("EUR", data={})
    words += [str(word) for word in formset.non_form_errors()]
    words += said(ReasonForm({"reason": "a\0b"}))
    words += said(type("One", (forms.Form,), {"pk": forms.UUIDField()})({"pk": "x"}))
    assert [word for word in words if DJANGOS.search(word)] == []
    assert {"Fill this in.", "200 characters at most; this has 300."} <= set(words)
    assert len(words) > 12


@pytest.mark.django_db
def test_the_fields_of_allauth_do_so_too() -> None:
    with override("en-gb"):
        words = said(LoginForm({})) + said(RequestLoginCodeForm({}))
    assert words
    assert [word for word in words if DJANGOS.search(word)] == []


@pytest.mark.parametrize(("micros", "ending"), [(0, ":00+00:00"), (123456, ".123+00:00")])
def test_a_moment_for_machines_has_three_figures_of_a_second(micros: int, ending: str) -> None:
    moment = datetime(2026, 12, 4, 20, 0, 0, micros, tzinfo=UTC)
    assert tags.machine_time(moment).endswith(ending)
    assert f'datetime="{tags.machine_time(moment)}"' in tags.local_time(moment, "UTC")


@pytest.mark.parametrize(
    "starts", [f"{year}-01-01T00:00" for year in ("0000", "0001", "10000")] + ["9999-12-31T23:59"]
)
@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "America/Los_Angeles", "UTC"])
def test_the_ends_of_the_calendar_are_told_not_reckoned(starts: str, zone: str) -> None:
    typed = {"title": "Owls", "starts": starts, "timezone": zone, "minutes": "60"}
    form = EventForm(typed, at=datetime(2026, 9, 1, tzinfo=UTC))
    assert list(form.errors) == ["starts"]
