"""Stripe's way in, and the creator's payout page."""

from collections.abc import Callable
from functools import wraps
from typing import Any, cast
from uuid import UUID

import structlog
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import Prefetch
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.timezone import now
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST, require_safe

from accounts import links
from accounts.factor import fresh_factor_required
from accounts.models import User
from payments import payees, payouts, permissions, plain_words, replies, statement, stripe_events, summary
from payments.forms import CountryForm, PayoutForm, ReplyForm
from payments.models import Payee, Payout, Reply
from payments.stripe_gateway import StripeRefused, StripeUnavailable

log = structlog.get_logger(__name__)
LINES_A_PAGE = 20
PAYOUTS_SHOWN = 10


@csrf_exempt
@require_POST
def webhook(request: HttpRequest) -> HttpResponse:
    """Take an event into the inbox and answer at once; a task handles it."""
    signature = request.headers.get("Stripe-Signature", "")
    try:
        stripe_events.receive(payload=request.body, signature=signature, at=now())
    except stripe_events.InvalidSignature as error:
        log.warning("webhook_refused", trouble=str(error))
        return HttpResponse(status=400)
    return HttpResponse()


@login_required
@never_cache
@require_safe
def payee(request: HttpRequest, pk: UUID) -> HttpResponse:
    return _page(request, _payee_of(request, pk))


def _payee_of(request: HttpRequest, pk: UUID) -> Payee:
    """Return the payee, if this person may see its money: for everybody else there is none."""
    found = get_object_or_404(Payee, pk=pk)
    if not permissions.may_see(cast("User", request.user), found):
        raise Http404
    return found


def _page(
    request: HttpRequest,
    payee: Payee,
    form: PayoutForm | None = None,
    country: CountryForm | None = None,
    answer: tuple[UUID, ReplyForm] | None = None,
) -> HttpResponse:
    moved = Paginator(statement.transfers(payee), LINES_A_PAGE).get_page(request.GET.get("page"))
    of_payee = Payout.objects.filter(payee=payee).order_by("-requested_at", "pk")
    payouts_page = Paginator(of_payee.prefetch_related(_replies()), PAYOUTS_SHOWN)
    managers = permissions.managers(payee)
    context: dict[str, Any] = {
        "payee": payee,
        "may_connect": request.user in managers,
        "managers": managers,
        "balances": summary.of(payee),
        "payouts": payouts_page.get_page(request.GET.get("payouts")),
        "form": form or PayoutForm(payee=payee),
        "answered": answer[0] if answer else None,
        "answer": answer[1] if answer else ReplyForm(),
        "blank_answer": ReplyForm(),
        "country": country or CountryForm(initial={"country": payee.country}),
        "page": moved,
        "lines": statement.lines(moved),
    }
    is_wrong = any(typed is not None and typed.errors for typed in (form, country, answer and answer[1]))
    return render(request, "payments/payee.html", context, status=422 if is_wrong else 200)


def _replies() -> Prefetch[str]:
    # Without the documents themselves: they may be large.
    return Prefetch("replies", Reply.objects.defer("document").select_related("by").order_by("at"))


def _takes_money_out(view: Callable[[HttpRequest, Payee], HttpResponse]) -> Callable[..., HttpResponse]:
    """Open the view to those who may see the payee's money, within ten minutes of their second factor."""
    guarded = fresh_factor_required(view)

    @wraps(guarded)
    def of_payee(request: HttpRequest, pk: UUID) -> HttpResponse:
        return guarded(request, _payee_of(request, pk))

    return never_cache(login_required(of_payee))


