import secrets
from collections.abc import Callable

import structlog
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import Resolver404, resolve
from django.utils import timezone
from django.views.defaults import page_not_found

from accounts import timezones

log = structlog.get_logger(__name__)

GetResponse = Callable[[HttpRequest], HttpResponse]


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
