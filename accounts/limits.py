"""How often one may try: the network is slowed down, and the pair of network and account, never the account.

Five wrong passwords by a stranger must not lock the owner out. Guesses from one network are bounded by the
network; guesses from very many networks are bounded by nothing here, and by the strength of the password.
allauth's own limits stand in the settings: there `key` is the pair, and `ip` the network (of IPv6 its /64).
"""

from typing import Final

from allauth.account.adapter import get_adapter
from allauth.core import context
from allauth.core.internal import ratelimit
from django.http import HttpRequest

# Letters that anybody may have sent to an address: for the pair, and so that no mailbox is flooded.
LETTERS: Final = {"pair": "3/m/key,20/h/key", "mailbox": "60/h/key"}


def network(request: HttpRequest) -> str:
    """Return where the request comes from: behind our proxy what the proxy saw, else what we see."""
    return str(ratelimit.get_ip(request))


def pair(request: HttpRequest, account: str) -> str:
    return f"{network(request)} {account.strip().lower()}"


def ask_for_a_letter(address: str) -> None:
    """Count one more letter that a stranger has us send there. Raise ValidationError if it is too many."""
    request = context.request
    keys = {"pair": pair(request, address), "mailbox": address.lower()}
    for action, key in keys.items():
        if not ratelimit.consume(request, app="accounts", action=action, config=LETTERS, key=key):
            raise get_adapter().validation_error("too_many_login_attempts")
