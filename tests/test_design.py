"""The look keeps its promises: contrast in both schemes, no inline code, tags that say the right words."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import time_machine
from django.conf import settings
from django.template import Context, Template
from django.template.loader import get_template, render_to_string
from django.test import RequestFactory
from django.utils import timezone
from django.utils.html import strip_tags

from payments.money import Money
from stagedoor.styleguide import SampleForm, sample
from stagedoor.templatetags import chart, voiceprint
from stagedoor.templatetags import stagedoor as tags
from tests import network

ROOT = Path(settings.BASE_DIR)
STYLES = (ROOT / "static/stagedoor.css").read_text()
SCRIPT = (ROOT / "static/stagedoor.js").read_text()
TEMPLATES = sorted(
    path for path in ROOT.glob("**/templates/**/*.html") if not {".venv", "var"} & set(path.parts)
)
OUR_TEMPLATES = sorted((ROOT / "templates").glob("**/*.html"))
PAIR = re.compile(r"--([\w-]+):\s*light-dark\((#[0-9a-f]{6}),\s*(#[0-9a-f]{6})\)")
ALWAYS = re.compile(r"--([\w-]+):\s*(#[0-9a-f]{6});")
SCHEMES = ("light", "dark")

TEXT = [
    *[(ink, ground) for ink in ("ink", "ink-soft", "lamp-text") for ground in ("paper", "surface", "tint")],
    *[("ink", f"{tone}-tint") for tone in ("lamp", "good", "warn", "bad", "note")],
    *[(tone, f"{tone}-tint") for tone in ("good", "warn", "bad", "note")],
    *[("bad", ground) for ground in ("paper", "surface")],
    ("lamp-text", "lamp-tint"),
    ("lamp-on", "lamp"),
    ("lamp-on", "lamp-hover"),
    ("bad-on", "bad-fill"),
    ("ink-strong-on", "ink-strong"),
    *[(f"tone-{tone}-on", f"tone-{tone}") for tone in range(1, tags.AVATAR_TONES + 1)],
]
PARTS = [  # borders of inputs, the focus ring, the speaking ring, bars of a chart
    ("edge", "paper"),
    ("edge", "surface"),
    ("lamp-text", "paper"),
    ("lamp", "surface"),
    ("lamp", "paper"),
]
ON_THE_DARK_HOUSE = ["ink", "ink-soft", "lamp-text", "bad", "edge"]

EVENING = datetime(2026, 12, 4, 19, 0, tzinfo=UTC)


def tokens(scheme: str) -> dict[str, str]:
    by_scheme = {name: colours[SCHEMES.index(scheme)] for name, *colours in PAIR.findall(STYLES)}
    return dict(ALWAYS.findall(STYLES)) | by_scheme


def luminance(colour: str) -> float:
    """Return the relative luminance of WCAG 2.2, 0 for black and 1 for white."""
    channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def say(source: str, **context: object) -> str:
    return Template("{% load i18n stagedoor chart %}" + source).render(Context(context)).strip()


def test_contrast_is_computed_as_the_guidelines_do() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.005)


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize(("text", "ground"), TEXT)
def test_text_can_be_read(scheme: str, text: str, ground: str) -> None:
    colours = tokens(scheme)
    assert contrast(colours[text], colours[ground]) >= 4.5


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize(("part", "ground"), PARTS)
def test_borders_and_rings_that_carry_meaning_can_be_seen(scheme: str, part: str, ground: str) -> None:
    colours = tokens(scheme)
    assert contrast(colours[part], colours[ground]) >= 3


@pytest.mark.parametrize("text", ON_THE_DARK_HOUSE)
def test_the_dark_of_hero_and_room_can_be_read(text: str) -> None:
    colours = tokens("dark")
    assert contrast(colours[text], colours["house"]) >= 4.5


def test_every_token_that_is_used_is_defined() -> None:
    used = set(re.findall(r"var\(--([\w-]+)", STYLES))
    assert used - set(re.findall(r"--([\w-]+):", STYLES)) == set()


def test_both_schemes_of_every_colour_stand_in_one_place() -> None:
    assert "@media (prefers-color-scheme" not in STYLES


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_page_has_code_or_styles_in_it(path: Path) -> None:
    """The content security policy would drop them; only letters carry their styles with them."""
    source = path.read_text()
    # A letter carries its styles with it; data blocks of another type than a script are not run.
    if not {"mail", "email"} & set(path.parts):
        assert re.findall(r"<style|\sstyle=", source) == []
    assert re.findall(r"<script(?![^>]*(?:\ssrc=|type=\"application/json\"))", source) == []
    assert re.findall(r"\son[a-z]+=", source) == []
    assert re.findall(r"(?:src|href)=[\"']https?://", source) == []


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_icon_that_a_page_names_is_drawn(path: Path) -> None:
    drawn = set(re.findall(r'<symbol id="([\w-]+)"', (ROOT / "static/icons.svg").read_text()))
    source = path.read_text()
    named = re.findall(r"{% icon \"([\w-]+)\"", source) + re.findall(r"\sicon=\"([\w-]+)\"", source)
    assert set(named) - drawn == set()


@pytest.mark.parametrize("path", OUR_TEMPLATES, ids=lambda path: path.name)
def test_every_shared_template_compiles(path: Path) -> None:
    assert get_template(str(path.relative_to(ROOT / "templates")))


def test_the_style_guide_shows_every_part() -> None:
    page = render_to_string("styleguide.html", sample(), RequestFactory().get("/styleguide/"))
    assert page.count("<h1") == 1
    assert page.count('<figure class="chart">') == 3
    assert page.count('class="event-card"') == 3
    assert len(re.findall(r"<symbol", (ROOT / "static/icons.svg").read_text())) == len(sample()["icons"])


def test_ids_in_the_style_guide_are_unique() -> None:
    page = render_to_string("styleguide.html", sample(), RequestFactory().get("/styleguide/"))
    ids = re.findall(r'\sid="([^"]+)"', page)
    assert sorted(ids) == sorted(set(ids))


def test_home_says_when_nothing_is_on() -> None:
    page = render_to_string("home.html", {"live_events": [], "coming_events": []}, RequestFactory().get("/"))
    assert "Nothing is announced yet" in page
    assert "Live now" not in page


def test_home_shows_what_is_live_and_what_comes() -> None:
    events = sample()["events"]
    page = render_to_string(
        "home.html", {"live_events": events[:1], "coming_events": events[1:]}, RequestFactory().get("/")
    )
    titles = re.findall(r'event-card__title"><a href="[^"]+">([^<]+)<', page)
    assert titles == [event.title for event in events]
    assert page.count('<span class="live">') == 1


def test_the_page_for_a_fault_needs_nothing_from_the_request() -> None:
    assert "Something broke backstage" in get_template("500.html").render()


@pytest.mark.parametrize(
    ("amount", "words"),
    [
        (Money(1200, "EUR"), "€12.00"),
        (Money(-150, "GBP"), "\N{MINUS SIGN}£1.50"),
        (Money(123456789, "USD"), "$1,234,567.89"),
        (Money(500, "JPY"), "¥500"),
        (Money(5, "SEK"), "SEK\N{NO-BREAK SPACE}0.05"),
        (None, ""),
    ],
)
def test_money_is_said_in_its_currency(amount: Money | None, words: str) -> None:
    assert tags.money(amount) == words


@pytest.mark.parametrize(
    ("amount", "words"), [(None, ""), (Money.zero("EUR"), "Free"), (Money(1, "EUR"), "€0.01")]
)
def test_what_costs_nothing_is_free(amount: Money | None, words: str) -> None:
    assert tags.money_or_free(amount) == words


@pytest.fixture
def _in_november() -> Iterator[None]:
    with time_machine.travel(datetime(2026, 11, 21, 12, tzinfo=UTC)):
        yield


@pytest.mark.usefixtures("_in_november")
@pytest.mark.parametrize(
    ("zone", "viewer", "words"),
    [
        ("Europe/Berlin", None, "Fri 4 Dec, 20:00 CET"),
        ("Europe/Berlin", "Europe/Lisbon", "Fri 4 Dec, 20:00 CET · 19:00 your time"),
        ("Europe/Berlin", "Europe/Paris", "Fri 4 Dec, 20:00 CET"),
        ("Europe/Berlin", "Asia/Tokyo", "Fri 4 Dec, 20:00 CET · Sat 5 Dec, 04:00 your time"),
        ("America/Sao_Paulo", None, "Fri 4 Dec, 16:00 UTC\N{MINUS SIGN}3"),
        ("Asia/Kathmandu", None, "Sat 5 Dec, 00:45 UTC+5:45"),
    ],
)
def test_a_time_is_told_where_the_event_is_and_where_the_viewer_is(
    zone: str, viewer: str | None, words: str
) -> None:
    with timezone.override(ZoneInfo(viewer) if viewer else None):
        assert strip_tags(tags.local_time(EVENING, zone)) == words


@pytest.mark.usefixtures("_in_november")
def test_a_time_in_another_year_says_so() -> None:
    assert strip_tags(tags.local_time(EVENING.replace(year=2027), "UTC")) == "Sat 4 Dec 2027, 19:00 UTC"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("'paid'", '<span class="pill pill--success">Paid</span>'),
        ("'past_due'", '<span class="pill pill--warning">Past due</span>'),
        ("'draft'", '<span class="pill">Draft</span>'),
        ("'paid' 'Bezahlt'", '<span class="pill pill--success">Bezahlt</span>'),
        ("'x' label tone='danger'", '<span class="pill pill--danger">Sold &lt;out&gt;</span>'),
    ],
)
def test_a_pill_takes_its_tone_from_the_status(arguments: str, words: str) -> None:
    assert say(f"{{% pill {arguments} %}}", label="Sold <out>") == words


@pytest.mark.parametrize(
    ("name", "letters"), [("Ada Lovelace", "AL"), ("rae", "R"), ("Ana Maria da Silva", "AS"), ("", "?")]
)
def test_initials_are_of_the_first_and_the_last_name(name: str, letters: str) -> None:
    assert tags.initials(name) == letters


@pytest.mark.parametrize(
    ("path", "url", "said"),
    [("/me/", "/me/", True), ("/me/tickets/", "/me/", True), ("/me/", "/", False), ("/", "/", True)],
)
def test_the_navigation_marks_where_we_are(path: str, url: str, said: bool) -> None:  # noqa: FBT001 -- a table
    context = Context({"request": RequestFactory().get(path)})
    assert bool(tags.current(context, url)) is said


def test_another_page_of_a_list_keeps_the_rest_of_the_query() -> None:
    context = Context({"request": RequestFactory().get("/orders/?q=ben&page=2")})
    assert tags.page_url(context, 3) == "?q=ben&page=3"


def test_a_field_tells_screen_readers_its_help_and_its_error() -> None:
    form = SampleForm({"title": "", "price": "twelve"})
    page = say("{% include 'parts/field.html' with field=form.price %}", form=form)
    described = re.findall(r'aria-describedby="([^"]+)"', page)
    assert described == ["id_price_helptext id_price_error"]
    assert all(f'id="{name}"' in page for name in described[0].split())
    assert 'aria-invalid="true"' in page


def test_only_fields_that_may_stay_empty_are_called_optional() -> None:
    page = say("{{ form }}", form=SampleForm())
    assert re.findall(r'id_(\w+)" class="field__label">[^<]+<span class="field__optional"', page) == ["about"]


def test_a_cover_always_follows_from_its_name() -> None:
    assert voiceprint.draw("lighthouse") == voiceprint.draw("lighthouse")
    assert len({voiceprint.draw(f"event-{number}") for number in range(20)}) == 20


@pytest.mark.parametrize(
    ("highest", "top"),
    [(0, 2), (1, 2), (3, 4), (7, 8), (9, 10), (11, 20), (44, 50), (101, 200), (120_900, 200_000)],
)
def test_the_axis_ends_at_a_round_number_with_a_whole_half(highest: int, top: int) -> None:
    assert chart.ceiling(highest) == top


def test_bars_are_as_high_as_their_values() -> None:
    drawing = chart.bars([("Mon", 5), ("Tue", 10), ("Wed", 0)], label="Sold", value_label="Tickets")
    assert [column.height for column in drawing["columns"]] == [50, 100, 0]
    assert [column.top + column.height for column in drawing["columns"]] == [100, 100, 100]
    assert drawing["scale"] == ["10", "5", "0"]


def test_a_chart_of_money_speaks_money() -> None:
    drawing = chart.bars([("Oct", 150_000)], label="Taken", value_label="Taken", currency="EUR")
    assert [column.text for column in drawing["columns"]] == ["€1,500.00"]
    assert drawing["scale"] == ["€2,000", "€1,000", "€0"]


def test_a_chart_is_also_a_table() -> None:
    page = say("{% bars points label='Sold' value_label='Tickets' %}", points=[("Mon", 5), ("Tue", 10)])
    assert re.findall(r'<th scope="row">(\w+)</th><td>(\d+)</td>', page) == [("Mon", "5"), ("Tue", "10")]


@pytest.mark.parametrize("points", [[], [("Mon", 0)]])
def test_a_chart_of_nothing_says_so(points: list[tuple[str, int]]) -> None:
    page = say("{% bars points label='Sold' value_label='Tickets' empty='No sales yet' %}", points=points)
    assert "No sales yet" in page
    assert "<svg" not in page


def test_the_script_draws_the_same_avatars_as_the_server() -> None:
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 -- slow import

    names = ["Ada Lovelace", "rae", "Zoë Brandt", "Ana Maria da Silva", "李 小龍", "🎙 Radio", ""]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox", *network.CHROMIUM_FLAGS]
        )
        page = browser.new_page()
        page.set_content('<!doctype html><html lang="en-gb"><body></body></html>')
        page.evaluate(SCRIPT)
        drawn = page.evaluate(
            "names => names.map((name) => stagedoor.avatar(name, 'small').outerHTML)", names
        )
        browser.close()
    assert drawn == [tags.avatar(name, "small") for name in names]
