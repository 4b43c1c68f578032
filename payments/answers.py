"""Who answers which event. Apps register in their `stripe_events.py`, found as Django finds `admin.py`."""

from collections.abc import Callable
from typing import Any, TypeVar

Answer = TypeVar("Answer", bound=Callable[..., None])
_answers: dict[tuple[str, str], Callable[..., None]] = {}


def answers(*events: str, kind: str) -> Callable[[Answer], Answer]:
    """Register who answers these events about things of a kind ("order", "membership").

    `checkout.session.*` calls f(event=StripeEvent, session=CheckoutState, at=datetime). Our own names
    `subscription.paid`, `subscription.changed` and `subscription.ended`, raised once the books know of it,
    call f(event=StripeEvent, subscription=Subscription, at=datetime). `charge.returned` is raised whenever
    the whole of a charge is with its buyer again, and calls f(event=StripeEvent, charge=Charge, at=datetime);
    `charge.returning` comes before its row is locked, for whoever locks theirs first: f(charge=Charge).

    Without an event (None) Stripe was asked, and no news had come. It runs in the transaction that marks the
    event as handled, may come again for the same thing, and asks nothing of Stripe.
    """

    def register(answer: Answer) -> Answer:
        for name in events:
            _answers[name, kind] = answer
        return answer

    return register


def who_answers(event: str, kind: str) -> Callable[..., Any] | None:
    """Return the function registered for this event about this kind."""
    return _answers.get((event, kind))


def kind_of(reference: str) -> str:
    """Return what a charge or subscription is about, as its reference begins: order-<id> is an "order"."""
    return reference.partition("-")[0]
