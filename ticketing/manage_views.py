"""What those who run a club see: their events, what each has sold, and each order."""

from typing import cast
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.db import transaction
from django.db.models import Count, Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import formats
from django.utils.timezone import now
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.factor import factor_of_whoever_has_one
from accounts.models import User
from clubs import officers
from clubs.models import Club
from clubs.officers import Power
from payments import refund_standing, refunds
from payments.models import Charge
from payments.refund_standing import Stands
from payments.states import WrongState
from ticketing import aftersales, money_back, offers, programme, takings
from ticketing.forms import BaseOfferFormSet, EventForm, ReasonForm, SearchForm, blank_offers, offers_of
from ticketing.models import Event, Order

EVENTS_PER_PAGE = 20
ORDERS_PER_PAGE = 25


@login_required
@require_GET
def events(request: HttpRequest, club_slug: str) -> HttpResponse:
    club = get_object_or_404(Club, slug=club_slug)
    powers = _powers(request, club, Power.HOST, Power.SEE_MONEY)
    rows = Event.objects.filter(club=club).with_sales().order_by("-starts_at", "id")
    page = Paginator(rows, EVENTS_PER_PAGE).get_page(request.GET.get("page"))
    return render(request, "ticketing/manage/events.html", {"club": club, "page": page, "powers": powers})


@login_required
@require_http_methods(["GET", "POST"])
def new_event(request: HttpRequest, club_slug: str) -> HttpResponse:
    club, at = get_object_or_404(Club, slug=club_slug), now()
    powers = _powers(request, club, Power.HOST)
    if request.method == "GET":
        first = [{"name": _("General admission")}]
        form, rows = EventForm.blank(club=club, at=at), blank_offers(club.currency, initial=first)
        return _editor(request, form, rows, club, powers)
    form, rows = EventForm(request.POST, at=at), blank_offers(club.currency, data=request.POST)
    if not (form.is_valid() and rows.is_valid()):
        return _editor(request, form, rows, club, powers, status=422)
    with transaction.atomic():
        event = programme.draft(club=club, by=_user(request), at=at, **form.billing)
        offers.put_up(event=event, offers=rows.offers)
    if "publish" in request.POST:
        return _publish(request, event)
    messages.success(request, _("The draft is kept. Only your club sees it until you publish it."))
    return redirect("ticketing:edit_event", event.slug)


@login_required
@require_http_methods(["GET", "POST"])
def edit_event(request: HttpRequest, slug: str) -> HttpResponse:
    event, powers = _event(request, slug, Power.HOST)
    data = request.POST if request.method == "POST" else None
    form, rows = EventForm.of(event, at=now(), data=data), offers_of(event, data=data)
    if data is None:
        return _editor(request, form, rows, event.club, powers, event=event)
    put = _saved(event, form, rows) if form.is_valid() and rows.is_valid() else None
    if put is None:
        return _editor(request, form, rows, event.club, powers, event=event, status=422)
    for kind in put.withdrawn:
        words = _(
            "%(name)s is off sale. Tickets of it were sold or are being paid for, and they stay valid: "
            "your sales still show them."
        )
        messages.info(request, words % {"name": kind.name})
    if "publish" in data:
        return _publish(request, event)
    messages.success(request, _("Saved."))
    return redirect("ticketing:edit_event", event.slug)


def _saved(event: Event, form: EventForm, rows: BaseOfferFormSet) -> offers.PutUp | None:
    """Save both halves or neither; if not, return None, and the words are beside the field."""
    try:
        with transaction.atomic():
            programme.revise(event=event, **form.billing)
            return offers.put_up(event=event, offers=rows.offers)
    except programme.TimeIsPromised:
        words = _(
            "Tickets are sold for %(start)s, so the start stays. "
            "To move it, cancel this event, which gives everybody their money back, and plan another."
        )
        form.add_error("starts", words % {"start": event.starts_in_words})
    except programme.LengthIsPromised:
        words = _(
            "Tickets are sold for %(minutes)s minutes, so it may become longer and not shorter. "
            "For a shorter evening, cancel this event, which gives everybody their money back, "
            "and plan another."
        )
        form.add_error("minutes", words % {"minutes": event.minutes})
    except programme.ProgrammeIsClosed:
        form.add_error(None, _("This event is over, and stays as it was."))
    except offers.FewerThanTaken as refusal:
        row = rows.form_of(refusal.ticket_type)
        words = _("%(taken)s are sold or being paid for. Choose that many or more.")
        (row or form).add_error("capacity" if row else None, words % {"taken": refusal.ticket_type.taken})
    except offers.NotOfThisEvent:
        form.add_error(None, _("The ticket types have changed meanwhile. Load the page again."))
    return None


