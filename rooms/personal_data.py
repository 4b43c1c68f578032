"""What the rooms hold about a person: a room forgets, so it is little."""

from typing import Any

from accounts.models import User
from accounts.personal_data import LONGEST_LIST, Traces, exports, forgets
from rooms.models import Ban, DeliveryFact, Seat


@exports("rooms")
def _rooms(*, user: User) -> dict[str, Any]:
    seats = Seat.objects.filter(user=user).order_by("taken_at")
    heard = DeliveryFact.objects.filter(ticket__holder=user).order_by("pk")
    return {
        "seats": [dict(row) for row in seats.values("room_id", "role", "status", "taken_at")[:LONGEST_LIST]],
        "heard": [dict(row) for row in heard.values("event__title", "seconds", "first_at", "last_at")],
        "bans": [dict(row) for row in Ban.objects.filter(user=user).values("reason")],
        "bans_given": [dict(row) for row in Ban.objects.filter(by=user).values("reason")],
    }


@forgets
def _forget(*, user: User, traces: Traces) -> None:
    """Forget how their pages were known, and the words of bans that name them."""
    Seat.objects.filter(user=user).update(resume_hash="", tab="", session="")
    Ban.objects.filter(traces.in_text("reason")).update(reason=traces.left_out("reason"))
    Ban.objects.filter(user=user).update(reason="")
