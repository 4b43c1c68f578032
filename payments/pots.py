"""A payee's pots: what was sold and is not delivered, what may be paid out, what is on its way.

Whoever takes money out of a pot takes the payee's lock first, and notices afterwards if it fell below zero.
"""

from datetime import datetime
from uuid import UUID

from payments import debts, ledger, summary
from payments.models import Charge, LedgerAccount, Payee

Kind = LedgerAccount.Kind


def lock(payee_id: UUID) -> Payee:
    """Return the payee, locked until the caller's transaction ends. Locked after charges, before payouts."""
    return Payee.objects.select_for_update(of=("self",), no_key=True).get(pk=payee_id)


def of_charge(charge: Charge) -> LedgerAccount:
    """Return the pot that a charge's money is in: pending before release, available after."""
    return ledger.account(kind=kind_of(charge), currency=charge.currency, payee=charge.payee)


def kind_of(charge: Charge) -> LedgerAccount.Kind:
    return Kind.AVAILABLE if charge.released_at else Kind.PENDING


def notice_debt(payee: Payee, *, at: datetime) -> None:
    """Write down since when a pot is below zero, or that none is; debt holds all open payouts.

    The caller holds the payee's lock.
    """
    held = summary.of(payee)
    debts.heed(payee=payee, balances=held, at=at)
    is_below = min(held.pending, held.available).minor < 0
    if is_below == (payee.below_zero_since is not None):
        return
    payee.below_zero_since = at if is_below else None
    payee.save(update_fields=["below_zero_since"])
