"""The only door into the books."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Sum

from payments.models import LedgerAccount, Payee, Transfer
from payments.money import CurrencyMismatch, Money


@dataclass(frozen=True, slots=True)
class Posting:
    """One of many transfers that are written at once: see post()."""

    source: LedgerAccount
    target: LedgerAccount
    amount: Money
    reason: str
    reference: str


class AlreadyPosted(Exception):
    """For this reason and cause another amount stands in the books: two parts of the code disagree."""


def account(*, kind: LedgerAccount.Kind, currency: str, payee: Payee | None = None) -> LedgerAccount:
    """Return the account of this kind, opened on first use."""
    found, _opened = LedgerAccount.objects.get_or_create(kind=kind, currency=currency, payee=payee)
    return found


def post(
    *, source: LedgerAccount, target: LedgerAccount, amount: Money, reason: str, reference: str, at: datetime
) -> Transfer | None:
    """Write that `amount` left `source` for `target`, in the caller's transaction; return the transfer.

    `reason` says which promise it keeps and `reference` which row caused it; the same pair again returns the
    first transfer and writes nothing. Nothing at all moves when the amount is zero. Raise AlreadyPosted when
    the pair stands there with other figures, CurrencyMismatch when an account counts in another currency.
    """
    if amount.minor == 0:
        return None
    if {source.currency, target.currency} != {amount.currency}:
        raise CurrencyMismatch(f"{amount.currency} cannot move between these accounts.")
    figures = {"source": source, "target": target, "amount_minor": amount.minor, "currency": amount.currency}
    transfer, _written = Transfer.objects.get_or_create(
        reason=reason, reference=reference, defaults={**figures, "at": at}
    )
    if any(getattr(transfer, name) != value for name, value in figures.items()):
        raise AlreadyPosted(f"{reason} for {reference} is in the books with other figures.")
    return transfer


def post_many(postings: Iterable[Posting], *, at: datetime) -> None:
    """Write many transfers in one statement, in the caller's transaction. What post() says holds for each.

    The caller has locked the rows that caused them, and knows that nothing was posted for them before.
    """
    moving = [one for one in postings if one.amount.minor]
    for one in moving:
        if {one.source.currency, one.target.currency} != {one.amount.currency}:
            raise CurrencyMismatch(f"{one.amount.currency} cannot move between these accounts.")
    if len(moving) == 1:
        [one] = moving
        post(
            source=one.source,
            target=one.target,
            amount=one.amount,
            reason=one.reason,
            reference=one.reference,
            at=at,
        )
        return
    Transfer.objects.bulk_create(
        Transfer(
            source=one.source,
            target=one.target,
            amount_minor=one.amount.minor,
            currency=one.amount.currency,
            reason=one.reason,
            reference=one.reference,
            at=at,
        )
        for one in moving
    )


def balance(account: LedgerAccount) -> Money:
    """Return what is in the account: what came in less what went out. Two sums over an index."""
    came = account.transfers_in.aggregate(total=Sum("amount_minor"))["total"] or 0
    went = account.transfers_out.aggregate(total=Sum("amount_minor"))["total"] or 0
    return Money(came - went, account.currency)


def balances(accounts: Iterable[LedgerAccount]) -> dict[int, Money]:
    """Return the balance of each account by its id, in two queries for any number of them."""
    wanted = {one.pk: one.currency for one in accounts}
    totals = dict.fromkeys(wanted, 0)
    came = Transfer.objects.filter(target__in=wanted).values_list("target").annotate(Sum("amount_minor"))
    went = Transfer.objects.filter(source__in=wanted).values_list("source").annotate(Sum("amount_minor"))
    for pk, amount in came:
        totals[pk] += amount
    for pk, amount in went:
        totals[pk] -= amount
    return {pk: Money(total, wanted[pk]) for pk, total in totals.items()}


def posted(*, reason: str, reference: str) -> Money | None:
    """Return what was posted for this reason and cause, if anything was."""
    transfer = Transfer.objects.filter(reason=reason, reference=reference).first()
    return transfer.amount if transfer else None
