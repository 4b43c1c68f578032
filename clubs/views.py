"""The pages of clubs that everybody sees, and joining. What officers see is in clubs/officer_views.py."""

from datetime import datetime
from http import HTTPStatus
from typing import Protocol, cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.timezone import now
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts import links
from accounts.models import User
from clubs import founding, memberships, officers
from clubs.forms import FoundingForm
from clubs.models import Club, Membership, Officer, Plan
from payments import plain_words
from payments.stripe_gateway import StripeRefused, StripeUnavailable

CLUBS_A_PAGE = 24
MOST_SHOWN = 12
# A page that waits for a payment asks every two seconds, for two minutes.
MOST_QUESTIONS = 60
SHOWN_OFFICERS = (Officer.Role.OWNER, Officer.Role.HOST)


class Change(Protocol):
    def __call__(self, *, membership: Membership, by: User, at: datetime) -> None: ...


@require_safe
def club_list(request: HttpRequest) -> HttpResponse:
    clubs = Club.objects.order_by("name")
    page = Paginator(clubs, CLUBS_A_PAGE).get_page(request.GET.get("page"))
    return render(request, "clubs/list.html", {"page": page})


@login_required
@require_safe
def mine(request: HttpRequest) -> HttpResponse:
    user = cast("User", request.user)
    owners = Count("club__officers", filter=Q(club__officers__role=Officer.Role.OWNER))
    offices = Officer.objects.filter(user=user).select_related("club").annotate(owners=owners)
    tasks = [
        {
            "office": office,
            "powers": officers.POWERS[office.role],
            "may_leave": office.role != Officer.Role.OWNER or office.owners > 1,
        }
        for office in offices.order_by("club__name")
    ]
    belongs = user.memberships.shown(now()).select_related("club", "plan").order_by("club__name")
    return render(request, "clubs/mine.html", {"tasks": tasks, "memberships": belongs})


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def new(request: HttpRequest) -> HttpResponse:
    form = FoundingForm(request.POST or None)
    if form.is_valid():
        try:
            club = founding.found(**form.cleaned_data, by=cast("User", request.user), at=now())
        except founding.NameTaken:
            form.add_error("name", _("Another club has this name. Choose a name of your own."))
        except founding.TooManyClubs:
            form.add_error(None, _("You own as many clubs as one person may. Write to us if you need more."))
        else:
            messages.success(request, _("%s stands. Say who helps you, or plan the first event.") % club.name)
            return redirect("clubs:manage", club.slug)
    return render(request, "clubs/new.html", {"form": form})


@require_safe
def club(request: HttpRequest, slug: str) -> HttpResponse:
    club = get_object_or_404(Club, slug=slug)
    shown = club.officers.filter(role__in=SHOWN_OFFICERS).select_related("user").order_by("since")
    context = {
        "club": club,
        "plan": Plan.objects.filter(club=club, is_open=True).first(),
        "membership": memberships.current(request.user, club),
        "is_member": memberships.is_member(request.user, club, now()),
        "officers": shown[:MOST_SHOWN],
        "powers": officers.powers(request.user, club),
    }
    return render(request, "clubs/club.html", context)


@login_required
@require_POST
def join(request: HttpRequest, slug: str) -> HttpResponse:
    """Lead to the checkout of the club's plan."""
    club = get_object_or_404(Club, slug=slug)
    user = cast("User", request.user)
    begun = memberships.current(user, club)  # whoever comes back pays what they saw, whatever is offered now
    plan = begun.plan if begun else get_object_or_404(Plan, club=club, is_open=True)
    page = reverse("clubs:membership", args=[slug])
    try:
        membership = memberships.join(plan=plan, member=user, at=now())
        address = memberships.start_checkout(
            membership=membership,
            success_url=links.absolute(f"{page}?asked=0"),
            cancel_url=links.absolute(reverse("clubs:club", args=[slug])),
            at=now(),
        )
    except memberships.PlanClosed:
        messages.error(request, _("This membership is no longer offered."))
    except (memberships.AlreadyMember, memberships.NotRunning):
        return redirect(page)
    except (StripeUnavailable, StripeRefused) as no:
        messages.error(request, plain_words.to_buyer(no, email=user.email))
    else:
        return redirect(address)
    return redirect("clubs:club", slug)


@login_required
@require_safe
@never_cache
def membership(request: HttpRequest, slug: str) -> HttpResponse:
    """Show one's membership. Back from the checkout, the page asks again by itself until it is confirmed."""
    club = get_object_or_404(Club, slug=slug)
    current = memberships.current(request.user, club)
    if current is None:
        return redirect("clubs:club", slug)
    asked = _questions_asked(request)
    context = {
        "club": club,
        "membership": current,
        "is_member": memberships.is_member(request.user, club, now()),
        "asked": asked,
        "asks_again": asked is not None and asked < MOST_QUESTIONS,
    }
    fragment = "clubs/parts/membership.html" if request.htmx else "clubs/membership.html"  # type: ignore[attr-defined]
    return render(request, fragment, context)


@login_required
@require_POST
def cancel_membership(request: HttpRequest, slug: str) -> HttpResponse:
    return _change_membership(request, slug, memberships.cancel, _("It ends with the month you paid for."))


@login_required
@require_POST
def resume_membership(request: HttpRequest, slug: str) -> HttpResponse:
    return _change_membership(request, slug, memberships.resume, _("Good. It goes on every month."))


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def invitation(request: HttpRequest, token: str) -> HttpResponse:
    """Show what the link offers, and take it."""
    user = request.user
    try:
        found = officers.look_up(token=token, at=now())
        if request.method == "POST" and isinstance(user, User):
            officers.accept(token=token, user=user, at=now())
            return redirect("clubs:mine")
    except officers.InvitationGone:
        return render(request, "clubs/invitation_gone.html", status=HTTPStatus.GONE)
    except officers.AlreadyOfficer:
        messages.info(request, _("You have a task in this club already. The link is still good."))
        return redirect("clubs:mine")
    return render(request, "clubs/invitation.html", {"invitation": found})


def _questions_asked(request: HttpRequest) -> int | None:
    """Return how often this page has asked for the payment, or None if nobody comes from the checkout."""
    asked = request.GET.get("asked", "")
    return int(asked) if asked.isdecimal() and len(asked) <= len(str(MOST_QUESTIONS)) else None


def _change_membership(request: HttpRequest, slug: str, change: Change, done: str) -> HttpResponse:
    user = cast("User", request.user)
    current = memberships.current(user, get_object_or_404(Club, slug=slug))
    if current is None:
        return redirect("clubs:club", slug)
    try:
        change(membership=current, by=user, at=now())
    except memberships.NotRunning:
        messages.error(request, _("This membership is not paid yet."))
    except (StripeUnavailable, StripeRefused) as no:
        messages.error(request, plain_words.to_member(no, has_ended=memberships.has_ended(current)))
    else:
        messages.success(request, done)
    return redirect("clubs:membership", slug)
