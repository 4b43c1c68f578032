"""An evening of thousands in the database, with all that the books need; and how it stands."""

import secrets
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from django.db import connection, transaction

from accounts import mail
from accounts.models import Letter, User
from clubs import founding
from payments import books, ledger
from payments.ledger import Posting
from payments.models import Charge, LedgerAccount, StripeEvent
from payments.money import Money
from ticketing import aftersales, programme, promises
from ticketing.models import Event, Order, Ticket, TicketType

PRICE, FEE = Money(1200, "EUR"), Money(96, "EUR")
AT_ONCE = 2_000
Kind = LedgerAccount.Kind


def sold(seats: int) -> Event:
    """Return a published event that starts in an hour and has sold so many seats, one to each buyer."""
    at = datetime.now(UTC)
    mark = secrets.token_hex(4)
    owner = User.objects.create(handle=f"host_{mark}", email=f"host-{mark}@example.com")
    club = founding.found(name=f"Big {mark}", currency="EUR", timezone="Europe/Berlin", by=owner, at=at)
    event = programme.draft(
        club=club,
        by=owner,
        title=f"A big evening {mark}",
        description="",
        starts_at=at + timedelta(hours=1),
        timezone="Europe/Berlin",
        minutes=60,
        at=at,
    )
    kind = TicketType.objects.create(event=event, name="Seat", price_minor=PRICE.minor, currency="EUR")
    programme.publish(event=event, by=owner, at=at)
    for first in range(0, seats, AT_ONCE):
        _sell(event, kind, min(AT_ONCE, seats - first), mark=f"{mark}_{first}", at=at)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    return event


@transaction.atomic
def _sell(event: Event, kind: TicketType, count: int, *, mark: str, at: datetime) -> None:
    fans = User.objects.bulk_create(
        User(handle=f"f{mark}_{n}", email=f"f{mark}-{n}@example.com") for n in range(count)
    )
    payee = event.club.payee
    charges = Charge.objects.bulk_create(
        Charge(
            payee=payee,
            buyer=fan,
            reference=f"order-{mark}-{n}",
            description=event.title,
            amount_minor=PRICE.minor,
            fee_minor=FEE.minor,
            currency="EUR",
            status=Charge.Status.PAID,
            created_at=at,
            paid_at=at,
            payment_intent_id=f"pi_{mark}_{n}",
        )
        for n, fan in enumerate(fans)
    )
    orders = Order.objects.bulk_create(
        Order(
            code=secrets.token_hex(5).upper(),
            event=event,
            buyer=charge.buyer,
            charge=charge,
            status=Order.Status.PAID,
            currency="EUR",
            total_minor=PRICE.minor,
            held_until=at,
            placed_at=at,
            paid_at=at,
        )
        for charge in charges
    )
    Ticket.objects.bulk_create(
        Ticket(
            order=order,
            ticket_type=kind,
            event=event,
            holder=order.buyer,
            status=Ticket.Status.LIVE,
            price_minor=PRICE.minor,
            currency="EUR",
            created_at=at,
        )
        for order in orders
    )
    kind.sold += count
    kind.save(update_fields=["sold"])
    buyers = ledger.account(kind=Kind.BUYERS, currency="EUR")
    fees = ledger.account(kind=Kind.FEES, currency="EUR")
    pot = ledger.account(kind=Kind.PENDING, currency="EUR", payee=payee)
    sales = [Posting(buyers, pot, PRICE, reason="sale", reference=charge.cause) for charge in charges]
    parts = [Posting(pot, fees, FEE, reason="fee", reference=charge.cause) for charge in charges]
    ledger.post_many([*sales, *parts], at=at)


def end(event: Event) -> None:
    """Say that the evening took place and is over: from now on its money is due."""
    at = datetime.now(UTC)
    programme.go_live(event=event, at=at)
    with transaction.atomic():
        programme.end(event=event, at=at)
        programme.set_delivery(event=event, delivery=Event.Delivery.DELIVERED, at=at)


def is_released(event: Event) -> bool:
    return Event.objects.filter(pk=event.pk, money_released_at__isnull=False).exists()


def call_off(event: Event) -> None:
    aftersales.cancel_event(event=event, by=event.created_by, reason="Storm", at=datetime.now(UTC))


def is_called_off(event: Event) -> bool:
    return Event.objects.filter(pk=event.pk, refunding_done_at__isnull=False).exists()


def write_a_letter(name: str) -> None:
    """Owe somebody a letter for which they wait."""
    event = Event.objects.order_by("created_at").first()
    context = {"event": event, "event_url": "", "room_url": "", "order_url": "", "to": None}
    mail.write(
        key=f"probe-{name}",
        to="probe@example.com",
        template="ticketing/mail/guest_lost_ticket",
        context=context,
        at=datetime.now(UTC),
    )


def arrived(names: Sequence[str]) -> dict[str, list[str]]:
    """Return which of the letters have left, and which of the webhooks are handled."""
    letters = Letter.objects.filter(key__in=[f"probe-{name}" for name in names], status=Letter.Status.SENT)
    events = StripeEvent.objects.filter(stripe_id__in=[f"evt_{name}" for name in names])
    handled = events.exclude(status=StripeEvent.Status.RECEIVED)
    return {
        "letters": [key.removeprefix("probe-") for key in letters.values_list("key", flat=True)],
        "webhooks": [pk.removeprefix("evt_") for pk in handled.values_list("stripe_id", flat=True)],
    }


def broken_promises() -> list[str]:
    """Return which promises of the books and of the sale do not hold."""
    return [f"{one.promise}: {one.where}" for one in [*books.check(), *promises.check()]]


def close() -> None:
    """Give this thread's connection back."""
    connection.close()
