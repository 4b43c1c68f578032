"""What every answer has, whatever made it: every address, every kind of refusal, files and faults."""

import gzip
import json
import os
import re
import subprocess
import sys
from typing import Any

import pytest
from django.conf import settings as settings_of_the_run
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.test import Client
from django.urls import include, path

from accounts.models import User
from clubs.models import Club
from stagedoor import edge
from tests import addresses
from tests.accounts.factors import sign_in_with_factor
from ticketing.models import Event

pytestmark = pytest.mark.django_db
POLICY = {
    "default-src": "'self'",
    "img-src": "'self' data:",
    "media-src": "'self' blob: mediastream:",
    "connect-src": "'self' ws://testserver",
    "object-src": "'none'",
    "base-uri": "'none'",
    "frame-ancestors": "'none'",
}
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(self)",
}
ATTACKER = "zzattackerzz"


def breaks(_request: HttpRequest) -> HttpResponse:
    raise RuntimeError


def page(request: HttpRequest) -> HttpResponse:
    return HttpResponse("<p>" + request.GET.get("q", "word ") * 200)


def encoded(_request: HttpRequest) -> HttpResponse:
    return HttpResponse(b"\0" * 2000, headers={"Content-Encoding": "br"})


def streams(_request: HttpRequest) -> StreamingHttpResponse:
    return StreamingHttpResponse(["word " * 300])


urlpatterns = [
    path("breaks/", breaks),
    path("page/", page),
    path("secret/", page, name="mfa_activate_totp"),
    path("encoded/", encoded),
    path("streams/", streams),
    path("", include("stagedoor.urls")),
]


def policy_of(response: Any) -> dict[str, str]:
    parts = response.headers.get("Content-Security-Policy", "").split("; ")
    return dict(part.split(" ", 1) for part in parts if " " in part)


def lacks(response: Any) -> set[str]:
    """Return what this answer lacks of what every answer has."""
    policy = policy_of(response)
    form_action = policy.pop("form-action", "")
    missing = {name for name, value in HEADERS.items() if response.headers.get(name) != value}
    missing |= {name for name in POLICY if policy.get(name) != POLICY[name]} | (set(policy) - set(POLICY))
    return missing | (set() if form_action.startswith("'self' http") else {"form-action"})


def shut(response: Any) -> None:
    """Close the file that an answer reads from; close() itself would end the test's transaction, too."""
    for closer in response._resource_closers:
        closer()


def is_kept(response: Any) -> bool:
    return "no-store" not in response.headers.get("Cache-Control", "")


@pytest.fixture
def staff(rae: User) -> Client:
    """Return a browser of somebody who may look at everything, whatever breaks there."""
    User.objects.filter(pk=rae.pk).update(is_staff=True, is_superuser=True)
    client = Client(raise_request_exception=False)
    sign_in_with_factor(client, rae)
    return client


@pytest.mark.parametrize("method", ["get", "post", "options", "delete"])
def test_every_address_has_every_header_and_no_cache_keeps_what_one_person_sees(
    staff: Client, method: str
) -> None:
    stranger = Client(raise_request_exception=False)
    seen = set()
    for address in addresses.every():
        for who in (stranger, staff):
            if who is staff and address.name == "account_logout":
                continue
            answer = getattr(who, method)(address.path())
            seen.add(answer.status_code)
            assert (address.name, lacks(answer)) == (address.name, set())
            if who is staff:
                assert (address.name, is_kept(answer)) == (address.name, False)
    assert seen >= {200, 302, 404, 405} if method == "get" else seen


def test_pages_with_something_on_them_are_kept_by_nobody_either(
    staff: Client, event: Event, club: Club
) -> None:
    for known in (f"/events/{event.slug}/", f"/clubs/{club.slug}/", "/", "/tickets/", "/me/"):
        answer = staff.get(known)
        assert (known, answer.status_code, is_kept(answer), lacks(answer)) == (known, 200, False, set())


def test_only_named_pages_may_be_kept_and_only_of_strangers(event: Event) -> None:
    kept = {
        address.name
        for address in addresses.every()
        if is_kept(Client(raise_request_exception=False).get(address.path(slug=event.slug)))
    }
    assert kept <= edge.PUBLIC
    assert {"healthz", "readyz"} <= kept


@pytest.mark.parametrize(
    ("request_of", "status"),
    [
        (lambda client: client.get("/no/such/page/"), 404),
        (lambda client: client.get("/static/no-such-file.css"), 404),
        (lambda client: client.get("/static/stagedoor.css"), 200),
        (lambda client: client.get("/favicon.ico"), 200),
        (lambda client: client.get("/me/"), 302),
        (lambda client: client.get("/payments/webhook/"), 405),
        (lambda client: client.post("/payments/webhook/", "{}", content_type="application/json"), 400),
        (lambda client: client.post("/account/login/", {}), 403),
        (lambda client: client.get("/breaks/"), 500),
        (lambda client: client.trace("/"), 405),
        (lambda client: client.trace("/static/stagedoor.css"), 405),
        (lambda client: client.generic("TRACK", "/healthz"), 405),
    ],
)
def test_every_kind_of_answer_has_every_header(settings: Any, request_of: Any, status: int) -> None:
    settings.ROOT_URLCONF = __name__
    client = Client(enforce_csrf_checks=True, raise_request_exception=False)
    answer = request_of(client)
    shut(answer)
    assert (answer.status_code, lacks(answer)) == (status, set())


