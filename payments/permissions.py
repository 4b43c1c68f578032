"""Who may see a payee's money, and who connects the account it is paid into.

Payments knows no clubs: an app that knows says so, in its `evidence.py`.
"""

from collections.abc import Callable, Sequence

from accounts.models import User
from payments.models import Payee

Decider = Callable[[User, Payee], bool]
Namer = Callable[[Payee], Sequence[User]]
_deciders: list[Decider] = []
_namers: list[Namer] = []


def decides(decider: Decider) -> Decider:
    """Register a function that says whether a user may see this payee's money and ask for payouts."""
    _deciders.append(decider)
    return decider


def names_managers(namer: Namer) -> Namer:
    """Register a function that names who may connect this payee's account, and is told when it changes."""
    _namers.append(namer)
    return namer


def may_see(user: User, payee: Payee) -> bool:
    return any(decider(user, payee) for decider in _deciders)


def managers(payee: Payee) -> list[User]:
    """Return all who may connect the account that this payee is paid into, and change its details."""
    return [user for namer in _namers for user in namer(payee)]
