"""The way from "I want" to "I have": hold, pay, complete; or let go.

Locks are always taken in one order: order, person, charge, ticket types by id, tickets (docs/locks.md).
Stripe is asked only outside transactions, so every function says which kind it is: "one transaction", or
"asks Stripe".
"""

import secrets
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import structlog
from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils.text import Truncator

from accounts import links, personal_data
from accounts.models import User
from clubs import memberships
from payments import charges, refunds
from payments.money import LARGEST_CHARGE
from payments.states import move, move_all
from payments.stripe_records import CheckoutState, Paid
from ticketing import holding, letters, seats
from ticketing.limits import MOST_IN_A_BASKET
from ticketing.models import Event, Order, Ticket, TicketType
from ticketing.seats import NotOnSale, SoldOut

log = structlog.get_logger(__name__)

CODE_LETTERS = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"  # none that is read as another
# Stripe keeps a checkout open for 30 minutes at least. The sweep shuts ours earlier; this is the far end.
CHECKOUT_LASTS = timedelta(minutes=60)
LONGEST_DESCRIPTION = 200  # of a charge

Basket = Mapping[UUID, int]  # how many of which ticket type


class EmptyBasket(Exception):
    """Nothing was asked for."""


class TooMany(Exception):
    """More was asked for than one person may have of this ticket type."""

    def __init__(self, ticket_type: TicketType) -> None:
        super().__init__(f"One person may have {ticket_type.per_person} of {ticket_type.pk}.")
        self.ticket_type = ticket_type


class BasketTooBig(Exception):
    """More tickets, or a higher sum, than one order may have. Another order is fine."""


class MembersOnly(Exception):
    """One of the ticket types is for members of the club, and the buyer is none."""


class HoldsAnother(Exception):
    """The buyer already has an order of this event that waits for payment. One comes after another."""


class HoldIsOver(Exception):
    """The order's seats are not held any more: it has to be placed again."""


def place(
    *,
    buyer: User,
    event: Event,
    basket: Basket,
    attempt: UUID | None = None,
    network: str = "",
    at: datetime,
) -> Order:
    """Return the order for this basket: bought if it is free, else held for payment. Asks Stripe.

    The same again (a double click: the same `attempt`, or the same basket while it is held) returns the first
    order. An earlier order of another basket that still waits for payment is let go.
    Raise EmptyBasket, BasketTooBig, NotOnSale, SoldOut, TooMany, MembersOnly, HeldTooOften.
    """
    wanted = {pk: count for pk, count in basket.items() if count > 0}
    earlier = _earlier_order(buyer, event, attempt)
    if (
        earlier is not None
        and earlier.is_held
        and (earlier.held_until <= at or not _asks_for(earlier, wanted))
    ):
        earlier = let_go(order=earlier, at=at)
    if earlier is not None and (earlier.is_held or earlier.is_paid) and _asks_for(earlier, wanted):
        return earlier
    try:
        with transaction.atomic():
            order = hold(buyer=buyer, event=event, basket=wanted, attempt=attempt, network=network, at=at)
            return order if order.total else take_free(order=order, at=at)
    except HoldsAnother:
        first = _earlier_order(buyer, event, attempt)  # the other click was quicker
        if first is None:
            raise
        return first


def _earlier_order(buyer: User, event: Event, attempt: UUID | None) -> Order | None:
    orders = Order.objects.filter(buyer=buyer, event=event).select_related("charge")
    if attempt is not None:
        same_click = orders.filter(pk=attempt, status__in=[Order.Status.HELD, Order.Status.PAID]).first()
        if same_click is not None:
            return same_click
    return orders.filter(status=Order.Status.HELD).first()


def _asks_for(order: Order, wanted: Basket) -> bool:
    return seats_of(order) == dict(wanted)


def seats_of(order: Order) -> dict[UUID, int]:
    """Return how many seats of which ticket type an order is about."""
    return dict(Counter(order.tickets.values_list("ticket_type_id", flat=True)))


