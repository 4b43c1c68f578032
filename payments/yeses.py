"""Which yeses to a payout count now: those of active finance staff who have no interest in it."""

from datetime import datetime

from django.db.models import Exists, F, OuterRef, QuerySet

from payments import interests
from payments.models import Approval, Payout


def counting(*, at: datetime) -> QuerySet[Approval]:
    """Return every yes that counts at this moment: whoever said it may still say it, to the same account."""
    theirs = interests.lasting(at=at).filter(payee=OuterRef("payout__payee"), user=OuterRef("by"))
    return Approval.objects.filter(
        ~Exists(theirs),
        voided_at=None,
        destination=F("payout__payee__stripe_account_id"),
        by__is_finance=True,
        by__is_active=True,
    )


def void_lapsed(payout: Payout, *, at: datetime) -> bool:
    """Let no yes count whose sayer may not say it any more; return whether there was one.

    The caller has locked the payee and the payout. A yes to another account is left as it is.
    """
    said = Approval.objects.filter(payout=payout, destination=payout.payee.stripe_account_id, voided_at=None)
    lapsed = said.exclude(pk__in=counting(at=at).filter(payout=payout).values("pk"))
    return bool(lapsed.update(voided_at=at))
