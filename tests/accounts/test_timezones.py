"""Zones are the inhabited ones, found by their city, and looked up without listing them all."""

import zoneinfo

import pytest
from django import forms
from django.test import Client

from accounts import timezones
from accounts.forms import ZoneField
from accounts.models import User


def test_zones_have_places_where_people_live_and_no_aliases() -> None:
    assert {"Europe/Berlin", "America/Argentina/Salta", "Asia/Kolkata", "UTC"} <= timezones.known()
    others = {
        "GMT",
        "Etc/GMT+3",
        "posixrules",
        "US/Pacific",
        "localtime",
        "Asia/Calcutta",
        "Antarctica/Troll",
    }
    assert others & timezones.known() == set()
    assert timezones.labels()["America/Argentina/Salta"] == "Salta, Argentina, America"
    assert list(timezones.labels().values()) == sorted(timezones.labels().values())


@pytest.mark.parametrize(
    ("text", "zone"),
    [
        ("Europe/Berlin", "Europe/Berlin"),
        (" berlin ", "Europe/Berlin"),
        ("Berlin, Europe", "Europe/Berlin"),
        ("new york", "America/New_York"),
        ("Asia/Calcutta", "Asia/Kolkata"),  # as many browsers still say
        ("Europe/Kiev", "Europe/Kyiv"),
        ("utc", "UTC"),
    ],
)
def test_a_zone_is_found_by_its_city(text: str, zone: str) -> None:
    assert (timezones.find(text), ZoneField().clean(text)) == (zone, zone)


@pytest.mark.parametrize(
    "text", ["Mars/Olympus", "../../etc/passwd", "Berlin\0", "B" * 10_000, "\N{SNOWMAN}"]
)
def test_what_is_no_zone_is_refused(text: str) -> None:
    with pytest.raises(forms.ValidationError):
        ZoneField().clean(text)


def test_every_zone_is_found_by_what_its_field_shows() -> None:
    field = ZoneField()
    assert {field.clean(field.prepare_value(name)) for name in timezones.known()} == timezones.known()


@pytest.mark.parametrize("zone", ["", "Asia/Tokyo", "Mars/Olympus", "../x"])
def test_no_page_lists_all_zones_to_find_one(
    client: Client, ben: User, monkeypatch: pytest.MonkeyPatch, zone: str
) -> None:
    """Listing them reads hundreds of files: 15 ms, at every request."""
    User.objects.filter(pk=ben.pk).update(timezone=zone)
    client.force_login(ben)
    timezones.known()
    monkeypatch.setattr(zoneinfo, "available_timezones", lambda: pytest.fail("all zones were listed"))
    assert [client.get(path).status_code for path in ("/healthz", "/", "/me/")] == [200, 200, 200]
