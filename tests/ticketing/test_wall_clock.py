from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ticketing import wall_clock

BERLIN = ZoneInfo("Europe/Berlin")
NIGHT_IT_SKIPS = datetime(2027, 3, 28, 2, 30)  # noqa: DTZ001 -- a wall clock has no zone
NIGHT_IT_REPEATS = datetime(2026, 10, 25, 2, 30)  # noqa: DTZ001 -- the same


def test_a_winter_evening_in_berlin_is_an_hour_ahead_of_utc() -> None:
    shown = datetime(2026, 12, 4, 20, 0)  # noqa: DTZ001 -- a wall clock has no zone
    assert wall_clock.moment(shown=shown, zone=BERLIN) == datetime(2026, 12, 4, 19, 0, tzinfo=UTC)


def test_the_zone_of_the_day_counts_and_not_that_of_today() -> None:
    shown = datetime(2027, 7, 2, 20, 0)  # noqa: DTZ001 -- a wall clock has no zone
    assert wall_clock.moment(shown=shown, zone=BERLIN) == datetime(2027, 7, 2, 18, 0, tzinfo=UTC)


def test_an_hour_that_is_skipped_is_refused_and_the_next_one_told() -> None:
    with pytest.raises(wall_clock.SkippedHour) as refusal:
        wall_clock.moment(shown=NIGHT_IT_SKIPS, zone=BERLIN)
    assert refusal.value.instead == datetime(2027, 3, 28, 3, 30)  # noqa: DTZ001 -- a wall clock has no zone


def test_an_hour_that_comes_twice_is_refused() -> None:
    with pytest.raises(wall_clock.RepeatedHour):
        wall_clock.moment(shown=NIGHT_IT_REPEATS, zone=BERLIN)


@pytest.mark.parametrize("minute", [(1, 59), (3, 0)])
def test_the_minutes_around_the_repeated_hour_are_fine(minute: tuple[int, int]) -> None:
    shown = datetime(2026, 10, 25, *minute)  # noqa: DTZ001 -- a wall clock has no zone
    assert wall_clock.face(at=wall_clock.moment(shown=shown, zone=BERLIN), zone=BERLIN) == shown


@given(
    at=st.datetimes(datetime(2026, 1, 1), datetime(2036, 1, 1)),  # noqa: DTZ001 -- the strategy adds the zone
    zone=st.sampled_from(
        ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "UTC"]
    ),
)
def test_what_is_shown_leads_back_to_its_moment_or_is_refused(at: datetime, zone: str) -> None:
    moment, there = at.replace(tzinfo=UTC), ZoneInfo(zone)
    try:
        back = wall_clock.moment(shown=wall_clock.face(at=moment, zone=there), zone=there)
    except wall_clock.RepeatedHour:
        return
    assert back == moment
