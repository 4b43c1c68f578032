"""Money that a buyer was asked for, was given back, or took back."""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Self

from django.conf import settings
from django.db import models
from django.db.models import F, Q, QuerySet
from django.utils.translation import gettext_lazy as _

from core.retries import Retried
from payments.fields import within
from payments.models.payee import Payee
from payments.models.subscription import Subscription
from payments.money import LARGEST_CHARGE, SMALLEST_UNIT, Money


@dataclass(frozen=True, slots=True)
class Remainder:
    """What is left of a charge after refunds and disputes. A dispute can take it below zero."""

    amount: Money
    fee: Money

    @property
    def net(self) -> Money:
        """The payee's part of it."""
        return self.amount - self.fee


def remainders(charges: "Iterable[Charge]") -> dict[uuid.UUID, Remainder]:
    """Return what is left of each charge, by its id; two queries for any number of them.

    True as long as the caller holds the rows' locks.
    """
    left = {charge.pk: Remainder(charge.amount, charge.fee) for charge in charges}
    counted: list[QuerySet[Refund] | QuerySet[Dispute]] = [
        Refund.objects.exclude(status="failed"),
        Dispute.objects.filter(is_withdrawn=True),
    ]
    for gone in counted:
        rows = gone.filter(charge__in=left).values_list("charge_id", "amount_minor", "fee_minor")
        for pk, amount, fee in rows:
            before, currency = left[pk], left[pk].amount.currency
            left[pk] = Remainder(before.amount - Money(amount, currency), before.fee - Money(fee, currency))
    return left


class Charge(Retried):
    """What one buyer was asked to pay for one thing, which `reference` names: order-<id> or invoice-<id>.

    What is tried again of it is its release; what Stripe kept is asked in a row of its own (FeeQuestion).
    """

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
    payment_intent_id = models.CharField(max_length=64, null=True, blank=True, unique=True)
    stripe_charge_id = models.CharField(max_length=64, null=True, blank=True, unique=True)
    stripe_fee_minor = models.BigIntegerField(null=True, blank=True)
    stripe_fee_currency = models.CharField(
        max_length=3,
        blank=True,
        default="",
        help_text=_("What Stripe counts its fee in: what it settles in, whatever the price was in."),
    )
    settled_minor = models.BigIntegerField(
        null=True, blank=True, help_text=_("What came into our balance at Stripe, before its fee.")
    )
    settled_currency = models.CharField(
        max_length=3, blank=True, default="", help_text=_("The currency that Stripe settled it in.")
    )
    created_at = models.DateTimeField()
    paid_at = models.DateTimeField(null=True, blank=True)
    released_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(name="a_charge_asks_for_something", condition=Q(amount_minor__gt=0)),
            models.CheckConstraint(
                name="a_charge_asks_for_what_a_card_can_be_charged",
                condition=within(column="amount_minor", least=SMALLEST_UNIT, most=LARGEST_CHARGE),
            ),
            models.CheckConstraint(
                name="the_fee_is_a_part_of_the_charge",
                condition=Q(fee_minor__gte=0, fee_minor__lte=F("amount_minor")),
            ),
            models.CheckConstraint(
                name="a_paid_charge_says_when", condition=~Q(status="paid") | Q(paid_at__isnull=False)
            ),
        ]
        indexes = [
            models.Index(fields=["payee", "paid_at"], name="charges_of_a_payee"),
        ]

    @property
    def amount(self) -> Money:
        return Money(self.amount_minor, self.currency)

    @property
    def fee(self) -> Money:
        return Money(self.fee_minor, self.currency)

    @property
    def stripe_fee(self) -> Money | None:
        """What Stripe kept of it, in the currency it settles in; None as long as that is unknown."""
        if self.stripe_fee_minor is None:
            return None
        return Money(self.stripe_fee_minor, self.stripe_fee_currency or self.currency)

    @property
    def cause(self) -> str:
        """How the books name this row."""
        return f"charge-{self.pk}"

    def remainder(self) -> Remainder:
        """Return what is left of it. Two queries; true as long as the caller holds the row's lock."""
        return remainders([self])[self.pk]

    def unreturned(self) -> Money:
        """Return what no refund has given back, or is about to, whatever a bank holds of it meanwhile."""
        given = self.refunds.exclude(status="failed").aggregate(minor=models.Sum("amount_minor"))
        return Money(self.amount_minor - (given["minor"] or 0), self.currency)


class FeeQuestion(Retried):
    """What did Stripe keep of this charge? Asked until Stripe has booked it, oldest first."""

    charge = models.OneToOneField(Charge, on_delete=models.PROTECT, related_name="fee_question")
    answered_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [
            models.Index(
                fields=["next_attempt_at"], name="fees_to_ask_for", condition=Q(answered_at__isnull=True)
            )
        ]


