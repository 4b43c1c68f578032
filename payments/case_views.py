"""The desk's cases: what the house could not settle by itself."""

from typing import cast
from urllib.parse import urlencode

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.timezone import now
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe

from accounts.models import AuditEntry, User
from core.retries import Retried
from payments import cases
from payments.forms import NoteForm
from payments.models import Case
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
def settle(request: HttpRequest, pk: int) -> HttpResponse:
    found, form = _case(pk), NoteForm(request.POST)
    if not form.is_valid():
        return _page(request, found, form)
    try:
        cases.settle(case=found, by=cast("User", request.user), note=form.cleaned_data["note"], at=now())
        messages.success(request, _("Settled."))
    except cases.AlreadySettled:
        messages.info(request, _("Somebody else has settled this case meanwhile."))
    return redirect("payments:cases")
