"""Ask Stripe about whatever is still unknown: events that never came, fees not told, papers under way.

Refunds and payouts without an answer ask for themselves, in `send_due`.
"""

from collections.abc import Callable
from datetime import datetime
from functools import partial

import structlog

from payments import charges, payees, stripe_events
from payments.models import Payee
from payments.stripe_gateway import StripeRefused, StripeUnavailable

log = structlog.get_logger(__name__)
PAYEES_AT_ONCE = 50


def run(*, at: datetime) -> None:
    """Ask everything; a question without an answer is asked again the next time. Asks Stripe."""
    _try("undelivered events", partial(stripe_events.fetch_undelivered, at=at))
    _try("missing fees", charges.learn_missing_fees)
    # Least recently asked first, so that everybody's turn comes.
    waiting = Payee.objects.exclude(stripe_account_id="").filter(transfers_active=False)
    for payee in list(waiting.order_by("asked_stripe_at")[:PAYEES_AT_ONCE]):
        _try("payee", partial(payees.refresh, payee=payee, at=at))


def _try(what: str, question: Callable[[], object]) -> None:
    try:
        question()
    except (StripeUnavailable, StripeRefused) as trouble:
        log.warning("stripe_not_answering", question=what, trouble=str(trouble))
