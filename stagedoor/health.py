"""Whether this process is alive, and whether all it leans on answers."""

import psycopg
import redis
from django.conf import settings
from django.db import connection
from django.http import HttpRequest, JsonResponse
from django.utils.timezone import now
from django.views.decorators.http import require_safe

from stagedoor import beats

SECONDS = 2.0


@require_safe
def healthz(_request: HttpRequest) -> JsonResponse:
    """Say that the process answers; it asks nothing else, so that a slow database restarts no web server."""
    return JsonResponse({"status": "ok"})


@require_safe
def readyz(_request: HttpRequest) -> JsonResponse:
    """Say whether people can be served: 200, or 503 with the part that does not answer."""
    parts = {"database": _database_answers(), "redis": _redis_answers()}
    ready = all(parts.values())
    return JsonResponse({"status": "ok" if ready else "unready", **parts}, status=200 if ready else 503)


@require_safe
def timetablez(_request: HttpRequest) -> JsonResponse:
    """Say whether each line of the timetable finds a worker: 200, or 503 with the seconds since one did.

    For whoever watches, not for a load balancer: people can be served while a letter waits.
    """
    try:
        missed = beats.missed(at=now())
    except redis.RedisError:
        return JsonResponse({"status": "unknown", "redis": False}, status=503)
    return JsonResponse(
        {"status": "late" if missed else "ok", "missed": missed}, status=503 if missed else 200
    )


def _database_answers() -> bool:
    # On a connection of its own: those of the pool wait without an end for a database that hangs.
    asked = connection.get_connection_params() | {
        "connect_timeout": int(SECONDS),
        "options": f"-c statement_timeout={int(SECONDS * 1000)}",
        "autocommit": True,
    }
    try:
        with psycopg.connect(**asked) as own:
            own.execute("SELECT 1")
    except psycopg.Error:
        return False
    return True


def _redis_answers() -> bool:
    try:
        with redis.Redis.from_url(settings.REDIS_URL, socket_timeout=SECONDS) as client:
            return bool(client.ping())
    except redis.RedisError:
        return False
