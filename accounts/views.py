import json
from http import HTTPStatus
from typing import cast

from allauth.account.decorators import reauthentication_required
from django.conf import settings as django_settings
from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.decorators import login_required
from django.core.serializers.json import DjangoJSONEncoder
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.timezone import now
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from accounts import factor, personal_data
from accounts.forms import CloseAccountForm, SettingsForm
from accounts.models import User


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def settings(request: HttpRequest) -> HttpResponse:
    user = cast("User", request.user)
    form = SettingsForm(request.POST or None, instance=user)
    if form.is_valid():
        form.save()
        messages.success(request, _("Saved."))
        response = redirect("accounts:settings")
        response.set_cookie(
            django_settings.LANGUAGE_COOKIE_NAME,
            user.locale,
            secure=django_settings.LANGUAGE_COOKIE_SECURE,
            samesite="Lax",
        )
        return response
    return render(request, "accounts/settings.html", {"form": form})


@login_required
@reauthentication_required  # type: ignore[untyped-decorator]  # allauth publishes no types
@require_safe
@never_cache
def export(request: HttpRequest) -> HttpResponse:
    """Hand over all that we hold about the signed-in person, as a file."""
    user = cast("User", request.user)
    body = json.dumps(personal_data.export(user=user), cls=DjangoJSONEncoder, indent=2, ensure_ascii=False)
    response = HttpResponse(body, content_type="application/json; charset=utf-8")
    response.headers["Content-Disposition"] = f'attachment; filename="stagedoor-{user.handle}.json"'
    return response


@login_required
@reauthentication_required  # type: ignore[untyped-decorator]  # allauth publishes no types
@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def close(request: HttpRequest) -> HttpResponse:
    user = cast("User", request.user)
    form = CloseAccountForm(request.POST or None, user=user)
    reasons: list[str] = []
    if form.is_valid():
        try:
            personal_data.close(user=user, at=now())
        except personal_data.StillNeeded as needed:
            reasons = needed.reasons
        except personal_data.NotNow:
            form.add_error(None, _("Our payment partner does not answer. Please try again in a few minutes."))
        else:
            logout(request)
            messages.success(request, _("Your account is closed. Thank you for having been here."))
            return redirect("home")
    else:
        reasons = personal_data.objections(user=user)
    status = HTTPStatus.CONFLICT if reasons and request.method == "POST" else HTTPStatus.OK
    return render(request, "accounts/close.html", {"form": form, "reasons": reasons}, status=status)


@login_required
@require_safe
@never_cache
def go_on(request: HttpRequest, token: str) -> HttpResponse:
    """Offer again what was kept on the way to the second factor: nothing that was typed is lost."""
    kept = factor.kept(request, token)
    if kept is None:
        messages.info(request, _("That was a while ago. Nothing was sent; please begin once more."))
        return redirect("home")
    if kept["fields"] is None:
        factor.forget_way_back(request)
        return redirect(kept["path"])
    return render(request, "accounts/go_on.html", kept)
