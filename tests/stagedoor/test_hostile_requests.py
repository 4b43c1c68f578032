"""No request is a 500, whatever stands in its path, its query, its fields or its body."""

import json
import re
from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest
from django import forms
from django.db import transaction
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from pytest_django.fixtures import Settings

from accounts.models import User
from clubs.models import Club
from tests import factories
from ticketing.models import Event

pytestmark = pytest.mark.django_db

HOSTILE = {
    "nul": "%00",
    "half a character": "%ED%A0%80",
    "ten thousand letters": "W" * 10_000,
    "ten thousand figures": "9" * 10_000,
    "a number beyond every column": "99999999999999999999",
    "the first day": "0001-01-01T00:00",
    "the last day": "9999-12-31T23:59",
    "a deep nest": "[" * 5_000,
}
QUERY_NAMES = (
    "q",
    "page",
    "payouts",
    "show",
    "back",
    "asked",
    "next",
    "seats_x",
    "id",
    "p",
    "e",
    "q[]",
    "%00",
)
BODIES = [
    *[b"\0", b"\xff\xfe", b"[]", b'{"tab": "\\ud800"}', b"[" * 5_000, b'{"tab": ' + b"1" * 5_000 + b"}"],
    *[json.dumps({"tab": "a" * 10_000}).encode(), b"v=0\r\n\0"],
]


def routes(found: Any = None, before: str = "") -> Iterator[str]:
    for entry in (found or get_resolver()).url_patterns:
        route = before + str(entry.pattern)
        if isinstance(entry, URLResolver):
            yield from routes(entry, route)
        elif isinstance(entry, URLPattern):
            yield route


@pytest.fixture
def town(club: Club, ada: User, event: Event, settings: Settings) -> dict[str, str]:
    """Return what stands in a path for each kind of part, so that every page exists."""
    settings.STRIPE_API_BASE = "http://127.0.0.1:9"  # nobody answers there
    User.objects.filter(pk=ada.pk).update(is_staff=True, is_superuser=True, is_finance=True)
    ticket = factories.TicketFactory.create(ticket_type=event.ticket_types.get(price_minor=0), holder=ada)
    event.ticket_types.filter(pk=ticket.ticket_type_id).update(sold=1)
    factories.PlanFactory.create(club=club)
    return {
        "slug": event.slug,
        "club_slug": club.slug,
        "order": str(ticket.order_id),
        "payee": str(club.payee_id),
    }


def paths(town: dict[str, str], hostile: str) -> Iterator[str]:
    """Return each address with real parts, and with a hostile one in each part that takes any text."""
    for route in routes():
        path = "/" + route.lstrip("^").rstrip("$").removesuffix(r"\Z")
        if "(?P" in path or "admin/jsi18n" in path:
            continue
        slug = town["club_slug"] if path.startswith(("/clubs/", "/manage/<slug:club")) else town["slug"]
        real = path.replace("<slug:slug>", slug).replace("<slug:club_slug>", town["club_slug"])
        pk = town["payee"] if "payees" in path else town["order"]
        real = real.replace("<uuid:pk>", pk).replace("<path:object_id>", pk)
        real = re.sub(r"<(str|uuid):\w+>", pk, real)
        if "<" not in real:
            yield real
        yield from _spoilt(path, hostile)


def _spoilt(path: str, hostile: str) -> Iterator[str]:
    if "<" in path and hostile:
        parts = [hostile if part.startswith("<") else part for part in path.split("/")]
        yield "/".join(parts)


def names_of_fields() -> set[str]:
    """Return the name of every field of every form, ours and allauth's."""
    found, left = set(), [forms.BaseForm]
    while left:
        form = left.pop()
        left += form.__subclasses__()
        found |= set(getattr(form, "base_fields", {}))
    rows = {
        f"offers-{number}-{name}"
        for number, name in product("01", ("pk", "name", "price", "capacity", "per_person"))
    }
    management = {"offers-TOTAL_FORMS", "offers-INITIAL_FORMS", "offers-MIN_NUM_FORMS"}
    return found | rows | management | {"price", "amount", "attempt", "do", "publish", "action_add", "email"}


def ask(client: Client, method: str, address: str, **more: Any) -> int:
    """Return the status. What the request does is undone, so that the next one finds the same town."""
    with transaction.atomic():
        answer = client.generic(method, address, **more)
        transaction.set_rollback(True)
    return answer.status_code


@pytest.fixture
def asker(ada: User) -> Client:
    client = Client(raise_request_exception=False)
    client.force_login(ada)
    return client


@pytest.mark.parametrize("kind", HOSTILE)
def test_no_query_and_no_path_is_a_500(asker: Client, town: dict[str, str], kind: str) -> None:
    value = HOSTILE[kind]
    query = "&".join(f"{name}={value}" for name in QUERY_NAMES)
    answers = {path[:100]: ask(asker, "GET", f"{path}?{query}") for path in paths(town, value)}
    assert {path: status for path, status in answers.items() if status >= 500} == {}


@pytest.mark.parametrize("kind", HOSTILE)
def test_no_field_is_a_500(asker: Client, town: dict[str, str], kind: str) -> None:
    value = HOSTILE[kind]
    body = "&".join(f"{name}={value}" for name in sorted(names_of_fields()))
    sent = {"data": body, "content_type": "application/x-www-form-urlencoded"}
    answers = {path[:100]: ask(asker, "POST", path, **sent) for path in paths(town, value)}
    assert {path: status for path, status in answers.items() if status >= 500} == {}


@pytest.mark.parametrize("body", BODIES, ids=lambda body: repr(body[:12]))
def test_no_body_is_a_500(asker: Client, town: dict[str, str], body: bytes) -> None:
    answers = {}
    for path in paths(town, ""):
        kind = "application/sdp" if path.endswith(("whep", "whip")) or "/m/" in path else "application/json"
        for method in ("POST", "PATCH") if path.startswith("/rooms/") else ("POST",):
            answers[method, path] = ask(asker, method, path, data=body, content_type=kind)
    assert {asked: status for asked, status in answers.items() if status >= 500} == {}


def test_the_walk_meets_every_page(town: dict[str, str]) -> None:
    met = set(paths(town, ""))
    assert {"/", "/me/", "/clubs/night-voices/manage/", f"/manage/events/{town['slug']}/sales/"} <= met
    assert {f"/payments/payees/{town['payee']}/", f"/orders/{town['order']}/", "/account/signup/"} <= met
    assert len(met) > 100
