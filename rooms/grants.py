"""Leave to do one thing once: issued to a seat, used within a minute, dead when the seat's epoch moves."""

import hashlib
import secrets
from datetime import datetime, timedelta

from rooms.models import Grant, Seat

GRANT_SECONDS = 60


class BadGrant(Exception):
    """Nobody issued this, or it was used, is too old, or belongs to a seat that has lost its place since."""


def issue(*, seat: Seat, use: Grant.Use, at: datetime) -> str:
    """Return a secret for one `use` of this seat. Only its hash is kept."""
    token = secrets.token_urlsafe(32)
    Grant.objects.create(
        token_hash=digest(token),
        seat=seat,
        use=use,
        epoch=seat.epoch,
        expires_at=at + timedelta(seconds=GRANT_SECONDS),
    )
    return token


def redeem(*, token: str, use: Grant.Use, at: datetime) -> Seat:
    """Use the grant up and return its seat, with room, event and person. Raise BadGrant.

    The conditional UPDATE names no other table: a joined one would be looked at as it was before a rival won.
    """
    grants = Grant.objects.filter(token_hash=digest(token), use=use, used_at=None, expires_at__gt=at)
    if not grants.update(used_at=at):
        raise BadGrant("This grant is unknown, used or too old.")
    grant = Grant.objects.select_related("seat__room__event__club", "seat__user").get(
        token_hash=digest(token)
    )
    if not grant.seat.is_seated or grant.seat.epoch != grant.epoch:
        raise BadGrant("The seat has lost its place since.")
    return grant.seat


def forget_old(*, at: datetime) -> int:
    """Delete what can be used no more. Return how many there were."""
    return Grant.objects.filter(expires_at__lt=at).delete()[0]


def digest(secret: str) -> str:
    """Return what is kept of a secret: SHA-256, for these are random and long, and need no slow hash."""
    return hashlib.sha256(secret.encode()).hexdigest()
