"""Who may see a payee's money. Payments knows no clubs: an app that knows says so, in its `evidence.py`."""

from collections.abc import Callable

from accounts.models import User
from payments.models import Payee

Decider = Callable[[User, Payee], bool]
_deciders: list[Decider] = []


def decides(decider: Decider) -> Decider:
    """Register a function that says whether a user may see this payee's money and ask for payouts."""
    _deciders.append(decider)
    return decider


def may_see(user: User, payee: Payee) -> bool:
    return any(decider(user, payee) for decider in _deciders)
