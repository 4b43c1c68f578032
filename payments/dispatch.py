"""What follows from each kind of Stripe's events. The inbox (`stripe_events`) does it, once.

Each reader reads the object anew and returns what is to be done in one transaction with the event's mark.
There are three cases, and an error is none of them:

- foreign, or of no consequence: NothingFollows, with the reason, which stays on the event's row;
- ours, but not known yet: NotKnownYet: it is tried again for a day and a half, then it is a case for finance;
- ours, but made elsewhere (by hand, at Stripe): adopted (`made_elsewhere`).
"""

from collections.abc import Callable, Iterable
from datetime import datetime
from functools import partial
from typing import Any

from django.core.exceptions import ValidationError

from payments import (
    charges,
    checkouts,
    disputes,
    made_elsewhere,
    payees,
    payouts,
    refunds,
    stripe_gateway,
    subscriptions,
)
from payments.answers import kind_of, who_answers
from payments.models import Charge, Payee, Payout, Refund, StripeEvent, Subscription
from payments.stripe_gateway import StripeRefused
from payments.stripe_records import CheckoutState, InvoiceState, Paid, RefundState, SubscriptionState

Deed = Callable[[], object]  # what follows from an event, in one transaction with the event's own row
Reader = Callable[[StripeEvent, datetime], Deed]


class NothingFollows(Exception):
    """The event is not about anything of ours, or changes nothing; the message says which."""


class NotKnownYet(Exception):
    """The event is about something of ours that has not been taken in yet: it is tried again."""


def deed_of(event: StripeEvent, *, at: datetime) -> Deed:
    """Return what follows from an event. Asks Stripe. Raise NothingFollows, NotKnownYet."""
    reader = (_OF_PAYEES if event.account else _OF_THE_PLATFORM).get(event.kind)
    if reader is None:
        raise NothingFollows("Nobody answers events of this kind.")
    return reader(event, at)


# What was bought


def _checkout(event: StripeEvent, at: datetime) -> Deed:
    session = stripe_gateway.read_checkout(event.object_id)
    if not session.reference:
        raise NothingFollows("The checkout is not of our making.")
    subscription = Subscription.objects.filter(reference=session.reference).first()
    if subscription is not None:
        return _of_subscription(event, subscription, session, at)
    charge = Charge.objects.filter(reference=session.reference).first()
    if charge is None:
        raise NotKnownYet(f"Nothing of ours is called {session.reference}.")
    _refuse_an_earlier_attempt(charge, session)
    if session.state is Paid.PAID:
        payment = stripe_gateway.read_payment(session.payment_intent)
        charges.learn_payment(charge=charge, payment=payment, at=at)
    answer = who_answers(event.kind, session.kind)
    if answer is None:
        raise NothingFollows(f"Nobody answers this about “{session.kind}”.")
    return partial(answer, event=event, session=session, at=at)


def _of_subscription(
    event: StripeEvent, subscription: Subscription, session: CheckoutState, at: datetime
) -> Deed:
    if session.subscription:
        state = stripe_gateway.read_subscription(session.subscription)
        return partial(_follow, event, subscription, state, None, at)
    if session.state is not Paid.EXPIRED:
        raise NothingFollows("The checkout is still open.")
    _refuse_an_earlier_attempt(subscription, session)

    def give_up() -> None:
        news = subscriptions.give_up(subscription=subscription, at=at)
        tell(news, event=event, subscription=subscription, kind=session.kind, at=at)

    return give_up


def _refuse_an_earlier_attempt(row: Charge | Subscription, session: CheckoutState) -> None:
    if session.state is Paid.EXPIRED and checkouts.is_of_an_earlier_attempt(row, session):
        raise NothingFollows("The page that expired is not the last one that was made for it.")


def _invoice(event: StripeEvent, at: datetime) -> Deed:
    invoice = stripe_gateway.read_invoice(event.object_id)
    if not invoice.subscription:
        raise NothingFollows("The invoice belongs to no subscription.")
    return _subscribed(event, stripe_gateway.read_subscription(invoice.subscription), invoice, at)


def _subscription(event: StripeEvent, at: datetime) -> Deed:
    return _subscribed(event, stripe_gateway.read_subscription(event.object_id), None, at)


def _subscribed(
    event: StripeEvent, state: SubscriptionState, invoice: InvoiceState | None, at: datetime
) -> Deed:
    if not state.reference:
        raise NothingFollows("The subscription is not of our making.")
    subscription = Subscription.objects.filter(reference=state.reference).first()
    if subscription is None:
        raise NotKnownYet(f"No subscription of ours is called {state.reference}.")
    return partial(_follow, event, subscription, state, invoice, at)


