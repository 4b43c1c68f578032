"""A payee who owes: more was given back than was left. Nothing of theirs leaves until that is filled.

Whoever calls holds the payee's lock; payouts are locked after it.
"""

from datetime import datetime

from django.utils.translation import gettext as _

from accounts import audit
from payments import letters, summary
from payments.models import Payee, Payout
from payments.states import move
from payments.summary import Balances

Status = Payout.Status


def is_owed(payee: Payee) -> bool:
    """Return whether something has to be filled before this payee is paid."""
    return bool(summary.of(payee).owed)


def heed(*, payee: Payee, balances: Balances, at: datetime) -> None:
    """Hold every open payout while the payee owes, and take the mark off once they do not."""
    open_ones = Payout.objects.filter(payee=payee, status__in=Payout.OPEN)
    if not balances.owed:
        open_ones.exclude(owed_since=None).update(owed_since=None)
        return
    locked = open_ones.filter(owed_since=None).select_for_update(of=("self",), no_key=True)
    for payout in locked.order_by("pk"):
        payout.payee = payee
        if payout.status == Status.SENDING:  # Stripe may have it: from here on it is only looked for
            Payout.objects.filter(pk=payout.pk).update(owed_since=at)
        else:
            hold(payout, at=at)


def hold(payout: Payout, *, at: datetime) -> None:
    """Hold one payout because its payee owes; every yes was said to another balance and counts no more.

    The caller has locked it, and knows that Stripe was not asked for it.
    """
    words = _(
        "Money was given back to buyers after you asked, and your balance fell below zero. "
        "What you sell next fills it up first; then the payout is looked at again."
    )
    if payout.status == Status.HELD:
        known = payout.reason
        payout.reason, payout.owed_since = known if words in known else f"{known}\n\n{words}", at
        payout.save(update_fields=["reason", "owed_since"])
    else:
        move(payout, Status.HELD, reason=words, owed_since=at, destination="", next_attempt_at=None)
    void_approvals(payout, at=at)
    audit.record(actor=None, verb="payout-held", subject=payout, reason=words, at=at)
    letters.payout_decided(payout=payout, at=at)


def void_approvals(payout: Payout, *, at: datetime) -> None:
    """Let no yes so far count: what it was said to has changed."""
    payout.approvals.filter(voided_at=None).update(voided_at=at)
