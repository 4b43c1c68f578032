"""The widest words that fit a column wrap on every page: nothing scrolls sideways, and no card grows tall."""

import json
import mimetypes
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.contrib.staticfiles import finders
from playwright.sync_api import Browser, Route, sync_playwright

from accounts.models import User
from clubs.models import Club
from stagedoor.processes import BASE_DIR
from tests.stagedoor import hostile
from tests.stagedoor.test_hostile_town import pages
from ticketing.models import Event

pytestmark = [pytest.mark.django_db, pytest.mark.broken_books]

WIDTHS = [390, 1280]
TALLEST_CARD = 620  # px; a card with ordinary words has about 400
PICTURES = BASE_DIR / "var" / "wide"
STICKS_OUT = """() => {
  const wide = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth <= wide) return [];
  const out = [...document.querySelectorAll("body *")].filter(one => {
    const box = one.getBoundingClientRect();
    return box.width > 0 && box.right > wide + 1;
  });
  return out.slice(0, 4).map(one => one.outerHTML.slice(0, 150));
}"""
TALL = """most => [...document.querySelectorAll(".event-card")]
  .map(card => card.getBoundingClientRect().height).filter(height => height > most)"""


@pytest.fixture
def town(club: Club, event: Event, ada: User, ben: User, rae: User, at: datetime) -> dict[str, str]:
    """Return every page of a town whose people write nothing but W, as each person sees it."""
    User.objects.filter(pk=rae.pk).update(is_staff=True, is_superuser=True)
    payout = hostile.take_over(club=club, event=event, ada=ada, ben=ben, at=at, write=hostile.wide)
    seen = pages(payout, event, {"ada": ada, "ben": ben, "rae": rae})
    return {
        f"/{name}{path}": page
        for name, path, page in seen
        if "<html" in page and not path.startswith("/admin/")  # Django's own pages are not ours to lay out
    }


@pytest.fixture
def chromium(town: dict[str, str]) -> Iterator[Browser]:
    """Return a browser; asked for after the town, since Django asks the database nothing beside its loop."""
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        yield browser
        browser.close()


def serve(town: dict[str, str], route: Route) -> None:
    """Answer from the pages that were rendered, and from the folders of static files."""
    path = urlsplit(route.request.url).path
    if path in town:
        route.fulfill(body=town[path], content_type="text/html; charset=utf-8")
        return
    found = finders.find(path.removeprefix("/static/")) if path.startswith("/static/") else None
    if isinstance(found, str):
        kind = mimetypes.guess_type(found)[0] or "application/octet-stream"
        route.fulfill(body=Path(found).read_bytes(), content_type=kind)
    else:
        route.fulfill(status=404)


def test_the_widest_words_wrap_on_every_page(town: dict[str, str], chromium: Browser) -> None:
    assert len(town) > 60
    PICTURES.mkdir(parents=True, exist_ok=True)
    faults: dict[str, object] = {}
    for width in WIDTHS:
        page = chromium.new_page(viewport={"width": width, "height": 800})
        page.route("**/*", lambda route: serve(town, route))
        for path in town:
            page.goto(f"http://testserver{path}", wait_until="load")
            out, tall = page.evaluate(STICKS_OUT), page.evaluate(TALL, TALLEST_CARD)
            if out or tall:
                faults[f"{width} {path}"] = [*out, *tall]
            if path.startswith("/ben/") and path.count("/") < 5:
                name = path.strip("/").replace("/", "-") or "home"
                page.screenshot(path=PICTURES / f"{width}-{name[:60]}.png", full_page=True)
        page.close()
    assert faults == {}, json.dumps(faults, indent=1)
