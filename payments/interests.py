"""Who may not review a payout, because part of it may be theirs."""

from datetime import datetime, timedelta

from django.db.models import Q, QuerySet

from accounts.models import User
from payments.models import Interest, Payee

COUNTS_FOR = timedelta(days=90)  # the database says so, too: nobody_with_an_interest_reviews_a_payout


def has(user: User, payee: Payee, *, at: datetime) -> bool:
    """Return whether this person has an interest in the payee, or had one within the last 90 days."""
    return lasting(at=at).filter(payee=payee, user=user).exists()


def lasting(*, at: datetime) -> QuerySet[Interest]:
    """Return every interest that somebody has, or had within the last 90 days."""
    return Interest.objects.filter(Q(until=None) | Q(until__gt=at - COUNTS_FOR))
