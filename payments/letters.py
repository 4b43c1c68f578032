"""What payees are told of their money, and buyers of refunds, by e-mail.

In the caller's transaction: owed exactly if it happened.
"""

from datetime import datetime

from django.urls import reverse

from accounts import links, mail
from payments import permissions
from payments.models import Payee, Payout, Refund
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


def account_connected(*, payee: Payee, account_id: str, at: datetime) -> None:
    """Tell all who manage the payee into which account it is paid from now on, once for each account."""
    page = reverse("payments:payee", args=[payee.pk])
    context = {"payee": payee, "account_id": account_id, "url": links.absolute(page)}
    for user in permissions.managers(payee):
        mail.write(
            key=f"account-{account_id}-{user.pk}",
            to=user.email,
            template="payments/mail/account_connected",
            context=context,
            at=at,
        )


def refund_late(*, refund: Refund, at: datetime) -> None:
    """Tell the buyer that the money could not be given back yet, once for all attempts."""
    _about_refund("refund_late", f"refund-late-{refund.pk}", refund, at)


def refund_came_through(*, refund: Refund, at: datetime) -> None:
    """Tell the buyer, who was told that it is late, that it is given back."""
    _about_refund("refund_came_through", f"refund-came-through-{refund.pk}", refund, at)


def _about_refund(template: str, key: str, refund: Refund, at: datetime) -> None:
    charge = refund.charge
    context = {"refund": refund, "charge": charge, "url": links.absolute("/")}
    mail.write(key=key, to=charge.buyer.email, template=f"payments/mail/{template}", context=context, at=at)
