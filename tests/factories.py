"""One factory per model, free of surprises: each makes the plainest row that the constraints allow."""

import secrets
from datetime import UTC, datetime, timedelta

import factory
from factory.django import DjangoModelFactory

from accounts.models import User
from clubs.models import Club, Membership, Officer, Plan
from payments.models import Charge, Payee, Payout, Subscription
from rooms.models import Room, Seat
from ticketing.models import Event, Order, Ticket, TicketType

PASSWORD = "correct horse battery"


def _now() -> datetime:
    return datetime.now(UTC)


class UserFactory(DjangoModelFactory[User]):
    class Meta:
        model = User
        skip_postgeneration_save = True

    handle = factory.Sequence(lambda n: f"fan{n}")
    email = factory.LazyAttribute(lambda user: f"{user.handle}@example.com")
    password = factory.django.Password(PASSWORD)

    @factory.post_generation
    def verified(self, create: bool, extracted: bool | None, **_kwargs: object) -> None:  # noqa: FBT001 -- factory_boy calls it so
        """Confirm the address, as sign-up would; `verified=False` leaves it open."""
        from allauth.account.models import EmailAddress  # noqa: PLC0415 -- app-ready

        if create and extracted is not False:
            EmailAddress.objects.create(user=self, email=self.email, verified=True, primary=True)


class PayeeFactory(DjangoModelFactory[Payee]):
    class Meta:
        model = Payee

    name = factory.Sequence(lambda n: f"Payee {n}")
    email = factory.Sequence(lambda n: f"payee{n}@example.com")
    currency = "EUR"
    created_at = factory.LazyFunction(_now)


class ClubFactory(DjangoModelFactory[Club]):
    class Meta:
        model = Club
        skip_postgeneration_save = True

    name = factory.Sequence(lambda n: f"Club {n}")
    slug = factory.Sequence(lambda n: f"club-{n}")
    currency = "EUR"
    timezone = "Europe/Berlin"
    payee = factory.SubFactory(
        PayeeFactory, name=factory.SelfAttribute("..name"), currency=factory.SelfAttribute("..currency")
    )
    created_at = factory.LazyFunction(_now)

    @factory.post_generation
    def owner(self, create: bool, extracted: User | None, **_kwargs: object) -> None:  # noqa: FBT001 -- factory_boy calls it so
        if create and extracted is not None:
            OfficerFactory.create(club=self, user=extracted, role=Officer.Role.OWNER)


class OfficerFactory(DjangoModelFactory[Officer]):
    class Meta:
        model = Officer

    club = factory.SubFactory(ClubFactory)
    user = factory.SubFactory(UserFactory)
    role = Officer.Role.OWNER
    since = factory.LazyFunction(_now)


class PlanFactory(DjangoModelFactory[Plan]):
    class Meta:
        model = Plan

    club = factory.SubFactory(ClubFactory)
    name = "Friends of the club"
    price_minor = 500
    currency = factory.SelfAttribute("club.currency")
    created_at = factory.LazyFunction(_now)


class SubscriptionFactory(DjangoModelFactory[Subscription]):
    class Meta:
        model = Subscription

    payee = factory.SubFactory(PayeeFactory)
    buyer = factory.SubFactory(UserFactory)
    reference = factory.Sequence(lambda n: f"membership-{n}")
    description = "A month of membership"
    amount_minor = 500
    currency = factory.SelfAttribute("payee.currency")
    created_at = factory.LazyFunction(_now)


class MembershipFactory(DjangoModelFactory[Membership]):
    class Meta:
        model = Membership

    plan = factory.SubFactory(PlanFactory)
    club = factory.SelfAttribute("plan.club")
    member = factory.SubFactory(UserFactory)
    status = Membership.Status.ACTIVE
    paid_until = factory.LazyFunction(lambda: _now() + timedelta(days=30))
    created_at = factory.LazyFunction(_now)


