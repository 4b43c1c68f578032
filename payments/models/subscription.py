import uuid
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from core.retries import Retried
from payments.fields import within
from payments.models.payee import Payee
from payments.money import LARGEST_CHARGE, SMALLEST_UNIT, Money


class Subscription(Retried):
    """A charge that comes again every month. `reference` names what it is for: membership-<id>.

    Stripe is asked about each in turn, so that a renewal is found whose news was lost.
    """

    class Status(models.TextChoices):
        ASKED = "asked", _("Asked for")
        RUNNING = "running", _("Running")
        OVERDUE = "overdue", _("Payment overdue")
        ENDED = "ended", _("Ended")

    MOVES: ClassVar = {
        Status.ASKED: {Status.RUNNING, Status.OVERDUE, Status.ENDED},
        Status.RUNNING: {Status.OVERDUE, Status.ENDED},
        Status.OVERDUE: {Status.RUNNING, Status.ENDED},
    }

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    payee = models.ForeignKey(Payee, on_delete=models.PROTECT, related_name="subscriptions")
    buyer = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="subscriptions"
    )
    reference = models.CharField(max_length=80, unique=True)
    description = models.CharField(max_length=200)
    amount_minor = models.BigIntegerField(help_text=_("A month's price."))
    currency = models.CharField(max_length=3)
    status = models.CharField(max_length=8, choices=Status, default=Status.ASKED)
    checkout_attempt = models.PositiveSmallIntegerField(
        default=1, help_text=_("Which of the pages this is: each has its own request and key.")
    )
    checkout_request = models.JSONField(
        default=dict,
        blank=True,
        help_text=_("What Stripe was asked for, word for word, so that the same can be asked again."),
    )
    checkout_id = models.CharField(max_length=255, null=True, blank=True, unique=True)
    checkout_url = models.TextField(blank=True)
    checkout_expires_at = models.DateTimeField(null=True, blank=True)
    stripe_id = models.CharField(max_length=64, null=True, blank=True, unique=True)
    paid_until = models.DateTimeField(null=True, blank=True)
    ends_at_period_end = models.BooleanField(default=False)
    created_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    asked_stripe_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text=_("When Stripe was last asked how it stands: older answers are dropped."),
    )

    class Meta:
        constraints = [
            models.CheckConstraint(name="a_subscription_costs_something", condition=Q(amount_minor__gt=0)),
            models.CheckConstraint(
                name="a_subscription_costs_what_a_card_can_be_charged",
                condition=within(column="amount_minor", least=SMALLEST_UNIT, most=LARGEST_CHARGE),
            ),
        ]

    @property
    def amount(self) -> Money:
        return Money(self.amount_minor, self.currency)


class PaidPeriod(models.Model):
    """A month of a subscription that an invoice was paid for. What is paid for follows from these alone."""

    subscription = models.ForeignKey(Subscription, on_delete=models.PROTECT, related_name="periods")
    invoice_id = models.CharField(max_length=64, unique=True)
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    charge = models.OneToOneField(
        "payments.Charge",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="period",
        help_text=_("What was paid for it through Stripe; nothing if it was settled elsewhere or was free."),
    )
    returned_at = models.DateTimeField(
        null=True, blank=True, help_text=_("Since when the whole of its money is with the buyer again.")
    )

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="a_period_ends_after_it_begins", condition=Q(ends_at__gt=F("starts_at"))
            )
        ]
        indexes = [models.Index(fields=["subscription", "ends_at"], name="periods_of_a_subscription")]
