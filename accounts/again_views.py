"""Showing again who one is, and undoing what somebody else did in one's name."""

from typing import Any, Final, cast

from allauth.account.adapter import get_adapter
from allauth.account.internal.flows.login import record_authentication
from allauth.account.views import BaseReauthenticateView
from allauth.core.internal import ratelimit
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.crypto import constant_time_compare, salted_hmac
from django.utils.timezone import now
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from accounts import addresses
from accounts.forms import CodeAgainForm
from accounts.models import User

KEPT: Final = "show_again_code"  # in the session: what was sent, as a hash
GOOD_FOR_SECONDS: Final = 600
MOST_TRIES: Final = 3
LETTERS: Final = {"show_again": "3/m/user,20/h/user"}


class ShowAgain(BaseReauthenticateView):  # type: ignore[misc]  # allauth publishes no types
    """A code by e-mail for people who have neither password nor second factor."""

    form_class = CodeAgainForm
    template_name = "accounts/show_again.html"

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if request.POST.get("action") == "send":
            return self._send(request)
        return cast("HttpResponse", super().post(request, *args, **kwargs))

    def _send(self, request: HttpRequest) -> HttpResponse:
        refused = ratelimit.consume_or_429(
            request, app="accounts", action="show_again", config=LETTERS, user=request.user
        )
        if refused:
            return cast("HttpResponse", refused)
        code = get_adapter().generate_login_code()
        request.session[KEPT] = {"hash": _hash(code), "at": now().timestamp(), "tries": 0}
        get_adapter().send_mail("account/email/show_again", cast("User", request.user).email, {"code": code})
        return cast("HttpResponse", self.render_to_response(self.get_context_data()))

    def get_form_kwargs(self) -> dict[str, Any]:
        return {**super().get_form_kwargs(), "fits": self._fits}

    def _fits(self, code: str) -> bool:
        sent = self.request.session.get(KEPT)
        if not sent or now().timestamp() - sent["at"] > GOOD_FOR_SECONDS:
            return False
        fits = constant_time_compare(sent["hash"], _hash(code))
        sent["tries"] += 1
        if fits or sent["tries"] >= MOST_TRIES:
            del self.request.session[KEPT]
        self.request.session.modified = True
        return fits

    def form_valid(self, form: CodeAgainForm) -> HttpResponse:
        record_authentication(self.request, self.request.user, method="code", reauthenticated=True)
        return cast("HttpResponse", super().form_valid(form))

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return {**super().get_context_data(**kwargs), "was_sent": KEPT in self.request.session}


show_again = never_cache(login_required(ShowAgain.as_view()))


def _hash(code: str) -> str:
    return salted_hmac("show again", "".join(code.split()).replace("-", "").upper()).hexdigest()


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def undo_address(request: HttpRequest, token: str) -> HttpResponse:
    """Undo a changed address by the link in the letter. Looking undoes nothing: programs read letters."""
    at = now()
    try:
        if request.method == "POST":
            change = addresses.undo(token=token, at=at)
            return render(request, "accounts/undo_address.html", {"change": change, "is_done": True})
        change = addresses.find(token=token, at=at)
    except addresses.NothingToUndo:
        return render(request, "accounts/undo_address.html", status=410)
    except addresses.AddressTaken:
        return render(request, "accounts/undo_address.html", {"is_taken": True}, status=409)
    return render(request, "accounts/undo_address.html", {"change": change})