class Refund(Retried):
    """Money given back of one charge. One row per attempt; a pending one counts as given."""

    class Status(models.TextChoices):
        WANTED = "wanted", _("To be sent")
        SENT = "sent", _("At Stripe")
        DONE = "done", _("Given back")
        BY_HAND = "by-hand", _("Given back another way")
        FAILED = "failed", _("Did not go through")

    MOVES: ClassVar = {
        Status.WANTED: {Status.SENT, Status.DONE, Status.FAILED, Status.BY_HAND},
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
    asked_stripe_at = models.DateTimeField(
        null=True, blank=True, help_text=_("When we first asked Stripe to send it.")
    )
    done_at = models.DateTimeField(null=True, blank=True)
    follows = models.OneToOneField(
        "self",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="followed_by",
        help_text=_("The attempt that failed and that this one takes the place of."),
    )

    class Meta:
        constraints = [
            models.CheckConstraint(name="a_refund_gives_something_back", condition=Q(amount_minor__gt=0)),
            models.CheckConstraint(
                name="the_fee_is_a_part_of_the_refund",
                condition=Q(fee_minor__gte=0, fee_minor__lte=F("amount_minor")),
            ),
            models.CheckConstraint(
                name="a_refund_at_stripe_has_its_id",
                condition=~Q(status__in=["sent", "done"]) | Q(stripe_id__isnull=False),
            ),
            models.CheckConstraint(
                name="a_failed_refund_says_why", condition=~Q(status="failed") | ~Q(failure="")
            ),
            models.CheckConstraint(
                name="a_refund_given_back_says_when",
                condition=~Q(status__in=["done", "by-hand"]) | Q(done_at__isnull=False),
            ),
        ]
        indexes = [
            models.Index(
                fields=["next_attempt_at"], name="refunds_to_send", condition=Q(status__in=["wanted", "sent"])
            )
        ]

    @property
    def amount(self) -> Money:
        return Money(self.amount_minor, self.currency)

    @property
    def fee(self) -> Money:
        return Money(self.fee_minor, self.currency)

    @property
    def cause(self) -> str:
        """How the books and Stripe name this row."""
        return f"refund-{self.pk}"

    @property
    def is_late(self) -> bool:
        """Whether the buyer should have had it by now: an attempt failed, or nobody answers."""
        is_open = self.status in {self.Status.WANTED, self.Status.SENT}
        return is_open and (self.follows_id is not None or self.given_up_at is not None)


class DisputeQuerySet(models.QuerySet["Dispute"]):
    def blocking(self) -> Self:
        """Return those for which the money must not be given back: the bank decides, or has given it back.

        This is the one rule. A status that Stripe has yet to invent blocks.
        """
        return self.exclude(stripe_status__in=Dispute.HARMLESS)


class Dispute(models.Model):
    """A buyer asked their bank to take the money back. Stripe's statuses, as Stripe names them."""

    # While it is only a question, or once it has ended well, the money may be given back as usual.
    HARMLESS = ("warning_needs_response", "warning_under_review", "warning_closed", "won", "prevented")
    LOST = "lost"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    charge = models.ForeignKey(Charge, on_delete=models.PROTECT, related_name="disputes")
    stripe_id = models.CharField(max_length=64, unique=True)
    amount_minor = models.BigIntegerField()
    fee_minor = models.BigIntegerField(default=0, help_text=_("The platform's part that goes back with it."))
    stripe_fee_minor = models.BigIntegerField(default=0, help_text=_("What Stripe takes for the dispute."))
    stripe_fee_currency = models.CharField(
        max_length=3, blank=True, default="", help_text=_("What Stripe counts that in.")
    )
    currency = models.CharField(max_length=3)
    stripe_status = models.CharField(max_length=40)
    reason = models.CharField(max_length=60, blank=True)
    is_withdrawn = models.BooleanField(default=False, help_text=_("The bank holds the money now."))
    withdrawn_at = models.DateTimeField(null=True, blank=True)
    reinstated_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField()
    asked_stripe_at = models.DateTimeField(null=True, blank=True)

    objects: ClassVar[DisputeQuerySet] = DisputeQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="a_withdrawn_dispute_says_when",
                condition=Q(is_withdrawn=False) | Q(withdrawn_at__isnull=False),
            ),
            models.CheckConstraint(
                name="a_reinstated_dispute_was_withdrawn",
                condition=Q(reinstated_at__isnull=True) | Q(withdrawn_at__isnull=False),
            ),
        ]

    @property
    def amount(self) -> Money:
        return Money(self.amount_minor, self.currency)

    @property
    def fee(self) -> Money:
        return Money(self.fee_minor, self.currency)

    @property
    def cause(self) -> str:
        """How the books name this row."""
        return f"dispute-{self.pk}"