@_takes_money_out
@require_POST
def request_payout(request: HttpRequest, payee: Payee) -> HttpResponse:
    form = PayoutForm(request.POST, payee=payee)
    if form.is_valid():
        try:
            payouts.request(
                payee=payee,
                amount=form.cleaned_data["amount"],
                by=cast("User", request.user),
                attempt=form.cleaned_data["attempt"],
                at=now(),
            )
        except payouts.NotEnoughMoney:
            form.add_error("amount", _("Your available balance does not cover this."))
        except payouts.TooManyOpen:
            form.add_error(
                None,
                _("%(count)s payouts are under way already. Ask again when one of them has come to its end.")
                % {"count": payouts.MOST_OPEN},
            )
        except payouts.PayeeNotReady:
            form.add_error(None, _("Finish setting up payouts with Stripe first."))
        else:
            messages.success(request, _("Your payout is asked for. We review it and write to you."))
            return redirect("payments:payee", payee.pk)
    return _page(request, payee, form)


@never_cache
@login_required
@require_POST
def reply(request: HttpRequest, pk: UUID, payout_pk: UUID) -> HttpResponse:
    """Take in what the payee answers to a held payout."""
    payee = _payee_of(request, pk)
    payout = get_object_or_404(Payout, pk=payout_pk, payee=payee)
    form = ReplyForm(request.POST, request.FILES)
    if not form.is_valid():
        return _page(request, payee, answer=(payout.pk, form))
    try:
        replies.write(
            payout=payout,
            by=cast("User", request.user),
            text=form.cleaned_data["text"],
            document=form.cleaned_data["document"],
            at=now(),
        )
        messages.success(request, _("Your answer is with those who review the payout."))
    except replies.NotHeld:
        messages.info(request, _("This payout was decided meanwhile."))
    except replies.TooManyReplies:
        messages.error(request, _("There are many answers already. Wait for ours."))
    return redirect("payments:payee", payee.pk)


@_takes_money_out
@require_POST
def onboard(request: HttpRequest, payee: Payee) -> HttpResponse:
    _refuse_who_does_not_manage(request, payee)
    if not payee.stripe_account_id:
        form = CountryForm(request.POST)
        if not form.is_valid():
            return _page(request, payee, country=form)
        payees.choose_country(payee=payee, country=form.cleaned_data["country"])
    return _to_stripe(request, payee)


@_takes_money_out
@require_safe
def onboard_again(request: HttpRequest, payee: Payee) -> HttpResponse:
    """Stripe sends people here whose link was used up or too old."""
    _refuse_who_does_not_manage(request, payee)
    return _to_stripe(request, payee)


def _refuse_who_does_not_manage(request: HttpRequest, payee: Payee) -> None:
    # Whoever may only look would have the money paid into an account of their own.
    if request.user not in permissions.managers(payee):
        raise PermissionDenied


def _to_stripe(request: HttpRequest, payee: Payee) -> HttpResponse:
    back = links.absolute(reverse("payments:onboarded", args=[payee.pk]))
    again = links.absolute(reverse("payments:onboard_again", args=[payee.pk]))
    try:
        return redirect(payees.onboard(payee=payee, return_url=back, refresh_url=again, at=now()))
    except (StripeUnavailable, StripeRefused) as trouble:
        log.warning("onboarding_not_begun", payee=str(payee.pk), trouble=str(trouble))
        messages.error(request, plain_words.to_payee(trouble, email=payee.email))
        return redirect("payments:payee", payee.pk)


@login_required
@require_safe
def onboarded(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Where Stripe sends people back to, finished or not."""
    payee = _payee_of(request, pk)
    try:
        payees.refresh(payee=payee, at=now())
    except (StripeUnavailable, StripeRefused) as trouble:
        log.warning("payee_not_read", payee=str(payee.pk), trouble=str(trouble))
        messages.warning(request, plain_words.to_payee(trouble, email=payee.email))
    if payee.can_be_paid:
        messages.success(request, _("Stripe has all it needs. You can be paid now."))
    elif payee.details_submitted:
        messages.info(request, _("Stripe is checking your details. You will see here when it is done."))
    else:
        messages.warning(request, _("Stripe still needs some details. Go on whenever you like."))
    return redirect("payments:payee", payee.pk)
