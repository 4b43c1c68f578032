"""The review desk: finance staff decide about payouts, with what every app knows of the payee before them."""

from collections.abc import Callable
from datetime import datetime
from functools import wraps
from typing import Any, Concatenate, ParamSpec, cast
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.http import content_disposition_header
from django.utils.timezone import now
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from accounts.factor import second_factor_required
from accounts.models import AuditEntry, User
from payments import evidence, interests, limits, payouts, summary, yeses
from payments.forms import ReasonForm
from payments.models import Case, Payout, Reply
from payments.states import WrongState

PAYOUTS_A_PAGE = 25
EARLIER_SHOWN = 5
Status = Payout.Status
SHELVES = {
    "waiting": (gettext_lazy("Waiting"), [Status.REQUESTED, Status.HELD]),
    "leaving": (gettext_lazy("On their way"), [Status.APPROVED, Status.SENDING]),
    "decided": (gettext_lazy("Decided"), [Status.PAID, Status.REJECTED, Status.FAILED]),
}
VERBS = {
    "payout-requested": gettext_lazy("asked for it"),
    "payout-approved": gettext_lazy("approved it"),
    "payout-held": gettext_lazy("held it"),
    "payout-rejected": gettext_lazy("rejected it"),
    "payout-answered": gettext_lazy("answered"),
    "payout-waits": gettext_lazy("Stripe has not had the money for it yet; it is sent again later"),
    "payout-paid": gettext_lazy("Stripe confirmed the transfer"),
    "payout-failed": gettext_lazy("it could not be sent"),
}
Arguments = ParamSpec("Arguments")
View = Callable[Concatenate[HttpRequest, Arguments], HttpResponse]


def finance_only(view: View[Arguments]) -> Callable[..., HttpResponse]:
    """Show the view to finance staff who used their second factor; to act, within ten minutes of it."""
    guarded = second_factor_required(view)

    @wraps(guarded)
    def checked(request: HttpRequest, *args: Arguments.args, **kwargs: Arguments.kwargs) -> HttpResponse:
        if not cast("User", request.user).is_finance:
            raise PermissionDenied
        return guarded(request, *args, **kwargs)

    return never_cache(login_required(checked))


@finance_only
@require_safe
def desk(request: HttpRequest) -> HttpResponse:
    shelf = request.GET.get("show", "waiting")
    shelf = shelf if shelf in SHELVES else "waiting"
    page = Paginator(_shelf(shelf), PAYOUTS_A_PAGE).get_page(request.GET.get("page"))
    waiting = Payout.objects.filter(status__in=SHELVES["waiting"][1]).count()
    cases = Case.objects.filter(Case.OPEN).count()
    tabs = [
        (name, label, waiting if name == "waiting" else None) for name, (label, _states) in SHELVES.items()
    ]
    return render(
        request, "payments/review_desk.html", {"page": page, "tabs": tabs, "shelf": shelf, "cases": cases}
    )


def _shelf(shelf: str) -> QuerySet[Payout]:
    on_it = Payout.objects.filter(status__in=SHELVES[shelf][1]).select_related("payee", "requested_by")
    # Whoever waits longest comes first; of what is decided, the newest.
    order = "-requested_at" if shelf == "decided" else "requested_at"
    counts = Q(approvals__in=yeses.counting(at=now()))
    return on_it.annotate(yeses=Count("approvals", filter=counts)).order_by(order, "pk")


@finance_only
@require_safe
def review(request: HttpRequest, pk: UUID) -> HttpResponse:
    return _page(request, _payout(pk))


