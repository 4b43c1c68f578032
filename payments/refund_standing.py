"""How what was to be given back stands: the words are chosen by the money, not by what was meant."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from django.db.models import QuerySet

from payments.models import Charge, Dispute, Refund
from payments.money import Money


class Stands(StrEnum):
    NOTHING = "nothing"
    ON_ITS_WAY = "on-its-way"
    GIVEN = "given"
    BY_HAND = "by-hand"
    LATE = "late"  # it did not come through: another try, or a person, is on it
    BANK_DECIDES = "bank-decides"


@dataclass(frozen=True, slots=True)
class MoneyBack:
    """What goes back of one charge, and how far it has come; `at` is when the last of it was given."""

    stands: Stands
    amount: Money
    at: datetime | None = None


def of(charges: Iterable[Charge]) -> dict[UUID, MoneyBack]:
    """Return how it stands for each charge, by its id; two queries for any number of them."""
    wanted = {charge.pk: charge for charge in charges}
    rows: dict[UUID, list[Refund]] = defaultdict(list)
    for refund in Refund.objects.filter(charge__in=wanted).exclude(status=Refund.Status.FAILED):
        rows[refund.charge_id].append(refund)
    taken = Dispute.objects.blocking().filter(charge__in=wanted)
    disputed = set(taken.values_list("charge_id", flat=True))
    return {pk: _stands(charge, rows[pk], is_disputed=pk in disputed) for pk, charge in wanted.items()}


def tally(charges: QuerySet[Charge]) -> Counter[Stands]:
    """Return of how many charges it stands how; three queries for any number of them."""
    return Counter(each.stands for each in of(charges.only("currency")).values())


def _stands(charge: Charge, refunds: list[Refund], *, is_disputed: bool) -> MoneyBack:
    amount = Money(sum(refund.amount_minor for refund in refunds), charge.currency)
    if not refunds:
        return MoneyBack(Stands.BANK_DECIDES if is_disputed else Stands.NOTHING, amount)
    if any(refund.is_late for refund in refunds):
        return MoneyBack(Stands.LATE, amount)
    if any(refund.status in {Refund.Status.WANTED, Refund.Status.SENT} for refund in refunds):
        return MoneyBack(Stands.ON_ITS_WAY, amount)
    by_hand = all(refund.status == Refund.Status.BY_HAND for refund in refunds)
    given_at = max((refund.done_at for refund in refunds if refund.done_at), default=None)
    return MoneyBack(Stands.BY_HAND if by_hand else Stands.GIVEN, amount, given_at)
