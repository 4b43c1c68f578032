import uuid

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from core.retries import Retried


class Payee(Retried):
    """Who is owed money, and what Stripe still wants to know of them. Stripe is asked about each in turn."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=80)
    email = models.EmailField(help_text=_("Where Stripe and finance staff write to."))
    currency = models.CharField(max_length=3)
    country = models.CharField(
        max_length=2, blank=True, default="", help_text=_("Fixed by Stripe when the account is made.")
    )
    stripe_account_id = models.CharField(max_length=64, blank=True)
    details_submitted = models.BooleanField(default=False)
    transfers_active = models.BooleanField(default=False)
    payouts_enabled = models.BooleanField(
        default=False, help_text=_("Stripe pays on from their account into their bank.")
    )
    bank_failure = models.CharField(
        max_length=300, blank=True, default="", help_text=_("Why their bank took no money the last time.")
    )
    bank_payout_made_at = models.DateTimeField(
        null=True, blank=True, help_text=_("When the newest payout was made that their bank answered.")
    )
    accounts_left = models.JSONField(
        default=list, blank=True, help_text=_("Accounts of theirs at Stripe that parted from us.")
    )
    requirements = models.JSONField(
        default=list, blank=True, help_text=_("What Stripe still asks for, in Stripe's words.")
    )
    asked_stripe_at = models.DateTimeField(null=True, blank=True)
    below_zero_since = models.DateTimeField(
        null=True, blank=True, help_text=_("Since when more was given back than is there.")
    )
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["stripe_account_id"],
                name="one_payee_per_stripe_account",
                condition=~Q(stripe_account_id=""),
            )
        ]

    @property
    def can_be_paid(self) -> bool:
        return bool(self.stripe_account_id) and self.transfers_active
