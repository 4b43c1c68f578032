"""What the style guide shows: a small invented town, so that every component stands in a likely sentence."""

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from django import forms
from django.contrib.staticfiles import finders
from django.core.paginator import Page, Paginator

from payments.money import Money

EVENING = datetime(2027, 3, 5, 19, 0, tzinfo=UTC)
STATUSES = ("draft", "published", "live", "held", "paid", "past_due", "refunded", "cancelled", "ended")
SALES = (0, 2, 5, 3, 9, 14, 11, 7, 4, 6, 12, 22, 31, 18, 9, 5, 8, 13, 27, 44, 38)


@dataclass(frozen=True)
class SampleClub:
    name: str


@dataclass(frozen=True)
class SampleEvent:
    """Has what parts/event_card.html asks of an event."""

    title: str
    club: SampleClub
    slug: str
    price_from: Money | None
    starts_at: datetime = EVENING
    timezone: str = "Europe/Berlin"
    is_live: bool = False
    is_sold_out: bool = False
    prices_open: int = 1

    def get_absolute_url(self) -> str:
        return "#event-cards"


@dataclass(frozen=True)
class SampleOrder:
    buyer: str
    kind: str
    paid: Money
    status: str
    at: datetime = field(default=EVENING - timedelta(days=9))


class SampleForm(forms.Form):
    title = forms.CharField(help_text="As it stands on the ticket.", max_length=80)
    about = forms.CharField(widget=forms.Textarea(attrs={"rows": 3}), required=False)
    zone = forms.ChoiceField(
        label="Time zone", choices=[("Europe/Berlin", "Berlin"), ("Europe/Lisbon", "Lisbon")]
    )
    price = forms.CharField(help_text="In euros. Leave it at 0 for a free evening.")
    who = forms.ChoiceField(
        label="Who may come",
        widget=forms.RadioSelect,
        choices=[("all", "Everybody with a ticket"), ("members", "Members of the club")],
    )
    hands = forms.BooleanField(label="Listeners may raise a hand", required=False)

    def clean_price(self) -> str:
        if not self.cleaned_data["price"].isdigit():
            raise forms.ValidationError("Write the amount in figures, like 12.50.")
        return str(self.cleaned_data["price"])


def sample() -> dict[str, Any]:
    """Return the context of styleguide.html."""
    return {
        "events": _events(),
        "orders": _orders(),
        "statuses": STATUSES,
        "form": SampleForm(
            {"title": "The Lighthouse, read aloud", "price": "twelve", "who": "all", "zone": "Europe/Berlin"}
        ),
        "page": _second_page(),
        "price": Money(1200, "EUR"),
        "days": [
            (f"{(EVENING - timedelta(days=21 - day)):%a %-d %b}", sold) for day, sold in enumerate(SALES)
        ],
        "months": [("Oct", 48000), ("Nov", 61250), ("Dec", 120900), ("Jan", 83400), ("Feb", 97000)],
        "nothing": [("Mon", 0), ("Tue", 0)],
        "evening": EVENING,
        "people": ("Ada Lovelace", "Ben Okri", "Rae", "Zoë Brandt", "Max Frisch", "Ines Ferreira"),
        "colours": (
            "paper",
            "surface",
            "tint",
            "line",
            "edge",
            "ink-soft",
            "ink",
            "lamp",
            "lamp-tint",
            "good",
            "warn",
            "bad",
            "note",
        ),
        "icons": _icon_names(),
    }


def _events() -> list[SampleEvent]:
    desk, quiet, salon = SampleClub("Night Desk"), SampleClub("Quiet Hours"), SampleClub("Salon Lisboa")
    return [
        SampleEvent(
            "The Lighthouse, read aloud in one night", desk, "lighthouse-1", Money(1200, "EUR"), is_live=True
        ),
        SampleEvent(
            "Ask me about mushrooms",
            quiet,
            "mushrooms-6",
            Money.zero("EUR"),
            starts_at=EVENING + timedelta(days=2),
        ),
        SampleEvent(
            "Fado, explained by those who sing it",
            salon,
            "fado-4",
            Money(800, "EUR"),
            timezone="Europe/Lisbon",
        ),
    ]


def _orders() -> list[SampleOrder]:
    return [
        SampleOrder("Ben Okri", "General", Money(1200, "EUR"), "paid"),
        SampleOrder("Zoë Brandt", "Front row", Money(2400, "EUR"), "held"),
        SampleOrder("Max Frisch", "General", Money(1200, "EUR"), "refunded"),
    ]


def _second_page() -> Page[int]:
    return Paginator(range(50), 10).page(2)


def _icon_names() -> list[str]:
    sprite = finders.find("icons.svg")
    return re.findall(r'<symbol id="([^"]+)"', Path(sprite).read_text()) if sprite else []
