"""One stand-in: what it knows, how it is switched, and whom it tells."""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from payments.sandbox.parameters import Spec
from payments.sandbox.shapes import Body
from payments.sandbox.state import State
from payments.sandbox.switches import Switches

API_VERSION = "2026-10-28.endive"
MOST_ASKED = 1000


@dataclass(frozen=True)
class Endpoint:
    """Where webhooks go. `connect`: those about connected accounts; otherwise those about the platform.

    `events`: the types it was made for, as an endpoint at Stripe names its own; None: all of them.
    """

    url: str
    secret: str
    connect: bool
    events: frozenset[str] | None = None

    def wants(self, event_type: str) -> bool:
        """Say whether events of this type are sent here."""
        return self.events is None or event_type in self.events


@dataclass(frozen=True)
class Call:
    """One API request that is well formed: its parameters, the ids in its path, and on whose behalf."""

    params: dict[str, Any] = field(default_factory=dict)
    ids: Mapping[str, str] = field(default_factory=dict)
    account: str | None = None
    path: str = ""
    request_id: str | None = None
    idempotency_key: str | None = None


@dataclass(frozen=True)
class Asked:
    """One call that came with an idempotency key, as it came, be it a repetition or refused."""

    key: str
    path: str
    params: dict[str, Any]


@dataclass
class World:
    state: State
    switches: Switches
    endpoints: tuple[Endpoint, ...]
    base_url: str = ""
    asking: Call | None = None
    """The API request that is being carried out: events name it."""
    asked: deque[Asked] = field(default_factory=lambda: deque(maxlen=MOST_ASKED))
    """The last calls with a key, for who wants to know whether keys were used rightly."""


Handler = Callable[[World, Call], Body]


@dataclass(frozen=True)
class Route:
    """One endpoint of the API: `path` holds `{names}`, and `spec` lists every parameter it takes."""

    method: str
    path: str
    handler: Handler
    spec: Spec
