"""The desk's cases: what the house could not settle by itself."""

from typing import cast
from urllib.parse import urlencode

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.timezone import now
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe

from accounts.models import AuditEntry, User
from core.retries import Retried
from payments import cases, failed_refunds
from payments.forms import NoteForm
from payments.models import Case, Refund
from payments.review_views import finance_only

CASES_A_PAGE = 25
DASHBOARD = "https://dashboard.stripe.com/search"
VERBS = {
    "case-settled": gettext_lazy("settled it"),
    "case-tried-again": gettext_lazy("had it tried again"),
}


@finance_only
@require_safe
def desk(request: HttpRequest) -> HttpResponse:
    shelf = "settled" if request.GET.get("show") == "settled" else "open"
    open_ones = Case.objects.filter(Case.OPEN)
    # What waits longest comes first; of what is settled, the newest.
    shown = open_ones.order_by("opened_at", "pk")
    if shelf == "settled":
        shown = Case.objects.exclude(Case.OPEN).order_by("-settled_at", "pk")
    page = Paginator(shown, CASES_A_PAGE).get_page(request.GET.get("page"))
    context = {"page": page, "shelf": shelf, "waiting": open_ones.count()}
    return render(request, "payments/cases.html", context)


@finance_only
@require_safe
def case(request: HttpRequest, pk: int) -> HttpResponse:
    return _page(request, _case(pk), NoteForm())


def _case(pk: int) -> Case:
    return get_object_or_404(Case.objects.select_related("settled_by"), pk=pk)


def _is_owed(row: object) -> bool:
    return isinstance(row, Refund) and row.status == Refund.Status.WANTED and row.given_up_at is not None


def _page(request: HttpRequest, case: Case, form: NoteForm) -> HttpResponse:
    row = cases.subject_of(case)
    entries = AuditEntry.objects.filter(subject_kind="payments.case", subject_id=str(case.pk))
    history = [
        {"entry": entry, "words": VERBS.get(entry.verb, entry.verb)}
        for entry in entries.select_related("actor").order_by("at", "id")
    ]
    context = {
        "case": case,
        "tried": row if isinstance(row, Retried) else None,
        "is_owed": _is_owed(row),
        "dashboard": f"{DASHBOARD}?{urlencode({'query': case.stripe_id})}",
        "history": history,
        "form": form,
    }
    return render(request, "payments/case.html", context, status=422 if form.errors else 200)


@finance_only
@require_POST
def try_again(request: HttpRequest, pk: int) -> HttpResponse:
    try:
        cases.try_again(case=_case(pk), by=cast("User", request.user), at=now())
        messages.success(request, _("It is tried again now. If it works, the case settles itself."))
    except cases.AlreadySettled:
        messages.info(request, _("Somebody else has settled this case meanwhile."))
    except cases.NothingToTry:
        messages.error(request, _("There is nothing here that could be tried again."))
    return redirect("payments:case", pk)


@finance_only
@require_POST
def end_refund(request: HttpRequest, pk: int, how: str) -> HttpResponse:
    """Say how a refund ends that waits for a person: the buyer has the money another way, or is owed none."""
    found, form = _case(pk), NoteForm(request.POST)
    row = cases.subject_of(found)
    if not isinstance(row, Refund):
        raise Http404
    if not form.is_valid():
        return _page(request, found, form)
    end = failed_refunds.given_by_hand if how == "by-hand" else failed_refunds.not_owed
    try:
        end(refund=row, by=cast("User", request.user), note=form.cleaned_data["note"], at=now())
        messages.success(request, _("Settled."))
    except failed_refunds.NotWaiting:
        messages.info(request, _("This refund waits for nobody any more."))
    return redirect("payments:case", pk)


@finance_only
@require_POST
def settle(request: HttpRequest, pk: int) -> HttpResponse:
    found, form = _case(pk), NoteForm(request.POST)
    if not form.is_valid():
        return _page(request, found, form)
    if _is_owed(cases.subject_of(found)):
        messages.error(request, _("The buyer is still owed this money. Say whether they have it."))
        return redirect("payments:case", pk)
    try:
        cases.settle(case=found, by=cast("User", request.user), note=form.cleaned_data["note"], at=now())
        messages.success(request, _("Settled."))
    except cases.AlreadySettled:
        messages.info(request, _("Somebody else has settled this case meanwhile."))
    return redirect("payments:cases")
