"""Second factors in tests: a person sets one up, shows it, and time goes by."""

from datetime import timedelta
from time import time

from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal import auth
from django.core.cache import cache
from django.test import Client

from accounts.models import User
from tests.accounts.people import sign_in

SEED = "JBSWY3DPEHPK3PXP"
RECORDS = "account_authentication_methods"


def code(seed: str = SEED) -> str:
    _before, counter, _after = auth.yield_hotp_counters_from_time()
    return str(auth.format_hotp_value(auth.hotp_value(seed, counter)))


def sign_in_with_factor(client: Client, user: User) -> None:
    """Sign in with password and code, as somebody who has set up an authenticator app."""
    if not Authenticator.objects.filter(user=user, type=Authenticator.Type.TOTP).exists():
        auth.TOTP.activate(user, SEED)
    sign_in(client, user)
    client.post("/account/2fa/authenticate/", {"code": code()})


def let_time_pass(client: Client, passed: timedelta) -> None:
    """Make everything that this browser has shown of itself that much older."""
    session = client.session
    session[RECORDS] = [
        {**record, "at": min(record["at"], time()) - passed.total_seconds()} for record in session[RECORDS]
    ]
    session.save()
    cache.clear()  # where allauth keeps which codes were used
