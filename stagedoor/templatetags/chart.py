"""Bar charts drawn on the server. Loaded as `{% load chart %}`; the table beside it is for screen readers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django import template
from django.utils.translation import gettext as _

from payments.money import Money
from stagedoor.templatetags.stagedoor import money

register = template.Library()

# The drawing is stretched to its box, so these are proportions and not pixels.
WIDTH, HEIGHT = 1000, 100
GAP = 0.28  # of a column stays empty
MOST_LABELS = 7  # that fit side by side on a phone
STEPS = (1, 2, 3, 4, 5, 6, 8, 10)

Point = tuple[str, int] | tuple[str, int, str]


@dataclass(frozen=True)
class Column:
    """One value: its words, and its bar in the coordinates of the drawing (0, 0 is the top left corner)."""

    label: str
    text: str
    left: float
    width: float
    bar_left: float
    bar_width: float
    top: float
    height: float


@register.inclusion_tag("parts/chart.html")
def bars(
    points: Sequence[Point], *, label: str, value_label: str, currency: str = "", empty: str = ""
) -> dict[str, Any]:
    """Draw (label, value) or (label, value, text) as bars from zero. Values of a currency are minor units."""
    top = ceiling(max((point[1] for point in points), default=0))
    columns = [_column(place, point, top, len(points), currency) for place, point in enumerate(points)]
    return {
        "columns": columns,
        "label": label,
        "value_label": value_label,
        "empty": (empty or _("Nothing yet")) if not any(point[1] for point in points) else "",
        "scale": [_axis_text(value, currency) for value in (top, top // 2, 0)],
        "ticks": _ticks([column.label for column in columns]),
        "every_label": len(columns) <= MOST_LABELS,
        "width": WIDTH,
        "height": HEIGHT,
        "middle": HEIGHT / 2,
    }


def ceiling(value: int) -> int:
    """Return the top of the axis: the next round number, even so that its half is whole."""
    unit = 1
    while True:
        for step in STEPS:
            if step * unit >= value and step * unit % 2 == 0:
                return step * unit
        unit *= 10


def _column(place: int, point: Point, top: int, count: int, currency: str) -> Column:
    label, value = point[0], point[1]
    width = WIDTH / count
    height = HEIGHT * max(value, 0) / top
    return Column(
        label=label,
        text=point[2] if len(point) == 3 else _value_text(value, currency),
        left=round(place * width, 2),
        width=round(width, 2),
        bar_left=round((place + GAP / 2) * width, 2),
        bar_width=round(width * (1 - GAP), 2),
        top=round(HEIGHT - height, 2),
        height=round(height, 2),
    )


def _value_text(value: int, currency: str) -> str:
    return money(Money(value, currency)) if currency else f"{value:,}"


def _axis_text(value: int, currency: str) -> str:
    return _value_text(value, currency).removesuffix(".00")


def _ticks(labels: list[str]) -> list[str]:
    """Return every label if all fit, else the first, the middle and the last."""
    if len(labels) <= MOST_LABELS:
        return labels
    return [labels[0], labels[(len(labels) - 1) // 2], labels[-1]]
