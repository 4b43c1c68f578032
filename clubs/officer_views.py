"""The pages on which a club is run: what it says, who helps, what membership costs."""

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec, cast
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.timezone import now
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from accounts import links
from accounts.models import User
from clubs import founding, memberships, officers
from clubs.forms import ClubForm, InvitationForm, PlanForm, RoleForm
from clubs.models import Club, Invitation, Membership, Officer, Plan

SHOWN_ONCE = "invitation-link"  # the session's key of a link that was made just now

Arguments = ParamSpec("Arguments")
ClubView = Callable[Concatenate[HttpRequest, Club, Arguments], HttpResponse]


def managed(view: ClubView[Arguments]) -> Callable[Concatenate[HttpRequest, str, Arguments], HttpResponse]:
    """Hand the view its club, if the signed-in person may manage it. To others the page does not exist."""

    def guarded(
        request: HttpRequest, slug: str, *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> HttpResponse:
        club = get_object_or_404(Club, slug=slug)
        if not officers.may_manage(request.user, club):
            raise Http404
        try:
            return view(request, club, *args, **kwargs)
        except (officers.NotAllowed, officers.OfficerGone) as refusal:  # lost in this very moment
            raise Http404 from refusal

    return login_required(wraps(view)(guarded))  # type: ignore[return-value]  # the slug is passed by its name


@require_http_methods(["GET", "HEAD", "POST"])
@managed
def manage(request: HttpRequest, club: Club) -> HttpResponse:
    form = ClubForm(request.POST or None, instance=club)
    if form.is_valid():
        try:
            founding.describe(club=club, **form.cleaned_data, by=cast("User", request.user), at=now())
        except founding.NameTaken:
            form.add_error("name", _("Another club has this name. Choose a name of your own."))
        else:
            messages.success(request, _("Saved."))
            return redirect("clubs:manage", club.slug)
    return render(request, "clubs/manage.html", {"club": club, "form": form, "powers": officers.EVERYTHING})


@require_http_methods(["GET", "HEAD", "POST"])
@managed
def officer_list(request: HttpRequest, club: Club) -> HttpResponse:
    """Show who helps, and invite more by link."""
    form = InvitationForm(request.POST or None)
    if form.is_valid():
        try:
            _invitation, token = officers.invite(
                club=club,
                role=Officer.Role(form.cleaned_data["role"]),
                by=cast("User", request.user),
                at=now(),
            )
        except officers.TooManyInvitations:
            form.add_error(None, _("Too many links are open. Withdraw some of them first."))
        else:
            # The row keeps a hash only, so the link waits in the session until the next page has shown it.
            request.session[SHOWN_ONCE] = links.absolute(reverse("clubs:invitation", args=[token]))
            return redirect("clubs:officers", club.slug)
    context = {
        "club": club,
        "form": form,
        "link": request.session.pop(SHOWN_ONCE, ""),
        "officers": club.officers.select_related("user").order_by("since"),
        "invitations": officers.open_invitations(club=club, at=now()).select_related("invited_by"),
        "roles": Officer.Role.choices,
        "powers": officers.EVERYTHING,
    }
    return render(request, "clubs/officers.html", context)


@require_POST
@managed
def change_officer(request: HttpRequest, club: Club, officer_id: UUID) -> HttpResponse:
    officer = get_object_or_404(Officer.objects.select_related("user", "club"), club=club, pk=officer_id)
    form = RoleForm(request.POST)
    if form.is_valid():
        try:
            officers.change_role(
                officer=officer,
                role=Officer.Role(form.cleaned_data["role"]),
                by=cast("User", request.user),
                at=now(),
            )
        except officers.LastOwner:
            _say_last_owner(request)
        else:
            messages.success(request, _("Saved."))
    return redirect("clubs:officers", club.slug)


@require_POST
@managed
def remove_officer(request: HttpRequest, club: Club, officer_id: UUID) -> HttpResponse:
    officer = get_object_or_404(Officer.objects.select_related("user", "club"), club=club, pk=officer_id)
    try:
        officers.remove(officer=officer, by=cast("User", request.user), at=now())
    except officers.LastOwner:
        _say_last_owner(request)
    else:
        messages.success(request, _("%s has no task in this club any more.") % officer.user.shown_name)
    return redirect("clubs:officers", club.slug)


@require_POST
@managed
def withdraw_invitation(request: HttpRequest, club: Club, invitation_id: UUID) -> HttpResponse:
    invitation = get_object_or_404(Invitation.objects.select_related("club"), club=club, pk=invitation_id)
    try:
        officers.withdraw(invitation=invitation, by=cast("User", request.user), at=now())
    except officers.InvitationGone:
        messages.info(request, _("That link was used or withdrawn before."))
    else:
        messages.success(request, _("The link opens nothing any more."))
    return redirect("clubs:officers", club.slug)


@require_http_methods(["GET", "HEAD", "POST"])
@managed
def plan(request: HttpRequest, club: Club) -> HttpResponse:
    """Show the plan and its members, and open another one in its place."""
    current = Plan.objects.filter(club=club, is_open=True).first()
    form = PlanForm(request.POST or None, club=club, initial=_as_typed(current))
    if form.is_valid():
        words = form.cleaned_data
        memberships.open_plan(
            club=club,
            name=words["name"],
            promise=words["promise"],
            price=words["price"],
            by=cast("User", request.user),
            at=now(),
        )
        messages.success(request, _("The membership is on offer."))
        return redirect("clubs:plan", club.slug)
    context = {
        "club": club,
        "plan": current,
        "form": form,
        "members": Membership.objects.holding(now()).filter(club=club).count(),
        "powers": officers.EVERYTHING,
    }
    return render(request, "clubs/plan.html", context)


@require_POST
@managed
def close_plan(request: HttpRequest, club: Club) -> HttpResponse:
    current = get_object_or_404(Plan.objects.select_related("club"), club=club, is_open=True)
    try:
        memberships.close_plan(plan=current, by=cast("User", request.user), at=now())
    except memberships.PlanClosed:
        messages.info(request, _("It was closed before."))
    else:
        messages.success(request, _("Nobody can join any more. Members stay members while they pay."))
    return redirect("clubs:plan", club.slug)


@login_required
@require_POST
def leave(request: HttpRequest, slug: str) -> HttpResponse:
    club = get_object_or_404(Club, slug=slug)
    try:
        officers.leave(club=club, user=cast("User", request.user), at=now())
    except officers.LastOwner:
        _say_last_owner(request)
    else:
        messages.success(request, _("You have no task in %s any more.") % club.name)
    return redirect("clubs:mine")


def _as_typed(plan: Plan | None) -> dict[str, Any]:
    if plan is None:
        return {}
    return {"name": plan.name, "promise": plan.promise, "price": plan.price}


def _say_last_owner(request: HttpRequest) -> None:
    messages.error(request, _("A club keeps at least one owner. Make somebody else an owner first."))
