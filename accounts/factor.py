"""The second factor: who moves money, and who has the keys of the house, shows it, and again for each act.

One mechanism in three strengths; a view says by its decorator which one it has, and a test walks all
addresses and knows each by name.

- `second_factor_required`: to look, the factor must have been used in this session; to act, in the last ten
  minutes.
- `fresh_factor_required`: within ten minutes, whatever is asked for.
- `factor_of_whoever_has_one`: to act, within ten minutes, for people who have set one up. Others pass.

What was typed is not lost on the detour: the form is kept in the session, and offered again after it.
"""

import secrets
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import wraps
from typing import Any, Concatenate, Final, ParamSpec, TypeVar
from urllib.parse import urlsplit

from allauth.account.authentication import get_authentication_records
from allauth.account.internal.flows.login import record_authentication
from allauth.mfa.models import Authenticator
from allauth.mfa.signals import authenticator_added
from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect, QueryDict
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.timezone import now
from django.utils.translation import gettext as _

from accounts.models import User

FRESH_FOR: Final = timedelta(minutes=10)
# Recovery codes are no factor of their own: they lead back in, to set up a new one.
FACTORS: Final = (Authenticator.Type.WEBAUTHN, Authenticator.Type.TOTP)
PAGES: Final = {
    Authenticator.Type.WEBAUTHN: "mfa_reauthenticate_webauthn",
    Authenticator.Type.TOTP: "mfa_reauthenticate",
}
SAFE: Final = ("GET", "HEAD", "OPTIONS")
WAY_BACK: Final = "factor_way_back"  # read by templates/mfa/way_back.html
KEPT_FOR: Final = timedelta(hours=1)
MOST_KEPT: Final = 50_000  # characters of a form; a longer one is nobody's typing

Arguments = ParamSpec("Arguments")
Response = TypeVar("Response", bound=HttpResponseBase)
View = Callable[Concatenate[HttpRequest, Arguments], Response]
Guarded = Callable[Concatenate[HttpRequest, Arguments], Response | HttpResponse]


def was_used(request: HttpRequest, *, since: datetime | None = None) -> bool:
    """Return whether the person has used their second factor in this session, or since a moment."""
    if not request.user.is_authenticated:
        return False
    used_at = [
        float(record["at"])
        for record in get_authentication_records(request, request.user)
        if record["method"] == "mfa" and record.get("type") in FACTORS
    ]
    return any(since is None or moment > since.timestamp() for moment in used_at)


def has_shown(request: HttpRequest, *, since: datetime) -> bool:
    """Return whether the person has shown by any means who they are: signed in, or been asked again."""
    if not request.user.is_authenticated:
        return False
    records = get_authentication_records(request, request.user)
    return any(float(record["at"]) > since.timestamp() for record in records)


def is_fresh(request: HttpRequest) -> bool:
    """Return whether the second factor was used within the last ten minutes."""
    return was_used(request, since=now() - FRESH_FOR)


def has_one(user: User) -> bool:
    return bool(Authenticator.objects.filter(user=user, type__in=FACTORS).exists())


def second_factor_required(view: View[Arguments, Response]) -> Guarded[Arguments, Response]:
    """Show the view to people who used their factor in this session; let them act for ten minutes."""

    def may(request: HttpRequest) -> bool:
        return was_used(request) if request.method in SAFE else is_fresh(request)

    return _guarded(view, may, "to act")


def fresh_factor_required(view: View[Arguments, Response]) -> Guarded[Arguments, Response]:
    """Open the view only within ten minutes of the second factor."""
    return _guarded(view, is_fresh, "always")


def factor_of_whoever_has_one(view: View[Arguments, Response]) -> Guarded[Arguments, Response]:
    """Let people act only within ten minutes of their second factor, if they have set one up."""

    def may(request: HttpRequest) -> bool:
        if request.method in SAFE or not isinstance(request.user, User):
            return True
        return is_fresh(request) or not has_one(request.user)

    return _guarded(view, may, "if set up")


