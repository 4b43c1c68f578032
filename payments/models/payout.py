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


class Payout(Retried):
    """Money on its way from our Stripe balance to a payee's account."""

    class Status(models.TextChoices):
        REQUESTED = "requested", _("Waiting for review")
        HELD = "held", _("Held, more is asked")
        APPROVED = "approved", _("Approved")
        REJECTED = "rejected", _("Rejected")
        SENDING = "sending", _("Being sent")
        PAID = "paid", _("Paid")
        FAILED = "failed", _("Could not be paid")

    MOVES: ClassVar = {
        Status.REQUESTED: {Status.HELD, Status.APPROVED, Status.REJECTED},
        Status.HELD: {Status.APPROVED, Status.REJECTED},
        Status.APPROVED: {Status.SENDING, Status.HELD, Status.REJECTED},
        # Back again only while it is sure that Stripe made nothing of it.
        Status.SENDING: {Status.PAID, Status.FAILED, Status.HELD, Status.APPROVED},
    }

    OPEN = (Status.REQUESTED, Status.HELD, Status.APPROVED, Status.SENDING)

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    payee = models.ForeignKey(Payee, on_delete=models.PROTECT, related_name="payouts")
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    status = models.CharField(max_length=10, choices=Status, default=Status.REQUESTED)
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="payouts_requested"
    )
    requested_at = models.DateTimeField()
    reviewed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    reviewed_at = models.DateTimeField(null=True, blank=True)
    reason = models.TextField(
        blank=True, help_text=_("What the creator is told when held, rejected or failed.")
    )
    destination = models.CharField(
        max_length=64, blank=True, help_text=_("The Stripe account it was approved for.")
    )
    stripe_id = models.CharField(max_length=64, null=True, blank=True, unique=True)
    asked_stripe_at = models.DateTimeField(
        null=True, blank=True, help_text=_("When we first asked Stripe to send it.")
    )
    owed_since = models.DateTimeField(
        null=True, blank=True, help_text=_("Since when the payee owes, so that this does not leave.")
    )
    refusals = models.PositiveSmallIntegerField(
        default=0, help_text=_("How often Stripe had not the money yet. Each is asked with a key of its own.")
    )
    paid_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(name="a_payout_pays_something", condition=Q(amount_minor__gt=0)),
            models.CheckConstraint(
                name="a_payout_pays_what_one_transfer_takes",
                condition=within(column="amount_minor", least=SMALLEST_UNIT, most=LARGEST_CHARGE),
            ),
            models.CheckConstraint(
                name="nobody_reviews_their_own_payout", condition=~Q(reviewed_by=F("requested_by"))
            ),
            models.CheckConstraint(
                name="a_decided_payout_names_its_reviewer",
                condition=Q(status__in=["requested", "held"])
                | Q(reviewed_by__isnull=False, reviewed_at__isnull=False),
            ),
            models.CheckConstraint(
                name="a_payout_held_back_gives_a_reason",
                condition=~Q(status__in=["held", "rejected", "failed"]) | ~Q(reason=""),
            ),
            models.CheckConstraint(
                name="an_approved_payout_names_its_destination",
                condition=~Q(status__in=["approved", "sending", "paid"]) | ~Q(destination=""),
            ),
            models.CheckConstraint(
                name="a_paid_payout_has_its_transfer",
                condition=~Q(status="paid") | Q(stripe_id__isnull=False, paid_at__isnull=False),
            ),
        ]
        indexes = [
            models.Index(fields=["status", "requested_at"], name="payouts_to_review"),
            models.Index(fields=["payee", "requested_at"], name="payouts_of_a_payee"),
            models.Index(
                fields=["next_attempt_at"],
                name="payouts_to_send",
                condition=Q(status__in=["approved", "sending"]),
            ),
        ]

    @property
    def amount(self) -> Money:
        return Money(self.amount_minor, self.currency)

    @property
    def cause(self) -> str:
        """How the books and Stripe name this row."""
        return f"payout-{self.pk}"

    @property
    def key(self) -> str:
        """The idempotency key under which Stripe is asked now. After a definite no it is a new one."""
        return f"{self.cause}-{self.refusals}" if self.refusals else self.cause

    @property
    def waits_for_money(self) -> bool:
        """Whether it is approved and Stripe has not had the money for it yet."""
        tried = self.next_attempt_at and self.reviewed_at and self.next_attempt_at > self.reviewed_at
        return self.status == self.Status.APPROVED and bool(tried)

    @property
    def is_open(self) -> bool:
        return self.status in self.OPEN


class Approval(models.Model):
    """One person said yes to one payout into one account. Above a limit it takes two."""

    payout = models.ForeignKey(Payout, on_delete=models.PROTECT, related_name="approvals")
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    destination = models.CharField(max_length=64, default="", help_text=_("The Stripe account it was for."))
    at = models.DateTimeField()
    voided_at = models.DateTimeField(
        null=True, blank=True, help_text=_("Since when it does not count: what it was said to has changed.")
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["payout", "by", "destination"],
                name="one_yes_per_person_payout_and_account",
                condition=Q(voided_at__isnull=True),
            ),
        ]


class Reversal(models.Model):
    """Money of a paid payout that was taken back from the payee's account, at Stripe, by a person."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    payout = models.ForeignKey(Payout, on_delete=models.PROTECT, related_name="reversals")
    stripe_id = models.CharField(max_length=64, unique=True)
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(name="a_reversal_takes_something_back", condition=Q(amount_minor__gt=0))
        ]

    @property
    def amount(self) -> Money:
        return Money(self.amount_minor, self.currency)

    @property
    def cause(self) -> str:
        """How the books name this row."""
        return f"reversal-{self.pk}"
