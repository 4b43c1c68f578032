"""Signing up: which handles may be had, and what becomes of sign-ups that nobody confirmed."""

from datetime import datetime, timedelta

from allauth.account.models import EmailAddress
from django.db.models import Exists, OuterRef, ProtectedError

from accounts.models import User

CONFIRM_WITHIN = timedelta(days=3)

# Words that would pass for the house, its staff or its pages. Compared without case and underscores.
_WORDS = (
    "about abuse account accounts admin administrator anonymous api audience auth billing bot cashier "
    "club clubs contact event events everybody everyone finance guest healthz help here home host info "
    "legal listener login logout mail me media mod moderator money news nobody none noreply null "
    "official order orders owner payment payments payout payouts postmaster press privacy readyz refund "
    "refunds review room rooms root safety security self settings signup speaker staff stagedoor static "
    "status styleguide superuser support system team terms test ticket tickets undefined unknown user "
    "users webhook webmaster www you "
)
RESERVED = frozenset(_WORDS.split())
CLOSED_PREFIX = "closed_"  # what the handle of a closed account begins with


class HandleReserved(ValueError):
    """Nobody may have this handle: it would pass for somebody else, or for the house."""


def check_handle(handle: str) -> None:
    """Raise HandleReserved if nobody may have this handle. Whether it is taken is another question."""
    bare = handle.replace("_", "").lower()
    if bare in RESERVED or not bare or handle.lower().startswith(CLOSED_PREFIX):
        raise HandleReserved(handle)


def forget_unconfirmed(*, at: datetime) -> int:
    """Delete accounts that never confirmed an address, so that nobody sits on handles. Return how many."""
    confirmed = EmailAddress.objects.filter(user=OuterRef("pk"), verified=True)
    stale = User.objects.filter(
        ~Exists(confirmed),
        date_joined__lt=at - CONFIRM_WITHIN,
        last_login=None,
        is_staff=False,
        is_finance=False,
        closed_at=None,
    )
    return sum(_forget(user) for user in stale[:1000])


def _forget(user: User) -> bool:
    try:
        user.delete()
    except ProtectedError:  # something points at it, made by hand: not a sign-up left lying
        return False
    return True
