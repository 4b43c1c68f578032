import uuid
from datetime import datetime, timedelta
from typing import ClassVar, Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from clubs.models.club import Club
from payments.fields import within
from payments.models import Subscription
from payments.money import LARGEST_MONTH, SMALLEST_CHARGE, Money

# Stripe draws up an invoice when the month is over and collects it an hour or more later. Nobody is shut out
# meanwhile, unless they cancelled.
RENEWAL_GRACE = timedelta(days=1)
FORGOTTEN_AFTER = timedelta(days=1)


class Plan(models.Model):
    """What a month of membership costs. A club has one open plan at a time; members keep theirs."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    club = models.ForeignKey(Club, on_delete=models.PROTECT, related_name="plans")
    name = models.CharField(_("name"), max_length=60)
    promise = models.CharField(_("what members get"), max_length=300, blank=True)
    price_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    is_open = models.BooleanField(default=True)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="a_plan_costs_what_a_month_may_cost",
                condition=within(column="price_minor", least=SMALLEST_CHARGE, most=LARGEST_MONTH),
            ),
            models.UniqueConstraint(
                fields=["club"], name="one_open_plan_per_club", condition=Q(is_open=True)
            ),
        ]

    @property
    def price(self) -> Money:
        return Money(self.price_minor, self.currency)


class MembershipQuerySet(models.QuerySet["Membership"]):
    def running(self) -> Self:
        """Return memberships that wait for their first payment, or were paid and are not over."""
        return self.filter(status__in=[Membership.Status.ASKED, Membership.Status.ACTIVE])

    def shown(self, at: datetime) -> Self:
        """Return the running ones, without those whose checkout was left behind a day ago."""
        return self.running().exclude(status=Membership.Status.ASKED, created_at__lt=at - FORGOTTEN_AFTER)

    def holding(self, at: datetime) -> Self:
        """Return memberships that make somebody a member at this moment."""
        paid = Q(paid_until__gt=at) | Q(ends_at_period_end=False, paid_until__gt=at - RENEWAL_GRACE)
        return self.filter(paid, status=Membership.Status.ACTIVE)


class Membership(models.Model):
    """Who belongs to a club. It holds while it is paid for."""

    class Status(models.TextChoices):
        ASKED = "asked", _("Waiting for payment")
        ACTIVE = "active", _("Member")
        ENDED = "ended", _("Ended")

    MOVES: ClassVar = {
        Status.ASKED: {Status.ACTIVE, Status.ENDED},
        Status.ACTIVE: {Status.ENDED},
    }

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    club = models.ForeignKey(Club, on_delete=models.PROTECT, related_name="memberships")
    plan = models.ForeignKey(Plan, on_delete=models.PROTECT, related_name="memberships")
    member = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="memberships")
    subscription = models.OneToOneField(
        Subscription, null=True, blank=True, on_delete=models.PROTECT, related_name="membership"
    )
    status = models.CharField(max_length=8, choices=Status, default=Status.ASKED)
    paid_until = models.DateTimeField(null=True, blank=True)
    ends_at_period_end = models.BooleanField(default=False)
    created_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)

    objects: ClassVar[MembershipQuerySet] = MembershipQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["club", "member"],
                name="one_membership_at_a_time",
                condition=Q(status__in=["asked", "active"]),
            ),
        ]
