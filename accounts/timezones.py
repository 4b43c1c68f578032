"""The time zones a person or a club may choose from: where people live, by city, and UTC.

The tables of the time zone database are read once, when they are first asked for.
"""

import zoneinfo
from collections import Counter
from functools import cache
from pathlib import Path

REGIONS = ("Africa", "America", "Asia", "Atlantic", "Australia", "Europe", "Indian", "Pacific")


@cache
def known() -> frozenset[str]:
    """Return the zones named after a place where people live, and UTC. The many old aliases are left out."""
    rows = (line.split("\t") for line in _lines("zone.tab") if not line.startswith("#"))
    places = {row[2] for row in rows if len(row) > 2} or zoneinfo.available_timezones()
    return frozenset({name for name in places if name.partition("/")[0] in REGIONS} | {"UTC"})


@cache
def labels() -> dict[str, str]:
    """Return what each zone is called, in the order of the cities: {"Europe/Berlin": "Berlin, Europe", …}."""
    named = {name: ", ".join(reversed(name.replace("_", " ").split("/"))) for name in known()}
    return dict(sorted(named.items(), key=lambda zone: zone[1]))


def find(text: str) -> str | None:
    """Return the zone that somebody, or their browser, means: "Europe/Berlin", "Berlin", "Asia/Calcutta"."""
    return _names().get(" ".join(text.split()).casefold())


def info(name: str) -> zoneinfo.ZoneInfo | None:
    """Return the zone of this name, or None when there is none; without looking through all there are."""
    try:
        return zoneinfo.ZoneInfo(name) if name else None
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return None


@cache
def _names() -> dict[str, str]:
    links = (line.split() for line in _lines("tzdata.zi") if line.startswith("L "))
    names = {alias.casefold(): zone for _letter, zone, alias in links if zone in known()}
    cities = {name: label.partition(",")[0].casefold() for name, label in labels().items()}
    how_many = Counter(cities.values())
    names |= {city: name for name, city in cities.items() if how_many[city] == 1}
    for name, label in labels().items():
        names |= {name.casefold(): name, label.casefold(): name}
    return names


def _lines(table: str) -> list[str]:
    files = (Path(folder) / table for folder in zoneinfo.TZPATH)
    found = next((file for file in files if file.is_file()), None)
    return found.read_text(encoding="utf-8").splitlines() if found else []
