"""Facts about a payee for whoever reviews a payout. Each app gives its own, in its `evidence.py`."""

from collections.abc import Callable
from dataclasses import dataclass

from django.utils.translation import gettext as _

from payments.models import Case, Charge, Dispute, Payee, Payout, Refund


@dataclass(frozen=True, slots=True)
class Fact:
    """One line at the review desk. `tone` is neutral, success, warning or danger."""

    label: str
    value: str
    tone: str = "neutral"


Giver = Callable[..., list[Fact]]
_givers: list[Giver] = []


def gives_evidence(giver: Giver) -> Giver:
    """Register a function `f(*, payee) -> list[Fact]`."""
    _givers.append(giver)
    return giver


def about(payee: Payee) -> list[Fact]:
    """Return every fact that any app knows of this payee."""
    return [fact for giver in _givers for fact in giver(payee=payee)]


@gives_evidence
def stripe_facts(*, payee: Payee) -> list[Fact]:
    """Tell what Stripe says of the account, where that speaks against paying into it."""
    facts = []
    if payee.can_be_paid and not payee.payouts_enabled:
        facts.append(Fact(_("Stripe pays into their bank"), _("no"), "warning"))
    if payee.bank_failure:
        facts.append(Fact(_("Their bank, the last time"), payee.bank_failure, "warning"))
    if payee.accounts_left:
        facts.append(Fact(_("Accounts that parted from us"), str(len(payee.accounts_left)), "danger"))
    cases = Case.objects.filter(Case.OPEN, subject_kind="payments.payee", subject_id=str(payee.pk)).count()
    if cases:
        facts.append(Fact(_("Open cases about them"), str(cases), "danger"))
    return facts


@gives_evidence
def money_facts(*, payee: Payee) -> list[Fact]:
    paid = Charge.objects.filter(payee=payee, status=Charge.Status.PAID).count()
    returned = Refund.objects.filter(charge__payee=payee).exclude(status=Refund.Status.FAILED).count()
    disputed = Dispute.objects.filter(charge__payee=payee).count()
    earlier = Payout.objects.filter(payee=payee, status=Payout.Status.PAID).count()
    return [
        Fact(_("Charges paid"), str(paid)),
        Fact(_("Refunds"), _share(returned, paid), "warning" if returned * 10 > paid else "neutral"),
        Fact(_("Disputes"), _share(disputed, paid), "danger" if disputed * 200 > paid else "neutral"),
        Fact(_("Payouts before"), str(earlier), "neutral" if earlier else "warning"),
    ]


def _share(part: int, whole: int) -> str:
    return f"{part} ({100 * part / whole:.1f}%)" if whole else str(part)
