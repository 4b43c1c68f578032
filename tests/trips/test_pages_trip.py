"""Every page that links lead to, as each of the town's people sees it: tried by axe-core, and by its width.

Both colour schemes, and a screen of 320 px, the narrowest that people hold.
"""

import json
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from django.urls import Resolver404, resolve
from playwright.sync_api import Page, ViewportSize

from stagedoor.processes import BASE_DIR
from tests.trips.people import Cast, Person
from tests.trips.product import Product

pytestmark = [pytest.mark.trip, pytest.mark.timeout(600)]

AXE = BASE_DIR / "tests" / "trips" / "axe" / "node_modules" / "axe-core" / "axe.min.js"
NARROW = ViewportSize(width=320, height=700)
NOT_PAGES = {"account_logout", "accounts:export"}
MOST_PAGES = 60
WHAT_AXE_FINDS = """async () => {
  const settled = document.getAnimations().map(one => one.finished.catch(() => null));
  await Promise.race([Promise.all(settled), new Promise(done => setTimeout(done, 1000))]);
  const found = await axe.run(document, {resultTypes: ["violations"]});
  return found.violations.map(one => [one.id, one.nodes.map(node => node.target.join(" ")).slice(0, 5)]);
}"""
WHAT_STICKS_OUT = """() => {
  const wide = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth <= wide) return [];
  const out = [...document.querySelectorAll("body *")].filter(one => {
    const box = one.getBoundingClientRect();
    return box.width > 0 && box.right > wide + 1;
  });
  return ["the page scrolls sideways", ...out.slice(0, 5).map(one => one.outerHTML.slice(0, 120))];
}"""


@pytest.fixture(scope="module")
def town(product: Product) -> Product:
    product.manage("town")
    return product


@pytest.mark.parametrize("name", ["", "Ben", "Ada", "Noor", "Rae"], ids=lambda name: name or "a stranger")
def test_no_page_keeps_anybody_out(town: Product, cast: Cast, name: str) -> None:
    person = cast.of_the_town(name, signed_in=name != "Rae") if name else cast.stranger("Someone")
    if name == "Rae":
        person.sign_in(then="/payments/review/")
        person.show_second_factor(then="/payments/review/")
    faults = {}
    for path in walk(person):
        found = [*_faults(person.page, "light"), *_faults(person.page, "dark")]
        person.page.set_viewport_size(NARROW)
        found += person.page.evaluate(WHAT_STICKS_OUT)
        person.page.set_viewport_size(ViewportSize(width=1280, height=800))
        if found:
            faults[path] = found
    assert faults == {}, json.dumps(faults, indent=2)


def walk(person: Person) -> Iterator[str]:
    """Open one page of each kind that links lead to, beginning at home, and yield where it is."""
    ahead, seen = ["/"], {"home"}
    while ahead:
        assert len(seen) <= MOST_PAGES
        path = ahead.pop(0)
        answer = person.page.goto(f"{person.base_url}{path}")
        assert answer is not None
        assert answer.status == 200, f"{path} answered {answer.status}"
        for link in person.page.eval_on_selector_all("a[href]", "links => links.map(link => link.href)"):
            kind = kind_of(link, person.base_url)
            if kind and kind not in seen:
                seen.add(kind)
                ahead.append(urlsplit(link).path)
        yield path


def kind_of(link: str, base_url: str) -> str:
    """Return the name of the page's URL pattern; nothing for what is no page of ours."""
    if not link.startswith(f"{base_url}/"):
        return ""
    try:
        name = resolve(urlsplit(link).path).view_name
    except Resolver404:
        return ""
    return "" if name in NOT_PAGES or name.startswith("admin:") else name


def _faults(page: Page, scheme: str) -> list[str]:
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light", reduced_motion="reduce")
    page.reload()  # colours change in steps, and between two of them nothing has its contrast
    page.evaluate(AXE.read_text())
    return [f"{scheme}: {rule} at {places}" for rule, places in page.evaluate(WHAT_AXE_FINDS)]
