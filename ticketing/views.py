"""What fans see: an event, their order, their tickets, a ticket somebody passes on to them."""

from contextlib import suppress
from typing import cast
from urllib.parse import urlencode
from uuid import UUID, uuid4

from allauth.account.adapter import get_adapter
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.cache import cache
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.cache import patch_vary_headers
from django.utils.functional import Promise
from django.utils.timezone import now
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts import links
from accounts.models import User
from clubs import memberships, officers
from clubs.models import Club
from payments import plain_words, refund_standing
from payments.refund_standing import MoneyBack
from payments.stripe_gateway import StripeRefused, StripeUnavailable
from ticketing import entitlement, holding, passing, programme, sales, seats
from ticketing.forms import BasketForm
from ticketing.models import Event, Order, Ticket, TicketType

PER_PAGE = 20
COMING_SHOWN = 12
ASK_AGAIN_AFTER = 6  # seconds between two questions to Stripe about one order that a buyer waits for


@never_cache
@require_GET
def event(request: HttpRequest, slug: str) -> HttpResponse:
    found = get_object_or_404(Event.objects.visible_to(request.user).select_related("club"), slug=slug)
    kinds = entitlement.kinds_for(request.user, found)
    wanted = {name: value for name, value in request.GET.items() if name.startswith("seats_")}
    form = BasketForm(kinds=kinds, initial={"attempt": uuid4(), **(wanted or _one_of_the_only(kinds))})
    return _event_page(request, found, form)


def _one_of_the_only(kinds: list[TicketType]) -> dict[str, int]:
    return {BasketForm.name_of(kind): 1 for kind in kinds if len(kinds) == 1 and not kind.is_sold_out}


def _event_page(request: HttpRequest, found: Event, form: BasketForm, *, status: int = 200) -> HttpResponse:
    user, at = request.user, now()
    members_only = any(kind.members_only for kind in form.kinds)
    is_member = members_only and user.is_authenticated and memberships.is_member(user, found.club, at)
    order = entitlement.held_order(user, found)
    context = {
        "event": found,
        "form": form,
        "offers": [(kind, form[BasketForm.name_of(kind)]) for kind in form.kinds],
        "sells": found.sells(at=at),
        "is_member": is_member,
        "ticket": entitlement.holds_ticket(user, found),
        "order": order,
        "may_pay": order is not None and order.held_until > at,
        "sold_out": bool(form.kinds) and all(kind.is_sold_out for kind in form.kinds),
        "powers": officers.powers(user, found.club),
    }
    return render(request, "ticketing/event.html", context, status=status)


@require_POST
def buy(request: HttpRequest, slug: str) -> HttpResponse:
    found = get_object_or_404(Event.objects.visible_to(request.user).select_related("club"), slug=slug)
    form = BasketForm(request.POST, kinds=entitlement.kinds_for(request.user, found))
    if form.is_valid() and not form.basket:
        form.add_error(None, _refusal_words(sales.EmptyBasket()))
    if not form.is_valid():
        return _event_page(request, found, form, status=422)
    if not request.user.is_authenticated:
        return _sign_up_first(request, found)
    try:
        placed = sales.place(
            buyer=_user(request),
            event=found,
            basket=form.basket,
            attempt=form.cleaned_data["attempt"],
            network=holding.mark_of(get_adapter().get_client_ip(request)),
            at=now(),
        )
    except (StripeUnavailable, StripeRefused) as no:
        messages.error(request, plain_words.to_buyer(no, email=_user(request).email))
        return redirect(found)
    except _REFUSALS as refusal:
        form.add_error(None, _refusal_words(refusal))
        return _event_page(request, found, form, status=409)
    return redirect(placed) if placed.is_paid else _to_checkout(request, placed)


_REFUSALS = (
    sales.EmptyBasket,
    sales.BasketTooBig,
    seats.NotOnSale,
    seats.SoldOut,
    sales.TooMany,
    sales.MembersOnly,
    holding.HeldTooOften,
)


_PLAIN_REFUSALS: dict[type[Exception], Promise] = {
    sales.EmptyBasket: gettext_lazy("Choose how many tickets you would like."),
    sales.BasketTooBig: gettext_lazy(
        "This is more than one order may have. Choose fewer tickets, and order again for more."
    ),
    holding.HeldTooOften: gettext_lazy(
        "Tickets for this event were held from here again and again without being paid for. "
        "It is the turn of others now; try again later."
    ),
    sales.MembersOnly: gettext_lazy("This ticket is for members of the club. Join the club first."),
    seats.NotOnSale: gettext_lazy("Tickets for this event are not on sale any more."),
}


