"""What a payee has, pot by pot."""

from dataclasses import dataclass

from payments import ledger
from payments.models import LedgerAccount, Payee
from payments.money import Money

Kind = LedgerAccount.Kind


@dataclass(frozen=True, slots=True)
class Balances:
    """Sold and not delivered; free to be paid out; on its way; paid out. The first two may be below zero."""

    pending: Money
    available: Money
    reserved: Money
    paid_out: Money

    @property
    def payable(self) -> Money:
        """What a payout may ask for: debts of evenings to come are kept back."""
        zero = Money.zero(self.available.currency)
        return max(zero, self.available + min(zero, self.pending))

    @property
    def owed(self) -> Money:
        """What has to be filled before anything leaves: the other side of `payable`."""
        zero = Money.zero(self.available.currency)
        return max(zero, -(self.available + min(zero, self.pending)))


def of(payee: Payee) -> Balances:
    """Return what is in each pot, in three queries."""
    kinds = (Kind.PENDING, Kind.AVAILABLE, Kind.RESERVE, Kind.PAID_OUT)
    accounts = {each.kind: each for each in payee.accounts.filter(currency=payee.currency, kind__in=kinds)}
    sums = ledger.balances(accounts.values())
    zero = Money.zero(payee.currency)
    return Balances(*(sums[accounts[kind].pk] if kind in accounts else zero for kind in kinds))
