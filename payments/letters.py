"""What a payee is told of their money by e-mail. In the caller's transaction: owed exactly if it happened."""

from datetime import datetime

from django.urls import reverse

from accounts import links, mail
from payments.models import Payee, Payout
from payments.money import Money


def payout_decided(*, payout: Payout, at: datetime) -> None:
    """Tell that a payout is held, rejected, paid or failed, once each; of holds each tells anew."""
    key = f"payout-{payout.status}-{payout.pk}"
    if payout.status == Payout.Status.HELD:
        key += f"-{at:%Y%m%dT%H%M%S%f}"
    page = reverse("payments:payee", args=[payout.payee_id])
    context = {"payout": payout, "payee": payout.payee, "url": links.absolute(page)}
    mail.write(key=key, to=payout.payee.email, template="payments/mail/payout", context=context, at=at)


def bank_refused(*, payee: Payee, payout_id: str, amount: Money, failure: str, at: datetime) -> None:
    """Tell that the payee's bank did not take what Stripe paid into it, once per payout of Stripe's."""
    page = reverse("payments:payee", args=[payee.pk])
    context = {"payee": payee, "amount": amount, "failure": failure, "url": links.absolute(page)}
    mail.write(
        key=f"bank-{payout_id}", to=payee.email, template="payments/mail/bank_refused", context=context, at=at
    )
