"""Money that a buyer was asked for, was given back, or took back."""

import uuid
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from payments.models.payee import Payee
from payments.models.subscription import Subscription
from payments.money import Money


class Charge(models.Model):
    """What one buyer was asked to pay for one thing. `reference` names that thing: order-<id> or invoice-<id>."""

    class Status(models.TextChoices):
        ASKED = "asked", _("Asked for")
        PAID = "paid", _("Paid")
        DROPPED = "dropped", _("Not paid")

    MOVES: ClassVar = {
        Status.ASKED: {Status.PAID, Status.DROPPED},
        Status.DROPPED: {Status.PAID},  # Stripe took the money after we had given up: the truth wins
    }

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    payee = models.ForeignKey(Payee, on_delete=models.PROTECT, related_name="charges")
    buyer = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="charges")
    subscription = models.ForeignKey(
        Subscription, null=True, blank=True, on_delete=models.PROTECT, related_name="charges"
    )
    reference = models.CharField(max_length=80, unique=True)
    description = models.CharField(max_length=200)
    amount_minor = models.BigIntegerField()
    fee_minor = models.BigIntegerField(help_text=_("The platform's part of the amount."))
    currency = models.CharField(max_length=3)
    status = models.CharField(max_length=8, choices=Status, default=Status.ASKED)
    checkout_id = models.CharField(max_length=255, null=True, blank=True, unique=True)
    checkout_url = models.TextField(blank=True)
    checkout_expires_at = models.DateTimeField(null=True, blank=True)
    payment_intent_id = models.CharField(max_length=64, null=True, blank=True, unique=True)
    stripe_charge_id = models.CharField(max_length=64, null=True, blank=True, unique=True)
    stripe_fee_minor = models.BigIntegerField(null=True, blank=True)
    created_at = models.DateTimeField()
    paid_at = models.DateTimeField(null=True, blank=True)
    released_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(name="a_charge_asks_for_something", condition=Q(amount_minor__gt=0)),
            models.CheckConstraint(
                name="the_fee_is_a_part_of_the_charge",
                condition=Q(fee_minor__gte=0, fee_minor__lte=F("amount_minor")),
            ),
            models.CheckConstraint(
                name="a_paid_charge_says_when", condition=~Q(status="paid") | Q(paid_at__isnull=False)
            ),
        ]
        indexes = [models.Index(fields=["payee", "paid_at"], name="charges_of_a_payee")]

    @property
    def amount(self) -> Money:
        return Money(self.amount_minor, self.currency)

    @property
    def fee(self) -> Money:
        return Money(self.fee_minor, self.currency)


class Refund(models.Model):
    """Money given back of one charge. One row per attempt; a pending one counts as given."""

    class Status(models.TextChoices):
        WANTED = "wanted", _("To be sent")
        SENT = "sent", _("At Stripe")
        DONE = "done", _("Given back")
        FAILED = "failed", _("Refused by the bank")

    MOVES: ClassVar = {
        Status.WANTED: {Status.SENT, Status.DONE, Status.FAILED},
        Status.SENT: {Status.DONE, Status.FAILED},
        Status.DONE: {Status.FAILED},  # a bank may send it back days later
    }

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    charge = models.ForeignKey(Charge, on_delete=models.PROTECT, related_name="refunds")
    amount_minor = models.BigIntegerField()
    fee_minor = models.BigIntegerField(help_text=_("The platform's part that goes back with it."))
    currency = models.CharField(max_length=3)
    reason = models.CharField(max_length=200)
    status = models.CharField(max_length=8, choices=Status, default=Status.WANTED)
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+"
    )
    stripe_id = models.CharField(max_length=64, null=True, blank=True, unique=True)
    failure = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField()
    asked_stripe_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(name="a_refund_gives_something_back", condition=Q(amount_minor__gt=0)),
            models.CheckConstraint(
                name="the_fee_is_a_part_of_the_refund",
                condition=Q(fee_minor__gte=0, fee_minor__lte=F("amount_minor")),
            ),
        ]

    @property
    def amount(self) -> Money:
        return Money(self.amount_minor, self.currency)


class Dispute(models.Model):
    """A buyer asked their bank to take the money back. Stripe's statuses, as Stripe names them."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    charge = models.ForeignKey(Charge, on_delete=models.PROTECT, related_name="disputes")
    stripe_id = models.CharField(max_length=64, unique=True)
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    stripe_status = models.CharField(max_length=40)
    reason = models.CharField(max_length=60, blank=True)
    withdrawn_at = models.DateTimeField(null=True, blank=True)
    reinstated_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField()
