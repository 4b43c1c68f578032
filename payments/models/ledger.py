"""The books: accounts, and transfers that join two of them.

Every account is a pot of money. Those inside the house say whose claim on our Stripe balance it is; those
outside say where money came from and went. A transfer takes from one pot what it puts into another, so the
sum over all pots is zero by construction, and the sum of the pots inside is what Stripe must hold for us.
"""

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from payments.models.payee import Payee
from payments.money import Money


class LedgerAccount(models.Model):
    class Kind(models.TextChoices):
        # Inside: claims on our balance at Stripe.
        PENDING = "pending", _("Sold, not yet delivered")
        AVAILABLE = "available", _("Delivered, may be paid out")
        RESERVE = "reserve", _("On its way in a payout")
        FEES = "fees", _("The platform's own")
        # Outside: where money comes from and goes.
        BUYERS = "buyers", _("Buyers' cards")
        STRIPE_FEES = "stripe-fees", _("Kept by Stripe")
        PAID_OUT = "paid-out", _("Paid out to payees")

    INSIDE = (Kind.PENDING, Kind.AVAILABLE, Kind.RESERVE, Kind.FEES)
    OF_A_PAYEE = (Kind.PENDING, Kind.AVAILABLE, Kind.RESERVE, Kind.PAID_OUT)

    id = models.BigAutoField(primary_key=True)
    kind = models.CharField(max_length=12, choices=Kind)
    currency = models.CharField(max_length=3)
    payee = models.ForeignKey(Payee, null=True, blank=True, on_delete=models.PROTECT, related_name="accounts")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "currency", "payee"],
                name="one_account_of_a_kind_per_payee_and_currency",
                nulls_distinct=False,
            ),
            models.CheckConstraint(
                name="accounts_of_payees_name_the_payee",
                condition=(
                    Q(kind__in=["pending", "available", "reserve", "paid-out"], payee__isnull=False)
                    | Q(kind__in=["fees", "buyers", "stripe-fees"], payee__isnull=True)
                ),
            ),
        ]


class Transfer(models.Model):
    """`amount_minor` left `source` and came into `target`. The database refuses to change or delete it."""

    id = models.BigAutoField(primary_key=True)
    source = models.ForeignKey(LedgerAccount, on_delete=models.PROTECT, related_name="transfers_out")
    target = models.ForeignKey(LedgerAccount, on_delete=models.PROTECT, related_name="transfers_in")
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    reason = models.CharField(
        max_length=40, help_text=_("Which promise it keeps, like sale or payout-reserved.")
    )
    reference = models.CharField(max_length=80, help_text=_("The row that caused it, like charge-<id>."))
    at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(name="a_transfer_moves_something", condition=Q(amount_minor__gt=0)),
            models.CheckConstraint(name="a_transfer_joins_two_accounts", condition=~Q(source=F("target"))),
            models.UniqueConstraint(fields=["reason", "reference"], name="one_transfer_per_reason_and_cause"),
        ]
        indexes = [
            models.Index(fields=["reference"], name="transfers_by_cause"),
            models.Index(fields=["at", "id"], name="transfers_in_time"),
        ]

    @property
    def amount(self) -> Money:
        return Money(self.amount_minor, self.currency)