class EventFactory(DjangoModelFactory[Event]):
    """A published event next week; `tickets=3` gives three fans a valid ticket each."""

    class Meta:
        model = Event
        skip_postgeneration_save = True

    club = factory.SubFactory(ClubFactory)
    slug = factory.LazyFunction(lambda: f"an-evening-{secrets.token_hex(4)}")
    title = factory.Sequence(lambda n: f"An evening {n}")
    starts_at = factory.LazyFunction(lambda: (_now() + timedelta(days=7)).replace(second=0, microsecond=0))
    timezone = factory.SelfAttribute("club.timezone")
    currency = factory.SelfAttribute("club.currency")
    status = Event.Status.PUBLISHED
    created_by = factory.SubFactory(UserFactory)
    created_at = factory.LazyFunction(_now)
    published_at = factory.LazyFunction(_now)

    @factory.post_generation
    def tickets(self, create: bool, extracted: int | None, **_kwargs: object) -> None:  # noqa: FBT001 -- factory_boy calls it so
        if create and extracted:
            ticket_type = TicketTypeFactory.create(event=self, price_minor=0, name="Guest list")
            TicketFactory.create_batch(extracted, ticket_type=ticket_type)
            TicketType.objects.filter(pk=ticket_type.pk).update(sold=extracted)


def put_down_as(event: Event, status: str, *, at: datetime) -> None:
    """Write that an event is over or called off, with all that such a row must say and nothing more."""
    called_off = {"refunding_since": at, "refunding_because": "Storm", "refunding_by": event.created_by}
    more = called_off if status == Event.Status.CANCELLED else {}
    Event.objects.filter(pk=event.pk).update(status=status, ended_at=at, **more)


class TicketTypeFactory(DjangoModelFactory[TicketType]):
    class Meta:
        model = TicketType

    event = factory.SubFactory(EventFactory)
    name = factory.Sequence(lambda n: f"Seat {n}")
    price_minor = 1200
    currency = factory.SelfAttribute("event.currency")


class ChargeFactory(DjangoModelFactory[Charge]):
    class Meta:
        model = Charge

    payee = factory.SubFactory(PayeeFactory)
    buyer = factory.SubFactory(UserFactory)
    reference = factory.Sequence(lambda n: f"order-{n}")
    description = "A ticket"
    amount_minor = 1200
    fee_minor = 96
    currency = factory.SelfAttribute("payee.currency")
    created_at = factory.LazyFunction(_now)


class OrderFactory(DjangoModelFactory[Order]):
    """A free order, taken."""

    class Meta:
        model = Order

    code = factory.LazyFunction(lambda: secrets.token_hex(4).upper())
    event = factory.SubFactory(EventFactory)
    buyer = factory.SubFactory(UserFactory)
    status = Order.Status.PAID
    currency = factory.SelfAttribute("event.currency")
    total_minor = 0
    held_until = factory.LazyFunction(lambda: _now() + timedelta(minutes=10))
    placed_at = factory.LazyFunction(_now)
    paid_at = factory.LazyFunction(_now)


class TicketFactory(DjangoModelFactory[Ticket]):
    """A valid ticket. It does not raise the type's `sold`: buy through `sales` where counts matter."""

    class Meta:
        model = Ticket

    ticket_type = factory.SubFactory(TicketTypeFactory, price_minor=0)
    event = factory.SelfAttribute("ticket_type.event")
    holder = factory.SubFactory(UserFactory)
    order = factory.SubFactory(
        OrderFactory, event=factory.SelfAttribute("..event"), buyer=factory.SelfAttribute("..holder")
    )
    status = Ticket.Status.LIVE
    price_minor = factory.SelfAttribute("ticket_type.price_minor")
    currency = factory.SelfAttribute("event.currency")
    created_at = factory.LazyFunction(_now)


class PayoutFactory(DjangoModelFactory[Payout]):
    """A request waiting for review. It posts no reserve: where the books matter, use `payouts.request`."""

    class Meta:
        model = Payout

    payee = factory.SubFactory(PayeeFactory)
    amount_minor = 1000
    currency = factory.SelfAttribute("payee.currency")
    requested_by = factory.SubFactory(UserFactory)
    requested_at = factory.LazyFunction(_now)


class RoomFactory(DjangoModelFactory[Room]):
    """A room with its doors open, and its event live."""

    class Meta:
        model = Room

    event = factory.SubFactory(EventFactory, status=Event.Status.LIVE)
    status = Room.Status.OPEN
    opened_at = factory.LazyFunction(_now)


class SeatFactory(DjangoModelFactory[Seat]):
    class Meta:
        model = Seat

    room = factory.SubFactory(RoomFactory)
    user = factory.SubFactory(UserFactory)
    status = Seat.Status.PRESENT
    taken_at = factory.LazyFunction(_now)
    seen_at = factory.LazyFunction(_now)