@finance_only
@require_safe
def document(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Hand out a payee's document: to be kept, never to be shown inside our own pages."""
    del request
    reply = get_object_or_404(Reply.objects.exclude(document=None), pk=pk)
    answer = HttpResponse(bytes(reply.document or b""), content_type="application/octet-stream")
    answer.headers["Content-Disposition"] = (
        content_disposition_header(as_attachment=True, filename=reply.document_name) or "attachment"
    )
    answer.headers["Cache-Control"] = "no-store, private"
    answer.headers["Content-Security-Policy"] = "sandbox; default-src 'none'"
    return answer


def _payout(pk: UUID) -> Payout:
    rows = Payout.objects.select_related("payee", "requested_by", "reviewed_by")
    return get_object_or_404(rows, pk=pk)


def _page(request: HttpRequest, payout: Payout, form: ReasonForm | None = None) -> HttpResponse:
    by = list(yeses.counting(at=now()).filter(payout=payout).select_related("by").order_by("at"))
    entries = AuditEntry.objects.filter(subject_kind="payments.payout", subject_id=str(payout.pk))
    history = [
        {"entry": entry, "words": VERBS.get(entry.verb, entry.verb)}
        for entry in entries.select_related("actor").order_by("at", "id")
    ]
    earlier = Payout.objects.filter(payee=payout.payee).exclude(pk=payout.pk).order_by("-requested_at")
    facts = evidence.about(payout.payee)
    context: dict[str, Any] = {
        "payout": payout,
        "payee": payout.payee,
        "balances": summary.of(payout.payee),
        "facts": [fact for fact in facts if fact.tone != "danger"],
        "history": history,
        "replies": payout.replies.defer("document").select_related("by").order_by("at"),
        "warnings": [fact for fact in facts if fact.tone == "danger"],
        "earlier": earlier[:EARLIER_SHOWN],
        "yeses": by,
        "needs_two": limits.needs_two(payout, at=now()),
        "lately": limits.lately(payout, at=now()),
        "is_own": payout.requested_by_id == request.user.pk,
        "has_interest": interests.has(cast("User", request.user), payout.payee, at=now()),
        "said_yes": any(approval.by_id == request.user.pk for approval in by),
        "is_undecided": payout.status in SHELVES["waiting"][1],
        "form": form or ReasonForm(),
    }
    return render(request, "payments/review.html", context, status=422 if form else 200)


@finance_only
@require_POST
def approve(request: HttpRequest, pk: UUID) -> HttpResponse:
    payout = _payout(pk)

    def decide(by: User, at: datetime) -> str:
        payouts.approve(payout=payout, by=by, seen=request.POST.get("seen") or None, at=at)
        if payout.status == Status.APPROVED:
            return _("Approved. The money is being sent.")
        return _("Your yes is noted. Somebody else has to approve it, too.")

    return _decided(request, payout, decide)


@finance_only
@require_POST
def hold(request: HttpRequest, pk: UUID) -> HttpResponse:
    payout, form = _payout(pk), ReasonForm(request.POST)
    if not form.is_valid():
        return _page(request, payout, form)

    def decide(by: User, at: datetime) -> str:
        payouts.hold(payout=payout, by=by, reason=form.cleaned_data["reason"], at=at)
        return _("Held. The creator sees your reason.")

    return _decided(request, payout, decide)


@finance_only
@require_POST
def reject(request: HttpRequest, pk: UUID) -> HttpResponse:
    payout, form = _payout(pk), ReasonForm(request.POST)
    if not form.is_valid():
        return _page(request, payout, form)

    def decide(by: User, at: datetime) -> str:
        payouts.reject(payout=payout, by=by, reason=form.cleaned_data["reason"], at=at)
        return _("Rejected. The creator has the money back and sees your reason.")

    return _decided(request, payout, decide)


def _decided(request: HttpRequest, payout: Payout, decide: Callable[[User, datetime], str]) -> HttpResponse:
    try:
        messages.success(request, decide(cast("User", request.user), now()))
    except payouts.OwnPayout:
        messages.error(request, _("You asked for this payout, so somebody else has to review it."))
    except payouts.HasInterest:
        messages.error(
            request, _("You run this yourself, or did within 90 days. Somebody else has to decide.")
        )
    except payouts.Owing:
        messages.error(request, _("Their balance is below zero. Until it is filled, nothing leaves."))
    except payouts.AlreadyApproved:
        messages.info(request, _("You have approved it already. Somebody else has to approve it, too."))
    except payouts.PayeeNotReady:
        messages.error(request, _("Stripe cannot pay this creator yet. Hold the payout and tell them so."))
    except WrongState:
        messages.info(request, _("Somebody else has decided about this payout meanwhile."))
    return redirect("payments:review", payout.pk)
