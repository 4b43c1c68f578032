"""Signing up: which handles may be had, and what becomes of sign-ups that nobody confirmed."""

from datetime import datetime, timedelta

from allauth.account.models import EmailAddress
from django.db.models import Exists, Func, OuterRef, ProtectedError, Value
from django.db.models.functions import Lower

from accounts.models import KeptHandle, User

CONFIRM_WITHIN = timedelta(days=3)

_SAME_IN_A_HANDLE = str.maketrans("01i", "oll")

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
_RESERVED_AS_SEEN = frozenset(word.translate(_SAME_IN_A_HANDLE) for word in RESERVED)
CLOSED_PREFIX = "closed_"  # what the handle of a closed account begins with


def seen_handle(handle: str) -> str:
    """Return what is seen of a handle: "PauI_01" is seen as "paul_ol". The database compares the same."""
    return handle.lower().translate(_SAME_IN_A_HANDLE)


def is_handle_taken(handle: str) -> bool:
    """Tell whether somebody has this handle, or one that looks the same."""
    as_seen = Func(Lower("handle"), Value("01i"), Value("oll"), function="translate")
    return User.objects.annotate(as_seen=as_seen).filter(as_seen=seen_handle(handle)).exists()


class HandleReserved(ValueError):
    """Nobody may have this handle: it would pass for somebody else, or for the house."""


class HandleKept(ValueError):
    """Somebody signed up with this handle in the last days."""


class HandleLooksLikeAnother(ValueError):
    """Somebody has a handle that looks the same."""


def check_handle(handle: str) -> None:
    """Raise HandleReserved if nobody may have this handle. Whether it is taken is another question."""
    bare = seen_handle(handle.replace("_", ""))
    if bare in _RESERVED_AS_SEEN or not bare or seen_handle(handle).startswith(seen_handle(CLOSED_PREFIX)):
        raise HandleReserved(handle)


def check_not_kept(handle: str, *, at: datetime) -> None:
    """Raise HandleKept or HandleLooksLikeAnother: by people who are here, or signed up in the last days."""
    kept = KeptHandle.objects.filter(until__gt=at)
    if kept.filter(handle=handle.lower()).exists():
        raise HandleKept(handle)
    if kept.filter(seen=seen_handle(handle)).exists() or is_handle_taken(handle):
        raise HandleLooksLikeAnother(handle)


def keep_handle(handle: str, *, at: datetime) -> None:
    """Keep the handle of a sign-up as long as it may be confirmed.

    Also of one whose address had an account already, of which nothing else is left: else a second try with
    the same handle would tell which addresses have one.
    """
    kept = {"seen": seen_handle(handle), "until": at + CONFIRM_WITHIN}
    KeptHandle.objects.update_or_create(handle=handle.lower(), defaults=kept)


def forget_kept_handles(*, at: datetime) -> int:
    return KeptHandle.objects.filter(until__lte=at).delete()[0]


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