def _editor(
    request: HttpRequest,
    form: EventForm,
    rows: BaseOfferFormSet,
    club: Club,
    powers: frozenset[Power],
    *,
    event: Event | None = None,
    status: int = 200,
) -> HttpResponse:
    context = {
        "club": club,
        "event": event,
        "form": form,
        "rows": rows,
        "powers": powers,
        "reason_form": ReasonForm(),
    }
    return render(request, "ticketing/manage/edit_event.html", context, status=status)


def _publish(request: HttpRequest, event: Event) -> HttpResponse:
    try:
        programme.publish(event=event, by=_user(request), at=now())
    except programme.AlreadyPast:
        messages.error(request, _("The start is in the past. Choose a later one, then publish."))
    except programme.NothingToSell:
        messages.error(request, _("No ticket type is on sale. Put one on sale, then publish."))
    except WrongState:
        messages.warning(request, _("The event is published already."))
    else:
        messages.success(request, _("The event is on sale. Send its address to those who should come."))
        return redirect(event)
    return redirect("ticketing:edit_event", event.slug)


@login_required
@require_POST
@factor_of_whoever_has_one
def cancel_event(request: HttpRequest, slug: str) -> HttpResponse:
    event, _powers_here = _event(request, slug, Power.MANAGE)
    form = ReasonForm(request.POST)
    if not form.is_valid():
        messages.error(request, _("Say why, in a sentence: those who bought are told."))
        return redirect("ticketing:edit_event", slug)
    try:
        aftersales.cancel_event(event=event, by=_user(request), reason=form.cleaned_data["reason"], at=now())
    except WrongState:
        messages.error(request, _("An event that is live or over cannot be cancelled."))
        return redirect("ticketing:edit_event", slug)
    messages.success(request, _("The event is cancelled. Everybody is told and gets their money back."))
    return redirect("ticketing:manage_events", event.club.slug)


@login_required
@require_POST
@factor_of_whoever_has_one
def refund_everyone(request: HttpRequest, slug: str) -> HttpResponse:
    event, _powers_here = _event(request, slug, Power.SEE_MONEY)
    form = ReasonForm(request.POST)
    if not form.is_valid():
        messages.error(request, _("Say why, in a sentence: those who bought are told."))
        return redirect("ticketing:sales", slug)
    try:
        aftersales.refund_everyone(
            event=event, by=_user(request), reason=form.cleaned_data["reason"], at=now()
        )
    except aftersales.TookPlace:
        messages.error(
            request,
            _("This evening took place, so not everybody is refunded at once. You can refund single orders."),
        )
    except aftersales.NothingToRefund:
        messages.warning(request, _("There is nothing to refund, or it is under way already."))
    else:
        messages.success(request, _("Everybody is told and gets their money back."))
    return redirect("ticketing:sales", slug)


@login_required
@require_GET
def sales(request: HttpRequest, slug: str) -> HttpResponse:
    event, powers = _event(request, slug, Power.SEE_MONEY)
    search = SearchForm(request.GET)
    query = search.cleaned_data["q"] if search.is_valid() else ""
    found = event.orders.none() if search.errors else _orders(event, query)
    page = Paginator(found, ORDERS_PER_PAGE).get_page(request.GET.get("page"))
    spans = takings.over_time(event, at=now())
    context = {
        "event": event,
        "takings": takings.of(event),
        "points": [(formats.date_format(span.first, "j M"), span.tickets) for span in spans],
        "by_week": bool(spans) and spans[0].days > 1,
        "kinds": takings.by_type(event),
        "page": page,
        "query": query,
        "search": search,
        "powers": powers,
        "reason_form": ReasonForm(),
        "is_anything_left": event.did_not_take_place and money_back.is_anything_left(event),
        **_left_out(event),
        "money_back": _money_back(event),
    }
    return render(request, "ticketing/manage/sales.html", context)


