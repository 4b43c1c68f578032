"""How the stand-in misbehaves on purpose: what tests and the developer's desk may turn."""

from dataclasses import asdict, dataclass, field, fields
from typing import Any


class UnknownSwitch(Exception):
    """There is no switch of this name, or its value does not fit."""


@dataclass
class Failure:
    """One coming failure: the next request that matches is answered with `status` (0: the line goes dead).

    `code`: it is a definite no of this code, such as `email_invalid`; the status is then one from 400.
    `after`: Stripe carries the request out, and only the answer is lost.
    `kept`: Stripe broke down while at work, so the failure is what the idempotency key gives from now on.
    """

    method: str = "POST"
    path_prefix: str = "/v1/"
    status: int = 500
    after: bool = False
    kept: bool = False
    code: str = ""

    def matches(self, method: str, path: str) -> bool:
        """Say whether this request is the one that fails."""
        return method == self.method.upper() and path.startswith(self.path_prefix)


@dataclass
class Switches:
    deliver_webhooks: bool = True
    """Send webhooks as they arise. Off: they wait until told."""
    duplicate: int = 1
    """How many times each webhook is sent, all at the same moment."""
    reorder: bool = False
    """Send what is waiting newest first."""
    shuffle: bool = False
    """Send in any order: each copy of a webhook by itself, after any part of `delay_seconds`."""
    delay_seconds: float = 0.0
    """How long a webhook waits before its first delivery."""
    hold_back: str = ""
    """Types of events, with commas between them, whose webhooks wait until they are taken out of here."""
    lose: str = ""
    """Types of events whose webhooks never go out: the event is there for who asks."""
    event_version: str = ""
    """The API version of events from now on, as of an endpoint made with another; empty: the same as ours."""
    retry_after_seconds: float = 2.0
    """The wait after a failed delivery; doubled each time."""
    most_attempts: int = 15
    """How often a webhook is tried before Stripe gives it up."""
    leave_out_optional: bool = False
    """Leave out every field that Stripe may leave out, in answers and events alike."""
    api_latency_seconds: float = 0.0
    """How long each API request takes."""
    fail_next: list[Failure] = field(default_factory=list)
    """Failures to come, each used once."""
    funds_delay_seconds: int = 0
    """How long a charge stays pending in the balance."""
    fees_delay_seconds: int = 0
    """How long a charge has no balance transaction, and so no fee; `charge.updated` tells when it has."""
    settle_in: str = ""
    """The currency in which the platform's charges, refunds and disputes are settled; empty: as they are."""
    exchange_rate: float = 1.6
    """What one unit of another currency is worth in that of `settle_in`."""
    refunds_wait_for_funds: bool = False
    """Keep a refund pending while the balance does not cover it, instead of going below zero."""
    decline_renewals: bool = False
    """Refuse the card when a subscription renews."""
    fail_payouts: bool = False
    """Let payouts fail at the bank."""
    payout_seconds: int = 86_400
    """How long a payout takes to arrive."""

    def turn(self, settings: dict[str, Any]) -> None:
        """Set several switches from plain values, all or none; raise UnknownSwitch."""
        kinds = {each.name: type(getattr(self, each.name)) for each in fields(self)}
        turned = {}
        for name, value in settings.items():
            if name not in kinds:
                raise UnknownSwitch(f"There is no switch called {name}.")
            turned[name] = self._fitting(name, kinds[name], value)
        for name, value in turned.items():
            setattr(self, name, value)

    @staticmethod
    def _fitting(name: str, kind: type, value: Any) -> Any:
        if name == "fail_next":
            try:
                return [each if isinstance(each, Failure) else Failure(**each) for each in value]
            except TypeError as error:
                raise UnknownSwitch(
                    "fail_next takes a list of {method, path_prefix, status, after, kept, code}."
                ) from error
        if kind is str:
            if not isinstance(value, str):
                raise UnknownSwitch(f"{name} takes a text.")
            return value.strip()
        fits = isinstance(value, (int, float)) if kind is float else isinstance(value, kind)
        if not fits or (kind is not bool and (isinstance(value, bool) or value < 0)):
            raise UnknownSwitch(f"{name} takes a {'number' if kind is float else kind.__name__}.")
        return kind(value)

    def named_in(self, switch: str, event_type: str) -> bool:
        """Say whether a switch that lists types of events (`hold_back`, `lose`) names this one."""
        return event_type in {each.strip() for each in getattr(self, switch).split(",")}

    def next_failure(self, method: str, path: str) -> Failure | None:
        """Return the failure meant for this request and use it up, if there is one."""
        for failure in self.fail_next:
            if failure.matches(method, path):
                self.fail_next.remove(failure)
                return failure
        return None

    def as_dict(self) -> dict[str, Any]:
        """Return every switch as plain values."""
        return asdict(self)