@transaction.atomic
def hold(
    *,
    buyer: User,
    event: Event,
    basket: Basket,
    attempt: UUID | None = None,
    network: str = "",
    at: datetime,
) -> Order:
    """Put the seats aside until a deadline and return the held order. One short transaction.

    `network` is the mark of where it comes from, by holding.mark_of(). Raise EmptyBasket, BasketTooBig,
    NotOnSale, SoldOut, TooMany, MembersOnly, HeldTooOften, HoldsAnother.
    """
    wanted = {pk: count for pk, count in basket.items() if count > 0}
    event = Event.objects.select_related("club__payee").get(pk=event.pk)
    kinds = _kinds_on_sale(event, wanted, at)
    if any(kind.members_only for kind in kinds) and not memberships.is_member(buyer, event.club, at):
        raise MembersOnly
    # The person first: it lets this buyer's orders pass one by one, so what follows is counted right.
    if personal_data.locked(buyer).closed_at is not None:
        raise NotOnSale
    if any(kind.price_minor for kind in kinds):
        holding.refuse_too_many(buyer=buyer, event=event, network=network, at=at)
    order = _open_order(buyer, event, kinds, wanted, attempt, at)
    if network:
        Order.objects.filter(pk=order.pk).update(network=network)
    _refuse_too_many(buyer, kinds, wanted)
    seats.hold(wanted)
    Ticket.objects.bulk_create(_tickets(order, kinds, wanted, at))
    return order


def _kinds_on_sale(event: Event, wanted: Basket, at: datetime) -> list[TicketType]:
    if not wanted:
        raise EmptyBasket
    kinds = list(TicketType.objects.filter(event=event, pk__in=wanted))
    if len(kinds) != len(wanted) or not event.sells(at=at):
        raise NotOnSale
    total = sum(kind.price_minor * wanted[kind.pk] for kind in kinds)
    if sum(wanted.values()) > MOST_IN_A_BASKET or total > LARGEST_CHARGE[event.currency]:
        raise BasketTooBig
    return kinds


def _in_words(event: Event, kinds: Sequence[TicketType], wanted: Basket) -> str:
    """Return what is bought as the checkout, and the buyer's card statement at Stripe, names it."""
    tickets = ", ".join(f"{wanted[kind.pk]} × {kind.name}" for kind in kinds)  # noqa: RUF001 -- as pages write it
    return Truncator(f"{event.title}: {tickets}").chars(LONGEST_DESCRIPTION)


def _open_order(
    buyer: User, event: Event, kinds: Sequence[TicketType], wanted: Basket, attempt: UUID | None, at: datetime
) -> Order:
    total = sum(kind.price_minor * wanted[kind.pk] for kind in kinds)
    order = Order(
        id=attempt or uuid4(),
        code="".join(secrets.choice(CODE_LETTERS) for _ in range(8)),
        event=event,
        buyer=buyer,
        currency=event.currency,
        total_minor=total,
        held_until=at + timedelta(minutes=settings.HOLD_MINUTES),
        sold_starts_at=event.starts_at,
        sold_minutes=event.minutes,
        placed_at=at,
    )
    known = Order.objects.filter(pk=order.pk).first()
    if known is not None:
        if known.buyer_id == buyer.pk and (known.is_held or known.is_paid) and _asks_for(known, wanted):
            raise HoldsAnother  # the other click was quicker
        order.id = uuid4()  # the page was sent again with another basket
    try:
        with transaction.atomic():
            if total:
                order.charge = charges.ask(
                    payee=event.club.payee,
                    buyer=buyer,
                    reference=f"order-{order.pk}",
                    description=_in_words(event, kinds, wanted),
                    amount=order.total,
                    at=at,
                )
            order.save(force_insert=True)
    except IntegrityError as error:
        raise HoldsAnother from error
    return order


def _refuse_too_many(buyer: User, kinds: Sequence[TicketType], wanted: Basket) -> None:
    has = Counter(
        Ticket.objects.living()
        .filter(order__buyer=buyer, ticket_type__in=kinds)
        .values_list("ticket_type_id", flat=True)
    )
    for kind in kinds:
        if has[kind.pk] + wanted[kind.pk] > kind.per_person:
            raise TooMany(kind)


def _tickets(order: Order, kinds: Sequence[TicketType], wanted: Basket, at: datetime) -> list[Ticket]:
    """Return a ticket per seat. The first is the buyer's own unless they have one; the rest are passed on."""
    tickets = [
        Ticket(
            order=order,
            event=order.event,
            ticket_type=kind,
            price_minor=kind.price_minor,
            currency=kind.currency,
            sold_as=kind.name,
            created_at=at,
        )
        for kind in kinds
        for _ in range(wanted[kind.pk])
    ]
    if not Ticket.objects.living().filter(event=order.event, holder=order.buyer).exists():
        tickets[0].holder = order.buyer
    return tickets


@transaction.atomic
def take_free(*, order: Order, at: datetime) -> Order:
    """Complete an order that costs nothing. One transaction."""
    assert order.charge_id is None, "only an order without a charge is free"  # noqa: S101 -- only a bug breaks it
    _seat(order, at, buyer=personal_data.locked(order.buyer))
    return order


