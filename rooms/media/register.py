"""The register of media processes, as it stands in Redis: who lives, and who has the most room left."""

import json
from collections.abc import Mapping
from typing import Any, Final

MIXERS: Final = "media:mixers"  # hash: name -> {"rooms", "speakers", "at", "draining"}
EDGES: Final = "media:edges"  # hash: name -> {"listeners", "most", "at", "draining"}
HEARTBEAT_SECONDS: Final = 0.5
DEAD_AFTER_SECONDS: Final = 2.5

State = dict[str, Any]


def home_key(room: str) -> str:
    """Return where the name of the room's mixer is kept."""
    return f"media:home:{room}"


def alive(told: Mapping[str, str], *, at: float) -> dict[str, State]:
    """Return the processes that have been heard of lately, draining or not. `at` is unix seconds."""
    states: dict[str, State] = {name: json.loads(state) for name, state in told.items()}
    return {name: state for name, state in states.items() if state["at"] >= at - DEAD_AFTER_SECONDS}


def welcoming(told: Mapping[str, str], *, at: float) -> dict[str, State]:
    """Return the living that take somebody new."""
    return {name: state for name, state in alive(told, at=at).items() if not state["draining"]}
