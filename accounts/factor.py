"""The second factor: whoever sees money must have one, and must have used it in this session."""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

from allauth.account.authentication import get_authentication_records
from allauth.mfa.models import Authenticator
from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _

# Recovery codes are no factor of their own: they lead back in, to set up a new one.
FACTORS = (Authenticator.Type.WEBAUTHN, Authenticator.Type.TOTP)
PAGES = {
    Authenticator.Type.WEBAUTHN: "mfa_reauthenticate_webauthn",
    Authenticator.Type.TOTP: "mfa_reauthenticate",
}

Arguments = ParamSpec("Arguments")
Response = TypeVar("Response", bound=HttpResponseBase)


def was_used(request: HttpRequest) -> bool:
    """Return whether the signed-in person has used their second factor since they signed in."""
    if not request.user.is_authenticated:
        return False
    records = get_authentication_records(request, request.user)
    return any(record["method"] == "mfa" and record.get("type") in FACTORS for record in records)


def second_factor_required(
    view: Callable[Concatenate[HttpRequest, Arguments], Response],
) -> Callable[Concatenate[HttpRequest, Arguments], Response | HttpResponse]:
    """Show the view only to people who used their second factor in this session; lead the others there."""

    def guarded(
        request: HttpRequest, /, *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> Response | HttpResponse:
        if was_used(request):
            return view(request, *args, **kwargs)
        return _the_way_there(request)

    return wraps(view)(guarded)


def _the_way_there(request: HttpRequest) -> HttpResponse:
    # A form that was sent is not sent again after the detour: the person looks at the page first.
    back = request.get_full_path() if request.method == "GET" else reverse("home")
    if not request.user.is_authenticated:
        return redirect_to_login(back)
    types = set(
        Authenticator.objects.filter(user=request.user, type__in=FACTORS).values_list("type", flat=True)
    )
    for factor in FACTORS:
        if factor in types:
            return HttpResponseRedirect(f"{reverse(PAGES[factor])}?{urlencode({'next': back})}")
    messages.warning(
        request,
        _("That page needs a second factor. Set up a passkey or an authenticator app, then go back."),
    )
    return HttpResponseRedirect(reverse("mfa_index"))
