"""What may be typed, and what is said when it may not."""

from datetime import UTC, datetime
from typing import Any

import pytest

from clubs.models import Club
from payments.money import Money
from ticketing.forms import EventForm, ReasonForm, blank_offers, offers_of
from ticketing.models import Event, TicketType

NOW = datetime(2026, 9, 1, tzinfo=UTC)


def typed(**other: str) -> dict[str, str]:
    return {
        "title": "Owls",
        "description": "",
        "starts": "2026-12-04T20:00",
        "timezone": "Europe/Berlin",
        "minutes": "60",
    } | other


def errors(**other: str) -> dict[str, list[str]]:
    found = EventForm(typed(**other), at=NOW).errors.get_json_data()
    return {name: [error["message"] for error in told] for name, told in found.items()}


def test_the_start_is_typed_in_the_zone_of_the_event() -> None:
    form = EventForm(typed(timezone="America/New_York"), at=NOW)
    assert form.is_valid()
    assert form.billing["starts_at"] == datetime(2026, 12, 5, 1, 0, tzinfo=UTC)


def test_a_time_that_the_clocks_skip_is_explained() -> None:
    assert errors(starts="2027-03-28T02:30") == {
        "starts": [
            "That night the clocks in Berlin go forward, and no clock shows 02:30. Choose 03:30 or later."
        ]
    }


def test_a_time_that_comes_twice_is_explained() -> None:
    assert errors(starts="2026-10-25T02:30")["starts"] == [
        (
            "That night the clocks in Berlin go back, so 02:30 comes twice and nobody could tell "
            "which you mean. Choose another time."
        )
    ]


def test_the_same_wall_clock_in_another_zone_is_fine() -> None:
    assert errors(starts="2026-10-25T02:30", timezone="America/New_York") == {}


@pytest.mark.parametrize("starts", ["tomorrow", "2026-13-01T20:00", "20:00"])
def test_what_is_no_time_is_told_with_an_example(starts: str) -> None:
    assert errors(starts=starts) == {"starts": ["Choose a day and a time, like 4 December 2026, 20:00."]}


def test_farther_than_two_years_nobody_plans() -> None:
    assert errors(starts="2036-12-04T20:00") == {"starts": ["Choose a day within the next two years."]}


@pytest.mark.django_db
def test_saving_again_does_not_move_the_start(event: Event) -> None:
    form = EventForm.of(event, at=NOW)
    shown = {name: form[name].value() for name in form.fields}
    shown["starts"] = form.fields["starts"].widget.format_value(shown["starts"])
    again = EventForm.of(event, at=NOW, data=shown)
    assert again.is_valid(), again.errors
    assert again.billing["starts_at"] == event.starts_at


@pytest.mark.django_db
def test_a_new_event_is_proposed_for_an_evening_in_a_week(club: Club) -> None:
    initial = EventForm.blank(club=club, at=NOW).initial
    assert (f"{initial['starts']:%Y-%m-%d %H:%M}", initial["timezone"]) == (
        "2026-09-08 20:00",
        "Europe/Berlin",
    )


# ---- Ticket types


def rows(*offered: dict[str, str]) -> dict[str, str]:
    data = {"offers-TOTAL_FORMS": str(len(offered)), "offers-INITIAL_FORMS": "0"}
    for number, row in enumerate(offered):
        whole = {"name": "Seat", "price": "12", "per_person": "6", "is_open": "on"} | row
        data |= {f"offers-{number}-{name}": value for name, value in whole.items()}
    return data


@pytest.mark.parametrize(
    ("price", "minor"), [("12", 1200), ("12.50", 1250), ("12,50", 1250), ("", 0), ("0", 0), ("0.50", 50)]
)
def test_a_price_is_typed_with_point_or_comma_and_empty_is_free(price: str, minor: int) -> None:
    formset = blank_offers("EUR", data=rows({"price": price}))
    assert formset.is_valid(), formset.errors
    assert formset.offers[0].price == Money(minor, "EUR")


@pytest.mark.parametrize(
    ("price", "words"),
    [
        ("twelve", "Write the amount in figures, like 12.50. Leave it empty for free."),
        ("12.5051", "Write the amount in figures, like 12.50. Leave it empty for free."),
        (
            "1.500",
            "1.500: do you mean 1,500.00 or 1.50? Write it like one of these. Leave it empty for free.",
        ),
        ("0.49", "Cards can be charged €0.50 or more. Free is fine."),
        ("-1", "Write the amount in figures, like 12.50. Leave it empty for free."),
        ("1000000", "€999,999.99 at most."),
    ],
)
def test_a_price_that_cannot_be_charged_is_explained(price: str, words: str) -> None:
    assert blank_offers("EUR", data=rows({"price": price})).errors == [{"price": [words]}]


def test_yen_have_no_digits_after_the_point() -> None:
    formset = blank_offers("JPY", data=rows({"price": "1200"}))
    assert formset.is_valid()
    assert formset.offers[0].price == Money(1200, "JPY")


def test_no_capacity_is_no_limit_and_zero_is_refused() -> None:
    formset = blank_offers("EUR", data=rows({"capacity": ""}))
    assert formset.is_valid()
    assert formset.offers[0].capacity is None
    assert not blank_offers("EUR", data=rows({"capacity": "0"})).is_valid()


def test_one_ticket_type_at_least() -> None:
    formset = blank_offers("EUR", data=rows({"DELETE": "on"}))
    assert formset.non_form_errors() == ["Offer one ticket type at least. A free one is fine."]


@pytest.mark.parametrize("second", ["seat", "Seat\u200b", " Seat ", "S\u0435at"])
def test_no_two_of_one_name(second: str) -> None:
    formset = blank_offers("EUR", data=rows({"name": "Seat"}, {"name": second}))
    assert formset.non_form_errors() == ["Two ticket types look the same. Give each a name of its own."]


@pytest.mark.django_db
def test_the_editor_shows_what_is_offered(event: Event, seat: TicketType) -> None:
    form = offers_of(event).forms[0]
    shown: dict[str, Any] = {name: form[name].value() for name in ("pk", "name", "price", "capacity")}
    assert shown == {"pk": str(seat.pk), "name": "Seat", "price": "12.00", "capacity": 50}


def test_money_goes_back_for_a_reason() -> None:
    assert not ReasonForm({"reason": "  "}).is_valid()