def _follow(
    event: StripeEvent,
    subscription: Subscription,
    state: SubscriptionState,
    invoice: InvoiceState | None,
    at: datetime,
) -> None:
    news = subscriptions.follow(subscription=subscription, state=state, at=at)
    if invoice is not None:
        news |= subscriptions.take_payment(subscription=subscription, invoice=invoice, at=at)
    tell(news, event=event, subscription=subscription, kind=state.kind, at=at)


def tell(
    news: Iterable[str], *, event: StripeEvent | None, subscription: Subscription, kind: str, at: datetime
) -> None:
    """Tell the app that sells this kind of subscription what is new, in the caller's transaction."""
    for name in sorted(news, key=["paid", "changed", "ended"].index):
        answer = who_answers(f"subscription.{name}", kind)
        if answer is not None:
            answer(event=event, subscription=subscription, at=at)


# What was paid, given back, taken back


def _charge_of(payment_intent: str) -> Charge:
    """Return our charge that a payment belongs to."""
    if not payment_intent:
        raise NothingFollows("It is about no payment.")
    charge = Charge.objects.filter(payment_intent_id=payment_intent).first()
    if charge is not None:
        return charge
    payment = stripe_gateway.read_payment(payment_intent)
    if payment is not None and payment.reference:
        reference = payment.reference
    else:
        reference = _reference_of_the_month(payment_intent)
    charge = Charge.objects.filter(reference=reference).first()
    if charge is None:
        raise NotKnownYet(f"The payment of {reference} has not been taken in yet.")
    return charge


def _reference_of_the_month(payment_intent: str) -> str:
    invoice = stripe_gateway.find_invoice(payment_intent=payment_intent)
    if invoice is None or not invoice.subscription:
        raise NothingFollows("The payment is not of our making.")
    if not stripe_gateway.read_subscription(invoice.subscription).reference:
        raise NothingFollows("The payment is of a subscription that is not of our making.")
    return subscriptions.reference_of(invoice)


def _charge(event: StripeEvent, at: datetime) -> Deed:
    payment = stripe_gateway.read_payment_of_charge(event.object_id)
    if payment is None:
        raise NothingFollows("The charge belongs to no payment that succeeded.")
    charge = _charge_of(payment.payment_intent)
    return partial(charges.learn_payment, charge=charge, payment=payment, at=at)


def _charge_refunded(event: StripeEvent, at: datetime) -> Deed:
    payment = stripe_gateway.read_payment_of_charge(event.object_id)
    if payment is None:
        raise NothingFollows("The charge belongs to no payment that succeeded.")
    deeds = [
        _of_refund(event, state, at) for state in list(stripe_gateway.refunds_of(payment.payment_intent))
    ]

    def all_of_them() -> None:
        for deed in reversed(deeds):  # the oldest first
            deed()

    return all_of_them


def _refund(event: StripeEvent, at: datetime) -> Deed:
    return _of_refund(event, stripe_gateway.read_refund(event.object_id), at)


def _of_refund(event: StripeEvent, state: RefundState, at: datetime) -> Deed:
    refund = _named(Refund, "refund", state.reference)
    if refund is None and state.reference:
        raise NotKnownYet(f"No refund of ours is called {state.reference}.")
    charge = refund.charge if refund is not None else _charge_of(state.payment_intent)
    if charge.status != Charge.Status.PAID:
        raise NotKnownYet(f"The payment of {charge.reference} has not been taken in yet.")

    def take_in() -> None:
        _lock_what_was_bought(charge)
        if refund is not None:
            refunds.heed(refund=refund, state=state, at=at)
        else:
            made_elsewhere.refund(charge=charge, state=state, at=at)
        _tell_what_is_left(event, charge, at)

    return take_in


def _dispute(event: StripeEvent, at: datetime) -> Deed:
    state = stripe_gateway.read_dispute(event.object_id)
    charge = _charge_of(state.payment_intent)

    def take_in() -> None:
        _lock_what_was_bought(charge)
        disputes.heed(charge=charge, state=state, at=at)
        if charge.subscription_id is not None:
            _tell_what_is_left(event, charge, at)

    return take_in


def _lock_what_was_bought(charge: Charge) -> None:
    """Take the lock of what a charge is for, since that one comes before the charge's own."""
    if charge.subscription_id is not None:
        Subscription.objects.select_for_update(of=("self",), no_key=True).get(pk=charge.subscription_id)
        return
    lock = who_answers("charge.returning", kind_of(charge.reference))
    if lock is not None:
        lock(charge=charge)


def _tell_what_is_left(event: StripeEvent, charge: Charge, at: datetime) -> None:
    """Let what was bought follow from how much of its money is left."""
    subscription = charge.subscription
    if subscription is not None:
        news = subscriptions.recount(subscription=subscription, charge=charge, at=at)
        tell(news, event=event, subscription=subscription, kind=kind_of(subscription.reference), at=at)
    elif charge.remainder().amount.minor <= 0:
        answer = who_answers("charge.returned", kind_of(charge.reference))
        if answer is not None:
            answer(event=event, charge=charge, at=at)


