"""What every answer has, whatever made it: a page, a file, a redirect, a refusal or a fault.

The middleware stands outermost, so that nothing is answered past it.
"""

import gzip
import secrets
from collections.abc import Callable
from typing import Final
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.cache import add_never_cache_headers, patch_vary_headers

GetResponse = Callable[[HttpRequest], HttpResponseBase]

METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
# Everything comes from our own origin. Forms may lead to Stripe: Checkout and onboarding are redirects.
STRIPE: Final = "https://checkout.stripe.com https://connect.stripe.com https://billing.stripe.com"
POLICY: Final = (
    "default-src 'self'; img-src 'self' data:; media-src 'self' blob: mediastream:; "
    "connect-src 'self'{sockets}; form-action 'self' {pays}; object-src 'none'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(self)",
}
# What everybody sees alike while nobody is signed in and no session has begun. All else is one person's.
PUBLIC: Final = frozenset(
    {"home", "healthz", "readyz", "clubs:list", "clubs:club", "ticketing:event", "ticketing:club_events"}
)
# Pages that show a secret beside what somebody else may have written are sent as they are (BREACH).
SHOW_SECRETS: Final = frozenset(
    {
        "accounts:undo_address",
        "clubs:invitation",
        "clubs:officers",
        "mfa_activate_totp",
        "mfa_view_recovery_codes",
        "ticketing:claim",
        "ticketing:my_tickets",
        "ticketing:new_link",
        "ticketing:order",
        "ticketing:order_state",
    }
)
WORTH_IT: Final = 500  # bytes; below it compressing saves nothing
MOST_PADDING: Final = 100  # bytes of noise in the header, so that lengths tell less (Heal the BREACH)


def only_known_methods(get_response: GetResponse) -> GetResponse:
    """Refuse TRACE and whatever else no page of ours knows, files included."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        if request.method not in METHODS:
            return HttpResponse(status=405, headers={"Allow": ", ".join(METHODS)})
        return get_response(request)

    return middleware


def security_headers(get_response: GetResponse) -> GetResponse:
    """Say what the answer may do in a browser, on every answer."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        policy = POLICY.format(sockets=_sockets(request), pays=_where_people_pay())
        response.headers.setdefault("Content-Security-Policy", policy)
        return response

    return middleware


def _sockets(request: HttpRequest) -> str:
    try:
        host = request.get_host()
    except DisallowedHost:  # a host of nobody's gets its refusal, with the rest of the policy
        return ""
    return f" {'wss' if request.is_secure() else 'ws'}://{host}"


def _where_people_pay() -> str:
    if not settings.STRIPE_API_BASE:
        return STRIPE
    stand_in = urlsplit(settings.STRIPE_API_BASE)
    return f"{stand_in.scheme}://{stand_in.netloc}"


def kept_by_nobody(get_response: GetResponse) -> GetResponse:
    """Let no cache keep what one person sees. Only what everybody sees alike may be kept."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        if not _is_public(request, response):
            add_never_cache_headers(response)
        return response

    return middleware


def _is_public(request: HttpRequest, response: HttpResponseBase) -> bool:
    if response.cookies or request.COOKIES.get(settings.SESSION_COOKIE_NAME):
        return False
    match = request.resolver_match
    return match is not None and match.view_name in PUBLIC and response.status_code == 200


def compressed(get_response: GetResponse) -> GetResponse:
    """Compress pages, and leave alone what streams, is encoded already, or shows a secret."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        if isinstance(response, HttpResponse) and _is_a_page(request, response):
            patch_vary_headers(response, ("Accept-Encoding",))
            if "gzip" in request.headers.get("Accept-Encoding", ""):
                response.content = _gzipped(response.content)
                response.headers["Content-Encoding"] = "gzip"
                response.headers["Content-Length"] = str(len(response.content))
        return response

    return middleware


def _is_a_page(request: HttpRequest, response: HttpResponse) -> bool:
    match = request.resolver_match
    return (
        response.headers.get("Content-Type", "").startswith("text/html")
        and not response.streaming
        and not response.has_header("Content-Encoding")
        and len(response.content) >= WORTH_IT
        and (match is None or match.view_name not in SHOW_SECRETS)
    )


def _gzipped(body: bytes) -> bytes:
    """Return the body as gzip with a file name of random length in its header, which every reader skips."""
    whole = gzip.compress(body, compresslevel=6, mtime=0)
    name = secrets.token_hex(MOST_PADDING)[: secrets.randbelow(MOST_PADDING) + 1].encode()
    flag_of_a_name = 8
    header = whole[:3] + bytes([whole[3] | flag_of_a_name]) + whole[4:10]
    return header + name + b"\0" + whole[10:]
