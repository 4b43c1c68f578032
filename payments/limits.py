"""Above which amount two people approve what a payee is paid: of each currency, and within seven days."""

from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Sum

from payments.models import Payout
from payments.money import Money

WITHIN = timedelta(days=7)
LEAVING = (Payout.Status.APPROVED, Payout.Status.SENDING, Payout.Status.PAID)


def above(currency: str) -> Money:
    """Return up to which amount one yes is enough. In a currency that has no limit, it never is."""
    return Money(settings.TWO_REVIEWERS_ABOVE.get(currency, 0), currency)


def lately(payout: Payout, *, at: datetime) -> Money:
    """Return what else of this payee was approved within the last seven days, in the payout's currency."""
    others = Payout.objects.filter(payee=payout.payee_id, currency=payout.currency, status__in=LEAVING)
    approved = others.exclude(pk=payout.pk).filter(reviewed_at__gt=at - WITHIN)
    total = approved.aggregate(total=Sum("amount_minor"))["total"]
    return Money(int(total or 0), payout.currency)


def needs_two(payout: Payout, *, at: datetime) -> bool:
    """Return whether one yes is not enough: many small payouts are as dear as a large one."""
    return payout.amount + lately(payout, at=at) > above(payout.currency)
