"""What a clock on the wall shows, and which moment that is. Twice a year the two do not match."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo


class SkippedHour(Exception):
    """The clocks go forward over this time: no clock there ever shows it. `instead` is what they show."""

    def __init__(self, instead: datetime) -> None:
        super().__init__(f"No clock shows this time; they show {instead:%H:%M}.")
        self.instead = instead


class RepeatedHour(Exception):
    """The clocks go back over this time, so that they show it twice: nobody could tell which is meant."""


def moment(*, shown: datetime, zone: ZoneInfo) -> datetime:
    """Return the moment, in UTC, at which clocks in `zone` show this. Raise SkippedHour or RepeatedHour."""
    first, second = shown.replace(tzinfo=zone, fold=0), shown.replace(tzinfo=zone, fold=1)
    there_and_back = first.astimezone(UTC).astimezone(zone).replace(tzinfo=None, fold=0)
    if there_and_back != shown.replace(fold=0):
        raise SkippedHour(instead=there_and_back)
    if first.utcoffset() != second.utcoffset():
        raise RepeatedHour
    return first.astimezone(UTC)


def face(*, at: datetime, zone: ZoneInfo) -> datetime:
    """Return what clocks in `zone` show at this moment: the way back from `moment()`."""
    return at.astimezone(zone).replace(tzinfo=None)
