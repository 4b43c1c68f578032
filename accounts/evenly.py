"""As much work for an address that has an account as for one that has none.

Whoever measures how long an answer takes must not learn who has an account. Time itself cannot be made
equal; what takes it can: hashes, queries and letters. Each function here makes up for what the other case
does, and `tests/accounts/test_same_work.py` counts.
"""

import secrets
from uuid import UUID

from allauth.account.models import EmailAddress

from accounts.models import User

NOBODY = UUID(int=0)
NOWHERE = "nobody@nowhere.invalid"


def look_it_up(address: str) -> None:
    """Look as long for an address that is found at once: allauth looks in a second place if not."""
    if EmailAddress.objects.filter(email=address.lower(), verified=True).exists():
        list(User.objects.filter(email=NOWHERE).iterator(2000))


def make_no_token() -> None:
    """Ask what the token of a reset is made of, for nobody."""
    EmailAddress.objects.filter(user_id=NOBODY, email=NOWHERE).exists()
    list(EmailAddress.objects.filter(user_id=NOBODY).values_list("email", flat=True))


def somewhere() -> str:
    """Return an address that is nobody's, for a sign-up whose own address is taken."""
    return f"{secrets.token_hex(16)}@nowhere.invalid"


def confirm_nothing() -> None:
    """Ask what allauth asks about the address of a new account before it sends the code."""
    for _question in range(3):
        EmailAddress.objects.filter(user_id=NOBODY, email=NOWHERE).exists()
    User.objects.filter(pk=NOBODY).first()
