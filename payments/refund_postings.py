"""What refunds do to the books: promised, and undone where they failed."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from payments import ledger, pots
from payments.ledger import Posting
from payments.models import LedgerAccount, Payee, Refund

Kind = LedgerAccount.Kind


def post(promised: Sequence[Refund] = (), *, undone: Sequence[Refund] = (), at: datetime) -> None:
    """Post each fee's part from our fees to the payee's pot, and each amount from there to the buyers.

    What is undone goes the other way, before, so that an attempt that takes the place of another leaves the
    payee's balance as it is. In the caller's transaction, which has locked the charges; payees are locked
    after them, in the order of their ids, and debts are noticed once.
    """
    by_payee: dict[UUID, list[tuple[Refund, bool]]] = defaultdict(list)
    for refund, is_undone in [*((one, True) for one in undone), *((one, False) for one in promised)]:
        by_payee[refund.charge.payee_id].append((refund, is_undone))
    for payee_id in sorted(by_payee):
        payee = pots.lock(payee_id)
        ledger.post_many(_postings(payee, by_payee[payee_id]), at=at)
        pots.notice_debt(payee, at=at)


def _postings(payee: Payee, refunds: Sequence[tuple[Refund, bool]]) -> list[Posting]:
    fees = ledger.account(kind=Kind.FEES, currency=payee.currency)
    buyers = ledger.account(kind=Kind.BUYERS, currency=payee.currency)
    kinds = {pots.kind_of(refund.charge) for refund, _undone in refunds}
    pot = {kind: ledger.account(kind=kind, currency=payee.currency, payee=payee) for kind in kinds}
    postings = []
    for refund, is_undone in refunds:
        own = pot[pots.kind_of(refund.charge)]
        legs = [("refund-fee", fees, own, refund.fee), ("refund", own, buyers, refund.amount)]
        if is_undone:
            legs = [(f"{why}-undone", target, source, money) for why, source, target, money in legs[::-1]]
        postings += [Posting(source, target, money, why, refund.cause) for why, source, target, money in legs]
    return postings