def test_a_host_of_nobody_s_is_refused_with_the_headers_too() -> None:
    answer = Client(headers={"Host": "evil.example"}).get("/")
    assert answer.status_code == 400
    assert policy_of(answer)["connect-src"] == "'self'"
    assert {name: answer.headers[name] for name in HEADERS} == HEADERS


def test_forms_may_lead_to_where_people_pay(settings: Any) -> None:
    settings.STRIPE_API_BASE = "http://127.0.0.1:8012"
    assert policy_of(Client().get("/"))["form-action"] == "'self' http://127.0.0.1:8012"
    settings.STRIPE_API_BASE = ""
    assert policy_of(Client().get("/"))["form-action"] == (
        "'self' https://checkout.stripe.com https://connect.stripe.com https://billing.stripe.com"
    )


@pytest.mark.parametrize(
    ("asked", "kind"),
    [
        ("/favicon.ico", "image/"),
        ("/apple-touch-icon.png", "image/png"),
        ("/apple-touch-icon-precomposed.png", "image/png"),
        ("/robots.txt", "text/plain"),
    ],
)
def test_what_browsers_and_robots_ask_for_is_there(asked: str, kind: str) -> None:
    answer = Client().get(asked)
    shut(answer)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith(kind)


def test_a_page_is_compressed_for_whoever_reads_that(settings: Any) -> None:
    settings.ROOT_URLCONF = __name__
    plain = Client().get("/page/")
    packed = Client(headers={"Accept-Encoding": "gzip, br"}).get("/page/")
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.content) == plain.content
    assert len(packed.content) < len(plain.content) / 2
    assert packed.headers["Content-Length"] == str(len(packed.content))
    assert "Accept-Encoding" in packed.headers["Vary"]
    assert "Content-Encoding" not in plain.headers


def test_the_length_of_a_compressed_page_is_not_always_the_same(settings: Any) -> None:
    settings.ROOT_URLCONF = __name__
    client = Client(headers={"Accept-Encoding": "gzip"})
    assert len({client.get("/page/").headers["Content-Length"] for _look in range(20)}) > 1


@pytest.mark.parametrize("left_alone", ["/encoded/", "/streams/", "/secret/", "/healthz"])
def test_what_streams_is_encoded_or_shows_a_secret_is_left_alone(settings: Any, left_alone: str) -> None:
    settings.ROOT_URLCONF = __name__
    answer = Client(headers={"Accept-Encoding": "gzip"}).get(left_alone)
    assert answer.headers.get("Content-Encoding") in {None, "br"}


def test_every_page_that_is_named_as_public_or_secret_exists() -> None:
    assert {address.name for address in addresses.every()} >= edge.PUBLIC | edge.SHOW_SECRETS


def with_https(*names: str) -> dict[str, Any]:
    """Return settings as a house with https has them."""
    code = (
        "import json; from django.conf import settings; "
        f"print(json.dumps({{name: getattr(settings, name) for name in {names!r}}}))"
    )
    environment = {
        **os.environ,
        "BASE_URL": "https://stagedoor.example",
        "DJANGO_SETTINGS_MODULE": "stagedoor.settings",
    }
    done = subprocess.run(  # noqa: S603 -- our own arguments
        [sys.executable, "-W", "ignore", "-c", code],
        cwd=settings_of_the_run.BASE_DIR,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_with_https_every_cookie_is_this_host_s_alone() -> None:
    assert with_https(
        "SESSION_COOKIE_NAME", "CSRF_COOKIE_NAME", "LANGUAGE_COOKIE_NAME", "SESSION_COOKIE_SECURE",
        "CSRF_COOKIE_SECURE", "LANGUAGE_COOKIE_SECURE", "SESSION_COOKIE_DOMAIN", "SESSION_COOKIE_PATH",
        "CSRF_COOKIE_PATH",
    ) == {
        "SESSION_COOKIE_NAME": "__Host-sessionid",
        "CSRF_COOKIE_NAME": "__Host-csrftoken",
        "LANGUAGE_COOKIE_NAME": "__Host-language",
        "SESSION_COOKIE_SECURE": True,
        "CSRF_COOKIE_SECURE": True,
        "LANGUAGE_COOKIE_SECURE": True,
        "SESSION_COOKIE_DOMAIN": None,
        "SESSION_COOKIE_PATH": "/",
        "CSRF_COOKIE_PATH": "/",
    }  # fmt: skip


def test_a_form_of_a_million_letters_is_refused() -> None:
    answer = Client().post("/account/login/", {"login": "x" * 1_000_001})
    assert answer.status_code in {400, 413}


def test_redis_in_the_compose_file_asks_for_a_password() -> None:
    compose = (settings_of_the_run.BASE_DIR / "compose.yaml").read_text()
    redis = re.search(r"\n  redis:\n(.*?)(?=\n\S|\n  \w)", compose, re.DOTALL)
    assert redis is not None
    assert "--requirepass" in redis[1]
    assert "REDIS_PASSWORD:?" in redis[1]
