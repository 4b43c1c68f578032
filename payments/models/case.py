from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _


class Case(models.Model):
    """Something about money that a person of finance has to look at. `cause` is unique: it opens once."""

    class Kind(models.TextChoices):
        EVENT = "event", _("News from Stripe that could not be taken in")
        AMOUNT = "amount", _("Another amount was paid than asked for")
        REFUND = "refund", _("A refund did not reach the buyer")
        FOREIGN_REFUND = "foreign-refund", _("A refund made at Stripe does not fit")
        REVERSAL = "reversal", _("A transfer was taken back at Stripe")
        PAYOUT = "payout", _("A payout needs a decision")
        PAYEE = "payee", _("A creator's account at Stripe changed")
        BANK = "bank", _("A creator's bank refused the money")
        INVOICE = "invoice", _("An invoice was settled outside Stripe")
        FEE = "fee", _("Stripe never said what it kept")
        RELEASE = "release", _("Money could not be released")
        SUBSCRIPTION = "subscription", _("Stripe does not answer about a membership")
        BOOKS = "books", _("The books and Stripe differ")
        OTHER = "other", _("Something else")

    OPEN: ClassVar = Q(settled_at__isnull=True)

    id = models.BigAutoField(primary_key=True)
    kind = models.CharField(max_length=16, choices=Kind)
    cause = models.CharField(
        max_length=120, unique=True, help_text=_("What it is about, so that it opens once.")
    )
    subject_kind = models.CharField(
        max_length=60, blank=True, help_text=_("The row's model, like payments.refund.")
    )
    subject_id = models.CharField(max_length=40, blank=True)
    stripe_id = models.CharField(
        max_length=255, blank=True, help_text=_("The object to look at in Stripe's dashboard.")
    )
    what = models.TextField(help_text=_("What happened, in plain words."))
    opened_at = models.DateTimeField()
    settled_at = models.DateTimeField(null=True, blank=True)
    settled_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    note = models.TextField(blank=True, help_text=_("Why it is settled."))

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="a_settled_case_says_why", condition=Q(settled_at__isnull=True) | ~Q(note="")
            ),
            models.CheckConstraint(
                name="an_open_case_is_settled_by_nobody",
                condition=Q(settled_at__isnull=False) | Q(settled_by__isnull=True),
            ),
        ]
        indexes = [
            models.Index(fields=["opened_at"], name="cases_to_settle", condition=Q(settled_at__isnull=True)),
            models.Index(fields=["subject_kind", "subject_id"], name="cases_of_a_row"),
        ]