def _refusal_words(refusal: Exception) -> str:
    match refusal:
        case seats.SoldOut(ticket_type=kind) if kind.left:
            words = ngettext("Only %(left)s %(name)s is left.", "Only %(left)s %(name)s are left.", kind.left)
            return words % {"left": kind.left, "name": kind.name}
        case seats.SoldOut(ticket_type=kind):
            return _("%(name)s has just sold out. If somebody does not pay, it comes back.") % {
                "name": kind.name
            }
        case sales.TooMany(ticket_type=kind):
            words = _("One person may have %(most)s of %(name)s, over all orders.")
            return words % {"most": kind.per_person, "name": kind.name}
        case _:
            return str(_PLAIN_REFUSALS[type(refusal)])


def _sign_up_first(request: HttpRequest, found: Event) -> HttpResponse:
    """Lead to the sign-up (which leads on to the sign-in), and back to the event with the basket kept."""
    basket = {name: value for name, value in request.POST.items() if name.startswith("seats_") and value}
    back = f"{found.get_absolute_url()}?{urlencode(basket)}" if basket else found.get_absolute_url()
    return redirect(f"{reverse('account_signup')}?{urlencode({'next': back})}")


def _to_checkout(request: HttpRequest, placed: Order) -> HttpResponse:
    try:
        return redirect(sales.start_checkout(order=placed, at=now()))
    except sales.HoldIsOver:
        messages.warning(request, _("The time to pay is over. Choose your tickets again."))
        return redirect(placed.event)
    except (StripeUnavailable, StripeRefused) as no:
        messages.error(request, plain_words.to_buyer(no, email=_user(request).email))
        messages.info(request, _("Your tickets stay held until the time to pay is over."))
        return redirect(placed)


@require_GET
def club_events(request: HttpRequest, club_slug: str) -> HttpResponse:
    """Show what is live and what comes of one club: a part of the club's page, or a page without scripts."""
    club = get_object_or_404(Club, slug=club_slug)
    of_club = Event.objects.filter(club=club)
    events = [*of_club.live()[:COMING_SHOWN], *of_club.coming(now())[:COMING_SHOWN]]
    drawn = "ticketing/parts/club_events.html" if _is_part(request) else "ticketing/club_events.html"
    response = render(request, drawn, {"club": club, "events": events})
    patch_vary_headers(response, ("HX-Request",))
    return response


def _is_part(request: HttpRequest) -> bool:
    """Return whether a script asks for a part of its page; without one, people get the page around it."""
    return request.headers.get("HX-Request") == "true"


@never_cache
@login_required
@require_GET
def order(request: HttpRequest, pk: UUID) -> HttpResponse:
    return render(request, "ticketing/order.html", _order_context(request, _own_order(request, pk)))