# What left for payees


def _transfer(event: StripeEvent, at: datetime) -> Deed:
    transfer = stripe_gateway.read_transfer(event.object_id)
    payout = _named(Payout, "payout", transfer.reference)
    if payout is not None:
        return partial(payouts.confirm, payout=payout, transfer=transfer, at=at)
    if transfer.reference:
        raise NotKnownYet(f"No payout of ours is called {transfer.reference}.")
    payee = Payee.objects.filter(stripe_account_id=transfer.destination).first()
    if payee is None:
        raise NothingFollows("The transfer is not of our making, and goes to nobody of ours.")
    return partial(made_elsewhere.transfer, payee=payee, state=transfer, at=at)


def _transfer_reversed(event: StripeEvent, at: datetime) -> Deed:
    transfer = stripe_gateway.read_transfer(event.object_id)
    payout = _named(Payout, "payout", transfer.reference)
    if payout is None and not transfer.reference:
        raise NothingFollows("The transfer is not of our making.")
    if payout is None or payout.status != Payout.Status.PAID:
        raise NotKnownYet(f"The transfer of {transfer.reference} has not been taken in yet.")
    taken = list(stripe_gateway.reversals(transfer.id))
    return partial(made_elsewhere.reversals, payout=payout, taken=taken, at=at)


# Payees


def _account(event: StripeEvent, at: datetime) -> Deed:
    if Payee.objects.filter(accounts_left__contains=[event.object_id]).exists():
        raise NothingFollows("The account has parted from us.")
    state = stripe_gateway.read_account(event.object_id)
    payee = Payee.objects.filter(stripe_account_id=state.id).first()
    if payee is None and state.reference:
        payee = _named(Payee, "payee", state.reference)
        if payee is not None and payee.stripe_account_id:
            raise NothingFollows("The payee has another account now.")
        if payee is None:
            raise NotKnownYet(f"No payee of ours is called {state.reference}.")
    if payee is None:
        raise NothingFollows("The account is no payee's.")
    return partial(payees.heed, payee=payee, state=state, at=at)


def _account_left(event: StripeEvent, at: datetime) -> Deed:
    payee = _payee_of(event)
    try:
        state = stripe_gateway.read_account(event.account)
    except StripeRefused:  # as the event says: it is not ours to look at any more
        return partial(payees.leave, payee=payee, at=at)
    return partial(payees.heed, payee=payee, state=state, at=at)


def _bank_payout(event: StripeEvent, at: datetime) -> Deed:
    payee = _payee_of(event)
    state = stripe_gateway.read_bank_payout(event.object_id, account_id=event.account)
    return partial(payees.heed_bank, payee=payee, state=state, at=at)


def _payee_of(event: StripeEvent) -> Payee:
    payee = Payee.objects.filter(stripe_account_id=event.account).exclude(stripe_account_id="").first()
    if payee is None:
        raise NothingFollows("The account is no payee's.")
    return payee


def _named(model: type[Any], noun: str, reference: str) -> Any:
    """Return the row that we named so when we asked Stripe: like refund-<id>."""
    beginning, _, identity = reference.partition("-")
    try:
        return model.objects.filter(pk=identity).first() if beginning == noun and identity else None
    except ValidationError:  # somebody else's name, which happens to begin like ours
        return None


_OF_THE_PLATFORM: dict[str, Reader] = {
    "checkout.session.completed": _checkout,
    "checkout.session.async_payment_succeeded": _checkout,
    "checkout.session.async_payment_failed": _checkout,
    "checkout.session.expired": _checkout,
    "invoice.paid": _invoice,
    "invoice.payment_failed": _invoice,
    "customer.subscription.created": _subscription,
    "customer.subscription.updated": _subscription,
    "customer.subscription.deleted": _subscription,
    "customer.subscription.paused": _subscription,
    "customer.subscription.resumed": _subscription,
    "charge.updated": _charge,
    "charge.refunded": _charge_refunded,
    "refund.created": _refund,
    "refund.updated": _refund,
    "refund.failed": _refund,
    "charge.dispute.created": _dispute,
    "charge.dispute.updated": _dispute,
    "charge.dispute.closed": _dispute,
    "charge.dispute.funds_withdrawn": _dispute,
    "charge.dispute.funds_reinstated": _dispute,
    "transfer.created": _transfer,
    "transfer.reversed": _transfer_reversed,
    "account.updated": _account,
    "account.application.deauthorized": _account_left,
}
# What payees do with their own accounts is theirs, but for what decides whether money reaches them.
_OF_PAYEES: dict[str, Reader] = {
    "account.updated": _account,
    "account.application.deauthorized": _account_left,
    "payout.paid": _bank_payout,
    "payout.failed": _bank_payout,
}
ANSWERED = frozenset({*_OF_THE_PLATFORM, *_OF_PAYEES})  # what an endpoint at Stripe should send