def _guarded(
    view: View[Arguments, Response], may: Callable[[HttpRequest], bool], asks: str
) -> Guarded[Arguments, Response]:
    def guarded(
        request: HttpRequest, /, *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> Response | HttpResponse:
        return view(request, *args, **kwargs) if may(request) else ask(request)

    wrapper = wraps(view)(guarded)
    vars(wrapper)["asks_factor"] = asks  # kept by every decorator around it; the table of the tests reads it
    return wrapper


def ask(request: HttpRequest) -> HttpResponse:
    """Lead the person to their second factor, or to setting one up, and keep what they were about to do."""
    if not request.user.is_authenticated:
        return redirect_to_login(request.get_full_path() if request.method in SAFE else reverse("home"))
    back = request.get_full_path() if request.method in SAFE else _keep(request)
    page = _page_of(request.user)
    if page is None:
        if request.method in SAFE:
            request.session[WAY_BACK] = _way(back, None)
        page = reverse("mfa_index")
        messages.warning(
            request,
            _(
                "Where money is moved we ask for a second factor: a passkey, or an app on your phone that "
                "shows a code. Set one up here, then go on where you were."
            ),
        )
    else:
        page = f"{page}?{urlencode({'next': back})}"
    if request.headers.get("HX-Request"):  # a fragment cannot hold that page
        return HttpResponse(headers={"HX-Redirect": page})
    return HttpResponseRedirect(page)


def kept(request: HttpRequest, token: str) -> dict[str, Any] | None:
    """Return what was kept under this token: where to go on, and the form's fields if one was sent."""
    way = request.session.get(WAY_BACK)
    if not way or not secrets.compare_digest(way["token"], token):
        return None
    if now().timestamp() - way["at"] > KEPT_FOR.total_seconds():
        return None
    form = QueryDict(way["form"]) if way["form"] is not None else None
    fields = None if form is None else [(name, value) for name, values in form.lists() for value in values]
    return {"path": way["path"], "fields": fields}


def forget_way_back(request: HttpRequest) -> None:
    request.session.pop(WAY_BACK, None)


def _keep(request: HttpRequest) -> str:
    """Keep the form that was sent, and return the address at which it is offered again."""
    form = request.POST.copy()
    form.pop("csrfmiddlewaretoken", None)
    words = form.urlencode()
    if request.FILES or len(words) > MOST_KEPT:
        messages.warning(request, _("Nothing was sent yet. Please fill in the form once more."))
        came_from = urlsplit(request.headers.get("Referer", "")).path
        request.session[WAY_BACK] = _way(came_from or reverse("home"), None)
    else:
        request.session[WAY_BACK] = _way(request.get_full_path(), words)
    return reverse("accounts:go_on", args=[request.session[WAY_BACK]["token"]])


def _way(path: str, form: str | None) -> dict[str, Any]:
    return {"token": secrets.token_urlsafe(16), "path": path, "form": form, "at": now().timestamp()}


def _page_of(user: User) -> str | None:
    """Return the page where this person shows their factor; none if they have none."""
    types = set(Authenticator.objects.filter(user=user, type__in=FACTORS).values_list("type", flat=True))
    return next((reverse(PAGES[factor]) for factor in FACTORS if factor in types), None)


def _count_as_used(
    sender: Any,  # noqa: ARG001 -- Django's signature
    request: HttpRequest,
    user: User,
    authenticator: Authenticator,
    **_signal: Any,
) -> None:
    """Whoever sets up a factor has just shown it: they need not show it again at the next step."""
    if authenticator.type in FACTORS:
        kind = {"id": authenticator.pk, "type": authenticator.type}
        record_authentication(request, user, method="mfa", reauthenticated=True, **kind)


def watch() -> None:
    """Begin to watch what is set up: called once, when the apps are ready."""
    authenticator_added.connect(_count_as_used)