@never_cache
@login_required
@require_GET
def order_state(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Show where an order stands: the part of the order page that asks again until it is settled."""
    found = _own_order(request, pk)
    waits = found.is_held and request.GET.get("back") == "paid"
    if waits and cache.add(f"order-asked-{pk}", "1", timeout=ASK_AGAIN_AFTER):
        with suppress(StripeUnavailable, StripeRefused):  # the sweep asks again, and settles it
            sales.look_again(order=found, at=now())
        found = _own_order(request, pk)
    context = _order_context(request, found)
    if request.GET.get("seen") == context["state"]:
        return HttpResponse(status=204)  # it is as it was shown: focus and voice stay where they are
    drawn = "ticketing/parts/order_state.html" if _is_part(request) else "ticketing/order.html"
    return render(request, drawn, context)


def _own_order(request: HttpRequest, pk: UUID) -> Order:
    own = Order.objects.filter(buyer=_user(request)).select_related("event__club", "charge")
    return get_object_or_404(own, pk=pk)


def _order_context(request: HttpRequest, found: Order) -> dict[str, object]:
    tickets = list(found.tickets.select_related("ticket_type", "holder").order_by("created_at", "id"))
    may_pay = found.is_held and found.held_until > now()
    [(_order, money)] = _with_money([found])
    return {
        "order": found,
        "state": f"{found.status}{'-to-pay' if may_pay else ''}",
        "money_back": money,
        "event": found.event,
        "own": [ticket for ticket in tickets if ticket.holder_id == found.buyer_id],
        "for_friends": [ticket for ticket in tickets if ticket.holder_id != found.buyer_id],
        "tickets": tickets,
        "back": request.GET.get("back", ""),
        "may_pay": may_pay,
        "base_url": links.absolute(""),
    }


@login_required
@require_POST
def pay(request: HttpRequest, pk: UUID) -> HttpResponse:
    return _to_checkout(request, _own_order(request, pk))


@login_required
@require_POST
def let_go(request: HttpRequest, pk: UUID) -> HttpResponse:
    try:
        found = sales.let_go(order=_own_order(request, pk), at=now())
    except StripeUnavailable:
        messages.error(request, _("The payment service does not answer just now. Try again in a minute."))
        return redirect("ticketing:order", pk)
    except StripeRefused:
        messages.error(
            request,
            _(
                "The payment service did not let us shut its page, so the order stays as it is. "
                "Please tell the host."
            ),
        )
        return redirect("ticketing:order", pk)
    if found.is_paid:
        messages.info(request, _("Your payment had just come in, so the tickets are yours."))
        return redirect(found)
    messages.info(request, _("Your order was let go. Nothing was charged."))
    return redirect(found.event)


@never_cache
@login_required
@require_GET
def my_tickets(request: HttpRequest) -> HttpResponse:
    user, at = _user(request), now()
    mine = Ticket.objects.live().filter(holder=user).select_related("event__club", "ticket_type", "order")
    over = [Event.Status.ENDED, Event.Status.CANCELLED]
    orders = Order.objects.filter(buyer=user).select_related("event", "charge").order_by("-placed_at", "-id")
    page = Paginator(orders, PER_PAGE).get_page(request.GET.get("page"))
    context = {
        "to_pay": orders.filter(status=Order.Status.HELD, held_until__gt=at)[:PER_PAGE],
        "team": programme.on_the_team(user, at=at)[:PER_PAGE],
        "coming": mine.exclude(event__status__in=over).order_by("event__starts_at", "id")[: PER_PAGE * 5],
        "over": mine.filter(event__status__in=over).order_by("-event__starts_at", "id")[:PER_PAGE],
        "orders": page,
        "orders_and_money": _with_money(list(page)),
        "at": at,
    }
    return render(request, "ticketing/my_tickets.html", context)


def _with_money(orders: list[Order]) -> list[tuple[Order, MoneyBack | None]]:
    """Return each order with how its money comes back, if it does: the money decides the words."""
    over = [order for order in orders if order.status in {Order.Status.REFUNDED, Order.Status.TOO_LATE}]
    stands = refund_standing.of([order.charge for order in over if order.charge is not None])
    return [(order, stands.get(order.charge_id) if order.charge_id else None) for order in orders]


@login_required
@require_POST
def new_link(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Make the link void that passes a ticket on, and another one valid."""
    ticket = get_object_or_404(Ticket.objects.select_related("order"), pk=pk, order__buyer=_user(request))
    try:
        passing.renew(ticket=ticket)
    except passing.LinkIsVoid:
        messages.warning(request, _("This ticket was taken already, so its link leads nowhere any more."))
    else:
        messages.success(request, _("The old link is void. Send the new one."))
    return redirect(ticket.order)


@never_cache
@require_http_methods(["GET", "POST"])
def claim(request: HttpRequest, token: str) -> HttpResponse:
    """Let a guest take a ticket that a buyer passes on."""
    try:
        ticket = passing.read(token=token)
    except passing.LinkIsVoid:
        return render(request, "ticketing/claim_void.html", status=410)
    context = {
        "ticket": ticket,
        "event": ticket.event,
        "has_one": entitlement.holds_ticket(request.user, ticket.event),
    }
    if request.method == "GET" or not request.user.is_authenticated:
        return render(request, "ticketing/claim.html", context)
    try:
        passing.take(ticket=ticket, by=_user(request), at=now())
    except passing.LinkIsVoid:
        return render(request, "ticketing/claim_void.html", status=410)
    except passing.HasTicket:
        return render(request, "ticketing/claim.html", {**context, "has_one": True}, status=409)
    messages.success(request, _("The ticket is yours."))
    return redirect("ticketing:my_tickets")


def _user(request: HttpRequest) -> User:
    return cast("User", request.user)
