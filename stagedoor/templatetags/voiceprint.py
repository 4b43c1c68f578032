"""Covers drawn from a name: sound bars, rings or a field of dots, in one of four colourings.

Nobody uploads pictures to a place made for listening. A seed gives the same drawing on every page, for ever.
"""

import math
from collections.abc import Iterator
from hashlib import sha256

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

WIDTH, HEIGHT = 320, 160
COLOURINGS = 4
BARS = 26
RINGS = 9
COLUMNS, ROWS = 20, 10


def draw(seed: str) -> SafeString:
    """Return an SVG of 2:1 which fills its box; decoration, so hidden from screen readers."""
    grain = sha256(seed.encode()).digest()
    motif = (_bars, _rings, _dots)[grain[1] % 3]
    return format_html(
        '<svg class="voiceprint voiceprint--{}" viewBox="0 0 {} {}" preserveAspectRatio="xMidYMid slice"'
        ' aria-hidden="true"><rect class="voiceprint__base" width="{}" height="{}"/>{}</svg>',
        grain[0] % COLOURINGS + 1,
        WIDTH,
        HEIGHT,
        WIDTH,
        HEIGHT,
        motif(grain),
    )


def _bars(grain: bytes) -> SafeString:
    """Draw a spoken sentence: bars about the middle line, one phrase of them lit."""
    lit = grain[2] % (BARS - 8)
    step = WIDTH / BARS
    return format_html_join(
        "",
        '<rect class="voiceprint__{}" x="{}" y="{}" width="{}" height="{}" rx="{}"/>',
        (
            (
                "glow" if lit <= place < lit + 4 else "mark",
                f"{place * step + step * 0.22:.1f}",
                f"{(HEIGHT - height) / 2:.1f}",
                f"{step * 0.56:.1f}",
                f"{height:.1f}",
                f"{step * 0.28:.1f}",
            )
            for place, height in enumerate(_heights(grain))
        ),
    )


def _heights(grain: bytes) -> Iterator[float]:
    for place in range(BARS):
        swell = 0.45 + 0.55 * math.sin(math.pi * (place + 0.5) / BARS)
        yield max(10.0, (0.12 + 0.72 * grain[place % 32] / 255) * swell * HEIGHT)


def _rings(grain: bytes) -> SafeString:
    """Draw a voice in a room: rings that leave one lit point."""
    x, y = 60 + grain[2] % 200, 40 + grain[3] % 80
    rings = format_html_join(
        "",
        '<circle class="voiceprint__ring" cx="{}" cy="{}" r="{}" stroke-width="{}"/>',
        ((x, y, 20 + 21 * ring, f"{1.5 + 6.5 * grain[4 + ring] / 255:.1f}") for ring in range(RINGS)),
    )
    return format_html('{}<circle class="voiceprint__glow" cx="{}" cy="{}" r="11"/>', rings, x, y)


def _dots(grain: bytes) -> SafeString:
    """Draw an audience: a field of seats, the more lit the nearer they are to the voice."""
    x, y = 40 + grain[2] % 240, 30 + grain[3] % 100
    step = WIDTH / COLUMNS
    return format_html_join(
        "",
        '<circle class="voiceprint__{}" cx="{}" cy="{}" r="{}"/>',
        (
            _dot(column * step + step / 2, row * step + step / 2, near=(x, y), wave=6 + grain[4] % 10)
            for row in range(ROWS)
            for column in range(COLUMNS)
        ),
    )


def _dot(x: float, y: float, *, near: tuple[int, int], wave: int) -> tuple[str, str, str, str]:
    distance = math.hypot(x - near[0], y - near[1])
    size = 1.2 + 5.6 * (0.5 + 0.5 * math.cos(distance / wave)) * math.exp(-distance / 170)
    return "glow" if distance < 26 else "mark", f"{x:.0f}", f"{y:.0f}", f"{size:.1f}"
