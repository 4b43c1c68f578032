"""What moved a payee's money, in words that a creator reads."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q, QuerySet
from django.utils.translation import gettext_lazy as _

from payments.models import Charge, Dispute, LedgerAccount, Payee, Refund, Transfer
from payments.money import Money

POTS = (LedgerAccount.Kind.PENDING, LedgerAccount.Kind.AVAILABLE)
WORDS = {
    "sale": _("Sold"),
    "fee": _("Stagedoor's fee"),
    "release": _("Delivered: free to be paid out"),
    "refund": _("Refunded"),
    "refund-fee": _("Fee given back"),
    "refund-undone": _("Refund that did not go through"),
    "refund-fee-undone": _("Fee of that refund"),
    "dispute": _("Taken back by the buyer's bank"),
    "dispute-fee": _("Fee given back"),
    "dispute-undone": _("Given back by the buyer's bank"),
    "dispute-fee-undone": _("Fee of that sale"),
    "payout-reserved": _("Set aside for a payout"),
    "payout-returned": _("Returned from a payout"),
    "payout-reversed": _("Taken back from your account at Stripe"),
}


@dataclass(frozen=True, slots=True)
class Line:
    """One movement. `amount` is below zero when money left, and None when it only became available."""

    at: datetime
    words: str
    about: str
    amount: Money | None
    moved: Money


def transfers(payee: Payee) -> QuerySet[Transfer]:
    """Return every transfer that touched what the payee has, newest first."""
    pots = LedgerAccount.objects.filter(payee=payee, currency=payee.currency, kind__in=POTS)
    touched = Transfer.objects.filter(Q(source__in=pots) | Q(target__in=pots))
    return touched.select_related("source", "target").order_by("-at", "-id")


def lines(page: Iterable[Transfer]) -> list[Line]:
    """Return some transfers in words; three queries for any number of them."""
    page = list(page)
    about = _what_for([transfer.reference for transfer in page])
    return [
        Line(
            at=transfer.at,
            words=str(WORDS.get(transfer.reason, transfer.reason)),
            about=about.get(transfer.reference, ""),
            amount=_effect(transfer),
            moved=transfer.amount,
        )
        for transfer in page
    ]


def _effect(transfer: Transfer) -> Money | None:
    left, came = transfer.source.kind in POTS, transfer.target.kind in POTS
    if left and came:
        return None
    return transfer.amount if came else -transfer.amount


def _what_for(references: list[str]) -> dict[str, str]:
    """Return what was sold, by the reference of the transfer about it."""
    wanted: dict[str, list[str]] = {"charge": [], "refund": [], "dispute": []}
    for reference in references:
        noun, _dash, identity = reference.partition("-")
        if noun in wanted:
            wanted[noun].append(identity)
    found: dict[str, str] = {}
    sources: list[tuple[str, QuerySet[Charge] | QuerySet[Refund] | QuerySet[Dispute], str]] = [
        ("charge", Charge.objects.all(), "description"),
        ("refund", Refund.objects.all(), "charge__description"),
        ("dispute", Dispute.objects.all(), "charge__description"),
    ]
    for noun, rows, field in sources:
        for identity, words in rows.filter(pk__in=wanted[noun]).values_list("pk", field):
            found[f"{noun}-{identity}"] = words
    return found