def start_checkout(*, order: Order, at: datetime) -> str:
    """Return the address at which Stripe takes the payment, or the order's own once it is paid. Asks Stripe.

    Raise HoldIsOver when the order waits for no payment; StripeUnavailable, StripeRefused.
    """
    if not order.is_held or order.charge is None or order.held_until <= at:
        raise HoldIsOver
    page = links.absolute(order.get_absolute_url())
    try:
        return charges.start_checkout(
            charge=order.charge,
            success_url=f"{page}?back=paid",
            cancel_url=f"{page}?back=unpaid",
            kind="order",
            expires_at=order.placed_at + CHECKOUT_LASTS,
            at=at,
        )
    except charges.AlreadyPaid:
        return f"{page}?back=paid"


@transaction.atomic
def complete(*, order: Order, payment_intent: str, at: datetime) -> None:
    """Take in the payment of an order, once: seat it, or return the money if it came too late.

    One transaction. Any number of calls, at once or in any order, leave one state and one letter.
    """
    order = locked(order)
    assert order.charge is not None, "Stripe was asked for this order"  # noqa: S101 -- only a bug breaks it
    buyer = personal_data.locked(order.buyer)
    if not charges.settle(charge=order.charge, payment_intent=payment_intent, at=at):
        return
    try:
        with transaction.atomic():
            _seat(order, at, buyer=buyer)
    except (SoldOut, NotOnSale):
        _return_the_money(order, at)


def locked(order: Order) -> Order:
    """Return the order, locked. Everything that changes one begins here, so that one comes after another."""
    held = Order.objects.select_for_update(of=("self",), no_key=True)
    return held.select_related("charge", "buyer", "event__club").get(pk=order.pk)


def _seat(order: Order, at: datetime, *, buyer: User) -> None:
    """Make a held order, or one let go whose seats are still free, a bought one. Raise SoldOut, NotOnSale."""
    if not order.event.is_on_sale or buyer.closed_at is not None:  # nobody could use the seat
        raise NotOnSale
    if order.is_held:
        seats.sell_held(seats_of(order))
    else:
        seats.sell(seats_of(order))
    move(order, Order.Status.PAID, paid_at=at)
    has_one = Ticket.objects.live().filter(event=order.event, holder=order.buyer).exists()
    # Meanwhile a friend may have passed a ticket on to the buyer: then this one is for a friend.
    move_all(order.tickets.all(), Ticket.Status.LIVE, **({"holder": None} if has_one else {}))
    letters.order_paid(order=order, at=at)


def _return_the_money(order: Order, at: datetime) -> None:
    assert order.charge is not None, "a free order is never paid too late"  # noqa: S101 -- only a bug breaks it
    if order.is_held:
        _unseat(order, at)
    move(order, Order.Status.TOO_LATE)
    refund = refunds.owe(charge=order.charge, reason="paid too late", by=None, at=at)
    if order.buyer.closed_at is None:
        letters.paid_too_late(order=order, refund=refund, at=at)
    log.warning("paid_too_late", order=str(order.pk))


@transaction.atomic
def release(*, order: Order, at: datetime) -> bool:
    """Give the seats of a held order back. One transaction; True only for the one who did it.

    Nobody may be able to pay for it any more: let_go() asks Stripe first.
    """
    order = locked(order)
    if not order.is_held:
        return False
    if order.charge is not None:
        charges.drop(charge=order.charge, at=at)
    _unseat(order, at)
    return True


def _unseat(order: Order, at: datetime) -> None:
    move(order, Order.Status.EXPIRED, let_go_at=at)
    seats.let_go(seats_of(order))
    move_all(order.tickets.all(), Ticket.Status.DEAD)


def let_go(*, order: Order, at: datetime) -> Order:
    """Shut the checkout of a held order and give its seats back; if it was paid meanwhile, complete it.

    Asks Stripe. Return the order as it is now. Raise StripeUnavailable: then the seats stay held for now.
    """
    if order.charge is None:
        release(order=order, at=at)
    else:
        heed(order=order, checkout=charges.cancel_checkout(charge=order.charge, at=at), at=at)
    return Order.objects.select_related("charge").get(pk=order.pk)


def look_again(*, order: Order, at: datetime) -> None:
    """Do at once what a webhook would have told, for a buyer who came back and waits. Asks Stripe."""
    if order.is_held and order.charge is not None:
        heed(order=order, checkout=charges.look_up(charge=order.charge, at=at), at=at)


def heed(*, order: Order, checkout: CheckoutState, at: datetime) -> None:
    """Do what follows from where Stripe's page of an order stands: complete it, release it, or wait on."""
    if checkout.state == Paid.PAID:
        complete(order=order, payment_intent=checkout.payment_intent, at=at)
    elif checkout.state == Paid.EXPIRED:
        release(order=order, at=at)
