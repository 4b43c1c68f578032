"""The time zones a person or a club may choose from."""

import zoneinfo
from functools import cache

from django.utils.translation import gettext as _

REGIONS = ("Africa", "America", "Antarctica", "Asia", "Atlantic", "Australia", "Europe", "Indian", "Pacific")


@cache
def known() -> frozenset[str]:
    """Return the zones named after a place, and UTC. The many old aliases are left out."""
    places = {name for name in zoneinfo.available_timezones() if name.partition("/")[0] in REGIONS}
    return frozenset(places | {"UTC"})


def choices() -> list[tuple[str, list[tuple[str, str]]]]:
    """Return the zones for a select, grouped by region: [("Europe", [("Europe/Berlin", "Berlin"), …]), …]."""
    groups: dict[str, list[tuple[str, str]]] = {}
    for name in sorted(known() - {"UTC"}):
        region, _slash, place = name.partition("/")
        groups.setdefault(region, []).append((name, place.replace("_", " ").replace("/", " · ")))
    return [*groups.items(), (_("Everywhere"), [("UTC", "UTC")])]
