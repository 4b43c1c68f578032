import secrets
from collections.abc import Callable
from typing import Final
from urllib.parse import urlencode, urlsplit

import structlog
from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import Resolver404, resolve, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.defaults import page_not_found

from accounts import timezones

log = structlog.get_logger(__name__)

GetResponse = Callable[[HttpRequest], HttpResponse]
SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})


def request_logging(get_response: GetResponse) -> GetResponse:
    """Write one line per request: method, route (never the path, which may hold a secret), status."""

    def middleware(request: HttpRequest) -> HttpResponse:
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request=secrets.token_hex(6))
        response = get_response(request)
        route = request.resolver_match.route if request.resolver_match else "unknown"
        if not route.startswith("static/"):
            log.info("request", method=request.method, route=route, status=response.status_code)
        return response

    return middleware


def signed_out_meanwhile(get_response: GetResponse) -> GetResponse:
    """Lead whoever pressed a button after their session had ended back to the page on which it stood.

    The address of a form's action shows nothing, and a part of a page cannot hold the whole of another.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        to = response.headers.get("Location", "")
        is_part = "HX-Request" in request.headers
        if request.user.is_authenticated or to.partition("?")[0] != reverse(settings.LOGIN_URL):
            return response
        if request.method in SAFE and not is_part:
            return response
        came_from = request.headers.get("HX-Current-URL") or request.headers.get("Referer", "")
        page = urlsplit(came_from)
        is_ours = page.netloc == request.get_host()
        back = page._replace(scheme="", netloc="").geturl() if is_ours else reverse("home")
        sign_in = f"{reverse(settings.LOGIN_URL)}?{urlencode({'next': back})}"
        if is_part:
            return HttpResponse(headers={"HX-Redirect": sign_in})
        messages.warning(
            request, _("You were signed out. Nothing was sent yet: sign in, and press once more.")
        )
        return HttpResponseRedirect(sign_in)

    return middleware


def viewer_timezone(get_response: GetResponse) -> GetResponse:
    """Show times in the zone the signed-in person chose; for others a script does it in the browser."""

    def middleware(request: HttpRequest) -> HttpResponse:
        zone = timezones.info(getattr(request.user, "timezone", ""))
        if zone is not None:
            with timezone.override(zone):
                return get_response(request)
        return get_response(request)

    return middleware


class OwnNotFound:
    """Show the product's own 404 in development, too, where Django would show its list of addresses."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        try:
            resolve(request.path_info)
        except Resolver404 as missing:
            return page_not_found(request, missing)
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, problem: Exception) -> HttpResponse | None:
        return page_not_found(request, problem) if isinstance(problem, Http404) else None
