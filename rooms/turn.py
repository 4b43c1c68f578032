"""Which STUN and TURN servers a browser may use. Our TURN servers take credentials that count for minutes.

These are those of coturn's REST scheme (`use-auth-secret`): the name says until when they count, the password
is the HMAC of the name. Nobody is named in them, and nothing of them is kept or logged.
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.conf import settings

from rooms.protocol import IceServer


def ice_servers(*, at: datetime) -> list[IceServer]:
    """Return what a browser is told, with credentials made at `at` that count for TURN_SECONDS."""
    servers = [IceServer(urls=[url]) for url in settings.ICE_SERVERS]
    if settings.TURN_URLS and settings.TURN_SECRET:
        username, credential = _credentials(at + timedelta(seconds=settings.TURN_SECONDS))
        servers.append(IceServer(urls=settings.TURN_URLS, username=username, credential=credential))
    return servers


def links(servers: Sequence[IceServer]) -> str:
    """Return the same as a Link header (RFC 9725, section 4.6), one link for each address."""
    return ", ".join(
        f'<{url}>; rel="ice-server"{_secret(server)}' for server in servers for url in server.urls
    )


def _secret(server: IceServer) -> str:
    if server.credential is None:
        return ""
    return f'; username="{server.username}"; credential="{server.credential}"; credential-type="password"'


def _credentials(until: datetime) -> tuple[str, str]:
    """Return a name never used before, and its password."""
    username = f"{int(until.timestamp())}:{secrets.token_hex(8)}"
    # SHA-1 is what coturn computes; an HMAC with it is sound.
    code = hmac.new(settings.TURN_SECRET.encode(), username.encode(), hashlib.sha1)
    return username, base64.b64encode(code.digest()).decode()
