"""What Stripe says it moved, kept so that the books can be compared with it a piece at a time."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class BalanceLine(models.Model):
    """One line of our balance at Stripe, as it was read there. Stripe never changes one."""

    id = models.BigAutoField(primary_key=True)
    stripe_id = models.CharField(max_length=64, unique=True)
    kind = models.CharField(max_length=60, help_text=_("Stripe's type, like charge or transfer."))
    source = models.CharField(max_length=64, help_text=_("The object that it is about."))
    amount_minor = models.BigIntegerField(help_text=_("What came in; below zero what left."))
    fee_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3, help_text=_("What Stripe settles in."))
    made_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["source"], name="balance_lines_by_source")]


class Comparison(models.Model):
    """One comparison of the books with Stripe, from the newest line back to where the last one began."""

    id = models.BigAutoField(primary_key=True)
    started_at = models.DateTimeField()
    until = models.DateTimeField(null=True, blank=True, help_text=_("How far back to read. Empty: all."))
    cursor = models.CharField(
        max_length=64,
        blank=True,
        help_text=_("The last line that was read; the next page follows it."),
    )
    read_at = models.DateTimeField(null=True, blank=True, help_text=_("When all lines were read."))
    finished_at = models.DateTimeField(null=True, blank=True)
    differences = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["finished_at"],
                name="one_comparison_at_a_time",
                condition=models.Q(finished_at__isnull=True),
                nulls_distinct=False,
            ),
        ]
