import uuid
from typing import ClassVar, Self

from django.conf import settings
from django.core import signing
from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from core.retries import Retried
from payments.fields import within
from payments.models import Charge
from payments.money import LARGEST_CHARGE, SMALLEST_CHARGE, Money
from ticketing.models.event import Event, TicketType

# Links that pass a ticket on are signed and not kept: the database holds no key to a door.
_passes = signing.Signer(salt="ticketing.pass", sep=".")


class Order(Retried):
    """What one buyer wants of one event: held until a deadline, then bought or let go."""

    class Status(models.TextChoices):
        HELD = "held", _("Held for you")
        PAID = "paid", _("Bought")
        EXPIRED = "expired", _("Let go")
        TOO_LATE = "too-late", _("Paid too late, money returned")
        REFUNDED = "refunded", _("Refunded")

    MOVES: ClassVar = {
        Status.HELD: {Status.PAID, Status.EXPIRED},
        # Paid too late: seated if a seat is free, else refunded.
        Status.EXPIRED: {Status.PAID, Status.TOO_LATE},
        Status.PAID: {Status.REFUNDED},
    }

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    code = models.CharField(max_length=12, unique=True, help_text=_("What the buyer reads out to support."))
    event = models.ForeignKey(Event, on_delete=models.PROTECT, related_name="orders")
    buyer = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="orders")
    charge = models.OneToOneField(
        Charge, null=True, blank=True, on_delete=models.PROTECT, related_name="order"
    )
    status = models.CharField(max_length=10, choices=Status, default=Status.HELD)
    currency = models.CharField(max_length=3)
    total_minor = models.BigIntegerField()
    held_until = models.DateTimeField()
    sold_starts_at = models.DateTimeField(
        null=True, blank=True, help_text=_("The start that was announced when this was sold.")
    )
    sold_minutes = models.PositiveSmallIntegerField(
        null=True, blank=True, help_text=_("The length that was announced when this was sold.")
    )
    placed_at = models.DateTimeField()
    paid_at = models.DateTimeField(null=True, blank=True)
    refunded_at = models.DateTimeField(null=True, blank=True)
    let_go_at = models.DateTimeField(null=True, blank=True)
    left_out_at = models.DateTimeField(
        null=True, blank=True, help_text=_("When the buyer was told why their money does not come back yet.")
    )
    network = models.CharField(
        max_length=32, blank=True, help_text=_("A mark of where it was held from. Forgotten after a day.")
    )

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="an_order_that_costs_has_a_charge",
                condition=Q(total_minor=0, charge__isnull=True) | Q(total_minor__gt=0, charge__isnull=False),
            ),
            models.CheckConstraint(
                name="an_order_is_free_or_costs_what_a_card_can_be_charged",
                condition=Q(total_minor=0)
                | within(column="total_minor", least=SMALLEST_CHARGE, most=LARGEST_CHARGE),
            ),
            models.CheckConstraint(
                name="a_bought_order_says_when", condition=~Q(status="paid") | Q(paid_at__isnull=False)
            ),
            models.CheckConstraint(
                name="a_refunded_order_says_when",
                condition=~Q(status="refunded") | Q(refunded_at__isnull=False),
            ),
            # It also lets one buyer's orders for one event come one after another: see sales.hold().
            models.UniqueConstraint(
                fields=["buyer", "event"],
                name="one_held_order_per_buyer_and_event",
                condition=Q(status="held"),
            ),
        ]
        indexes = [
            models.Index(fields=["held_until"], name="orders_held", condition=Q(status="held")),
            models.Index(fields=["event", "placed_at"], name="orders_of_an_event"),
        ]

    def __str__(self) -> str:
        return self.code

    def get_absolute_url(self) -> str:
        return reverse("ticketing:order", args=[self.pk])

    @property
    def total(self) -> Money:
        return Money(self.total_minor, self.currency)

    @property
    def is_held(self) -> bool:
        return self.status == self.Status.HELD

    @property
    def is_paid(self) -> bool:
        return self.status == self.Status.PAID


class TicketQuerySet(models.QuerySet["Ticket"]):
    def live(self) -> Self:
        return self.filter(status=Ticket.Status.LIVE)

    def living(self) -> Self:
        """Return those that take a seat: valid, or held for somebody who is paying."""
        return self.filter(status__in=[Ticket.Status.HELD, Ticket.Status.LIVE])

    def passed_on_by(self, token: str) -> Self:
        """Return the valid ticket that this link passes on, while nobody has taken it; or nothing."""
        try:
            pk, number = _passes.unsign(token).split("-")
        except signing.BadSignature:
            return self.none()
        return self.live().filter(pk=uuid.UUID(pk), pass_number=int(number), holder=None)


class Ticket(models.Model):
    """One person's right to be in the room."""

    class Status(models.TextChoices):
        HELD = "held", _("Held")
        LIVE = "live", _("Valid")
        DEAD = "dead", _("No longer valid")

    MOVES: ClassVar = {
        Status.HELD: {Status.LIVE, Status.DEAD},
        Status.LIVE: {Status.DEAD},
        Status.DEAD: {Status.LIVE},  # only by sales.complete, when a late payment finds a free seat
    }

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="tickets")
    ticket_type = models.ForeignKey(TicketType, on_delete=models.PROTECT, related_name="tickets")
    event = models.ForeignKey(Event, on_delete=models.PROTECT, related_name="tickets")
    holder = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="tickets",
        help_text=_("Empty until the guest takes it by its link."),
    )
    status = models.CharField(max_length=5, choices=Status, default=Status.HELD)
    price_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    sold_as = models.CharField(
        max_length=60, blank=True, help_text=_("What its type was called when it was sold.")
    )
    pass_number = models.PositiveIntegerField(
        default=0, help_text=_("Which link passes it on: the links with other numbers are void.")
    )
    created_at = models.DateTimeField()

    objects = TicketQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["event", "holder"],
                name="one_living_ticket_per_person_and_event",
                condition=Q(status="live", holder__isnull=False),
            ),
        ]
        indexes = [models.Index(fields=["holder", "status"], name="tickets_of_a_holder")]

    @property
    def price(self) -> Money:
        return Money(self.price_minor, self.currency)

    @property
    def type_name(self) -> str:
        """What was promised: the name of its type when it was sold."""
        return self.sold_as or self.ticket_type.name

    @property
    def is_live(self) -> bool:
        return self.status == self.Status.LIVE

    @property
    def pass_path(self) -> str:
        """Where a guest takes this ticket. Void once taken, and when `pass_number` moves on."""
        return reverse("ticketing:claim", args=[_passes.sign(f"{self.pk.hex}-{self.pass_number}")])