def _money_back(event: Event) -> dict[str, int]:
    """Return of how many ended orders the money is given back, on its way, late, or with a bank."""
    if event.refunding_since is None:
        return {}
    ended = Order.objects.filter(event=event, status__in=[Order.Status.REFUNDED, Order.Status.TOO_LATE])
    counted = refund_standing.tally(Charge.objects.filter(order__in=ended))
    return {
        "given": counted[Stands.GIVEN] + counted[Stands.BY_HAND],
        "coming": counted[Stands.ON_ITS_WAY],
        "late": counted[Stands.LATE],
        "with_bank": counted[Stands.BANK_DECIDES],
    }


def _left_out(event: Event) -> dict[str, object]:
    """Return who could not be given their money back, and how many there are besides those that are shown."""
    if event.refunding_since is None:
        return {"left_out": [], "left_out_more": 0}
    rows = money_back.left_out(event)
    shown = list(rows.select_related("buyer")[:ORDERS_PER_PAGE])
    return {"left_out": shown, "left_out_more": rows.count() - len(shown) if shown else 0}


def _orders(event: Event, query: str) -> QuerySet[Order]:
    """Return the event's orders, newest first; with a query those with this code or buyer."""
    shown = event.orders.exclude(status=Order.Status.EXPIRED).select_related("buyer")
    if query:
        name = Q(buyer__handle__icontains=query) | Q(buyer__name__icontains=query)
        shown = shown.filter(Q(code__iexact=query) | name)
    return shown.annotate(seats=Count("tickets")).order_by("-placed_at", "-id")


@login_required
@require_GET
def order(request: HttpRequest, pk: UUID) -> HttpResponse:
    found = _order(request, pk)
    refunds_of_it = found.charge.refunds.order_by("created_at") if found.charge else []
    context = {
        "order": found,
        "event": found.event,
        "tickets": found.tickets.select_related("ticket_type", "holder").order_by("created_at", "id"),
        "refunds": refunds_of_it,
        "money_back": refund_standing.of([found.charge]).get(found.charge.pk) if found.charge else None,
        "reason_form": ReasonForm(),
    }
    return render(request, "ticketing/manage/order.html", context)


@login_required
@require_POST
@factor_of_whoever_has_one
def refund(request: HttpRequest, pk: UUID) -> HttpResponse:
    found = _order(request, pk)
    form = ReasonForm(request.POST)
    if not form.is_valid():
        messages.error(request, _("Say why, in a sentence: the buyer is told."))
        return redirect("ticketing:manage_order", pk)
    try:
        aftersales.refund(order=found, by=_user(request), reason=form.cleaned_data["reason"], at=now())
    except aftersales.NotRefundable:
        messages.warning(request, _("This order is not paid, or it is refunded already."))
    except refunds.NotCovered:
        messages.error(
            request,
            _("Your balance does not cover this refund. Write to us, and we look for a way with you."),
        )
    except refunds.ChargeDisputed:
        messages.error(
            request,
            _("The buyer's bank is taking this payment back, so it cannot be refunded a second time."),
        )
    else:
        messages.success(request, _("The money is on its way back. The buyer is told."))
    return redirect("ticketing:manage_order", pk)


def _order(request: HttpRequest, pk: UUID) -> Order:
    rows = Order.objects.select_related("event__club", "buyer", "charge")
    found = get_object_or_404(rows, pk=pk)
    _powers(request, found.event.club, Power.SEE_MONEY)
    return found


def _event(request: HttpRequest, slug: str, *needed: Power) -> tuple[Event, frozenset[Power]]:
    event = get_object_or_404(Event.objects.select_related("club"), slug=slug)
    return event, _powers(request, event.club, *needed)


def _powers(request: HttpRequest, club: Club, *needed: Power) -> frozenset[Power]:
    """Return what this person may do in the club, if one of those is needed. Else there is no such page."""
    powers = officers.powers(request.user, club)
    if not powers.intersection(needed):
        raise Http404
    return powers


def _user(request: HttpRequest) -> User:
    return cast("User", request.user)
