"""Ask Stripe about whatever is still unknown: events that never came, fees not told, papers under way.

Refunds and payouts without an answer ask for themselves, in `send_due`.
"""

from collections.abc import Callable
from datetime import datetime
from functools import partial

import structlog
from celery.exceptions import SoftTimeLimitExceeded

from payments import charges, payees, stripe_events

log = structlog.get_logger(__name__)


def run(*, at: datetime) -> None:
    """Ask everything; a question without an answer is asked again the next time. Asks Stripe."""
    _try("undelivered events", partial(stripe_events.fetch_undelivered, at=at))
    _try("missing fees", partial(charges.learn_missing_fees, at=at))
    _try("payees", partial(payees.ask_in_turn, at=at))


def _try(what: str, question: Callable[[], object]) -> None:
    try:
        question()
    except SoftTimeLimitExceeded:
        raise
    except Exception:  # one question that fails keeps no other from being asked
        log.exception("question_not_asked", question=what)
