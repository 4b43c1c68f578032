"""What no log may say: secrets that stand in paths, queries and arguments.

Whoever reads a log may otherwise take a ticket, an invitation or an account. Django, daphne and Celery write
paths and arguments as they came, so each record is cleaned where it is made, whoever handles it, and each
line once more where it is written, for what stands in a traceback. The time a pattern takes grows with the
line and no faster, for strangers choose what stands in it.
"""

import logging
import re
from collections.abc import Callable
from typing import Any, Final

CUT: Final = "…"

_CHARACTER: Final = r"[A-Za-z0-9_.:~%=-]"
# A part of a path behind a word that leads to a secret; any other that is long and no plain word; a query.
_LEADS: Final = r"(?:key|undo|go-on|invitations|pass|m|socket|token)"
_BEHIND: Final = re.compile(rf"(/{_LEADS}/){_CHARACTER}{{8,}}")
_LONG: Final = re.compile(rf"(?<=/)(?=[^/\s]*[0-9A-Z]){_CHARACTER}{{16,}}(?![.]py\b)")
_QUERY: Final = re.compile(r"(?<=[\w/.~%=-])\?[^\s'\"]+")
# A token by itself has figures, small letters and capitals. Stripe's ids say what they are: no secrets.
_ALONE: Final = re.compile(
    r"(?<![\w/.-])(?![a-z]{2,12}_)(?=[\w-]*[0-9])(?=[\w-]*[a-z])(?=[\w-]*[A-Z])[A-Za-z0-9_-]{22,}(?![\w-])"
)


def clean(text: str) -> str:
    """Return `text` without what may be a secret."""
    if len(text) < 16:
        return text
    text = _QUERY.sub(f"?{CUT}", text)
    text = _BEHIND.sub(rf"\1{CUT}", text)
    return _ALONE.sub(CUT, _LONG.sub(CUT, text))


def cleaned(value: object) -> object:
    """Return an argument of a log line as it may be written; what says no secret stays as it is."""
    if isinstance(value, str):
        return clean(value)
    if value is None or isinstance(value, bool | int | float):
        return value
    said = str(value)
    without = clean(said)
    return value if without == said else without


class Record(logging.LogRecord):
    """A record whose words have been cleaned before any handler sees them."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if isinstance(self.msg, str):
            self.msg = clean(self.msg)
        elif isinstance(self.msg, dict):  # structlog's: an event with its values
            self.msg = {
                name: cleaned(value) if name[:1] != "_" else value for name, value in self.msg.items()
            }
        if isinstance(self.args, tuple):
            self.args = tuple(cleaned(value) for value in self.args)
        elif self.args:
            self.args = {name: cleaned(value) for name, value in self.args.items()}


def rendered(render: Callable[..., Any]) -> Callable[..., Any]:
    """Return the last processor of a line with its words cleaned: tracebacks are written only there."""

    def line(logger: Any, name: str, event: Any) -> Any:
        said = render(logger, name, event)
        return clean(said) if isinstance(said, str) else said

    return line


def keep_quiet() -> None:
    """Have every record of this process cleaned."""
    logging.setLogRecordFactory(Record)
