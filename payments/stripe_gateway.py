"""All we ask of Stripe; the only module that imports its SDK. Nothing here touches the database.

Every call that changes something carries an idempotency key, which the caller makes of a row's id, and
parameters that follow from the row alone: the same again is the same. What comes back are the records of
`stripe_records`. Asking takes seconds and may fail, so it is refused inside a transaction. https://docs.stripe.com/api
"""

from collections.abc import Callable, Iterator
from functools import cache, partial
from threading import BoundedSemaphore
from typing import Any, TypeVar

import stripe
from django.conf import settings
from django.db import connection

from payments import stripe_reading as reading
from payments.money import Money
from payments.stripe_records import (
    AccountState,
    BankPayoutState,
    CheckoutState,
    DisputeState,
    InvoiceState,
    Movement,
    Payment,
    Purchase,
    RefundState,
    ReversalState,
    SignedEvent,
    SubscriptionState,
    TransferState,
)

API_VERSION = "2026-10-28.endive"  # of this SDK; webhook endpoints must be made with the same
CONNECTS_WITHIN_SECONDS = 3.0
PAGE = 100
Answer = TypeVar("Answer")
stripe.enable_telemetry = False  # it would write a file into the home directory


class StripeUnavailable(Exception):
    """No definite answer. What was asked for may or may not have happened: ask again with the same key."""


class StripeRefused(Exception):
    """A definite no: nothing happened. `code` is Stripe's; the message is for our logs."""

    def __init__(self, message: str, code: str = "") -> None:
        super().__init__(message)
        self.code = code


class KeyReused(Exception):
    """The key was used before with other parameters. A bug: what happened under it has to be looked up."""


class InsideTransaction(Exception):
    """Stripe was to be asked inside a transaction: locks would wait for a network. A bug."""


class NothingToAskFor(Exception):
    """The id of what should be read is empty: Stripe would take it for a question about all of them."""


class InvalidSignature(Exception):
    """The payload was signed with none of our secrets, or is no event."""


# Checkout


def checkout_request(purchase: Purchase) -> dict[str, Any]:
    """Return what to ask Stripe for, to be stored before it is asked."""
    metadata = {
        "kind": purchase.kind,
        "reference": purchase.reference,
        "attempt": str(purchase.attempt),
    }
    price: dict[str, Any] = {
        "currency": purchase.amount.currency.lower(),
        "unit_amount": purchase.amount.minor,
        "product_data": {"name": purchase.description},
    }
    request: dict[str, Any] = {
        "success_url": purchase.success_url,
        "cancel_url": purchase.cancel_url,
        "customer_email": purchase.email,
        "client_reference_id": purchase.reference,
        "expires_at": int(purchase.expires_at.timestamp()),
        "allowed_payment_method_types": ["card"],  # slow methods may fail after the event
        "wallet_options": {"link": {"display": "never"}},  # it would bring bank debits in by the back door
        "metadata": metadata,
    }
    if purchase.monthly:
        price["recurring"] = {"interval": "month"}
        request |= {"mode": "subscription", "subscription_data": {"metadata": metadata}}
    else:
        about = {
            "metadata": metadata,
            "transfer_group": purchase.reference,
            "description": purchase.description,
        }
        request |= {"mode": "payment", "payment_intent_data": about}
    return request | {"line_items": [{"price_data": price, "quantity": 1}]}


def create_checkout(*, request: dict[str, Any], key: str) -> CheckoutState:
    """Return the page made for a stored request; the same page for the same key."""
    return reading.checkout(
        _ask(lambda stripe: stripe.checkout.sessions.create(_params(request), _keyed(key)))
    )


def read_checkout(checkout_id: str) -> CheckoutState:
    return reading.checkout(_ask(lambda stripe: stripe.checkout.sessions.retrieve(_id(checkout_id))))


def expire_checkout(checkout_id: str) -> CheckoutState:
    """Shut a page and return how it stands: EXPIRED, or PAID if the buyer was quicker."""
    try:
        return reading.checkout(_ask(lambda stripe: stripe.checkout.sessions.expire(_id(checkout_id))))
    except StripeRefused:
        return read_checkout(checkout_id)  # only open pages can be shut


# Payments, refunds, disputes


def read_payment(payment_intent: str) -> Payment | None:
    """Return a payment, with Stripe's fee if it is booked already; None if it did not succeed."""
    params = _params({"expand": ["latest_charge.balance_transaction"]})
    intent: Any = _ask(lambda stripe: stripe.payment_intents.retrieve(_id(payment_intent), params))
    return reading.payment(intent)


def read_payment_of_charge(charge_id: str) -> Payment | None:
    """Return the payment that a charge of Stripe's belongs to; None if it belongs to none, or failed."""
    charge: Any = _ask(lambda stripe: stripe.charges.retrieve(_id(charge_id)))
    payment_intent = reading.id_of(reading.said(charge, "payment_intent"))
    return read_payment(payment_intent) if payment_intent else None


def refunds_of(payment_intent: str) -> Iterator[RefundState]:
    """Yield every refund of a payment, newest first, whoever made it."""
    params = _params({"payment_intent": _id(payment_intent), "limit": PAGE})
    for one in _all(lambda stripe: stripe.refunds.list(params)):
        yield reading.refund(one)


def create_refund(*, payment_intent: str, amount: Money, reference: str, key: str) -> RefundState:
    params = {"payment_intent": payment_intent, "amount": amount.minor, "metadata": {"reference": reference}}
    return reading.refund(_ask(lambda stripe: stripe.refunds.create(_params(params), _keyed(key))))


def read_refund(refund_id: str) -> RefundState:
    return reading.refund(_ask(lambda stripe: stripe.refunds.retrieve(_id(refund_id))))


def find_refund(*, payment_intent: str, reference: str) -> RefundState | None:
    """Return the refund that was made for our `reference`, if Stripe knows one."""
    params = _params({"payment_intent": payment_intent, "limit": PAGE})
    refunds = _all(lambda stripe: stripe.refunds.list(params))
    return next(
        (reading.refund(one) for one in refunds if reading.label(one, "reference") == reference), None
    )


def read_dispute(dispute_id: str) -> DisputeState:
    return reading.dispute(_ask(lambda stripe: stripe.disputes.retrieve(_id(dispute_id))))


# Subscriptions


def read_subscription(subscription_id: str) -> SubscriptionState:
    return reading.subscription(_ask(lambda stripe: stripe.subscriptions.retrieve(_id(subscription_id))))


def end_with_period(*, subscription_id: str, ends: bool, key: str) -> SubscriptionState:
    """Let a subscription end with the paid month (`ends`), or go on after all."""
    params = _params({"cancel_at_period_end": ends})
    return reading.subscription(
        _ask(lambda stripe: stripe.subscriptions.update(subscription_id, params, _keyed(key)))
    )


def read_invoice(invoice_id: str) -> InvoiceState:
    return _invoice(_ask(lambda stripe: stripe.invoices.retrieve(_id(invoice_id))))


def paid_invoices(subscription_id: str) -> Iterator[InvoiceState]:
    """Yield the paid invoices of a subscription, newest first."""
    params = _params({"subscription": _id(subscription_id), "status": "paid", "limit": PAGE})
    for invoice in _all(lambda stripe: stripe.invoices.list(params)):
        yield _invoice(invoice)


def find_invoice(*, payment_intent: str) -> InvoiceState | None:
    """Return the invoice that was paid by this payment, if it paid one."""
    payment = {"type": "payment_intent", "payment_intent": _id(payment_intent)}
    params = _params({"payment": payment, "limit": PAGE})
    payments: Any = _ask(lambda stripe: stripe.invoice_payments.list(params))
    invoices = [reading.id_of(reading.said(one, "invoice")) for one in payments.data]
    return read_invoice(invoices[0]) if invoices else None


def _invoice(invoice: Any) -> InvoiceState:
    is_paid = reading.said(invoice, "status") == "paid"
    return reading.invoice(invoice, _payment_of(invoice.id) if is_paid and invoice.amount_paid else None)


def _payment_of(invoice_id: str) -> Payment | None:
    params = _params({"invoice": invoice_id, "status": "paid"})
    payments: Any = _ask(lambda stripe: stripe.invoice_payments.list(params))
    intents = [reading.id_of(reading.said(one, "payment", "payment_intent")) for one in payments.data]
    return next((read_payment(intent) for intent in intents if intent), None)


# Payees and transfers


def create_account(*, email: str, reference: str, key: str, country: str = "") -> AccountState:
    """Return a new account for a payee: Stripe asks for the papers, the platform bears losses and fees.

    The country stays what it is now. Without one Stripe takes the platform's own.
    """
    params: dict[str, Any] = {
        "email": email,
        "controller": {
            "stripe_dashboard": {"type": "express"},
            "fees": {"payer": "application"},
            "losses": {"payments": "application"},
            "requirement_collection": "stripe",
        },
        "capabilities": {"transfers": {"requested": True}},
        "metadata": {"reference": reference},
    } | ({"country": country} if country else {})
    return reading.account(_ask(lambda stripe: stripe.accounts.create(_params(params), _keyed(key))))


def read_account(account_id: str) -> AccountState:
    return reading.account(_ask(lambda stripe: stripe.accounts.retrieve(_id(account_id))))


def onboarding_link(*, account_id: str, return_url: str, refresh_url: str) -> str:
    """Return a page of Stripe's where the payee says who they are. It works once, for some minutes."""
    params = {
        "account": account_id,
        "type": "account_onboarding",
        "return_url": return_url,
        "refresh_url": refresh_url,
    }
    link: Any = _ask(lambda stripe: stripe.account_links.create(_params(params)))
    return str(link.url)


def create_transfer(*, destination: str, amount: Money, reference: str, key: str) -> TransferState:
    """Move money from our balance to a payee's account."""
    params = {
        "destination": destination,
        "amount": amount.minor,
        "currency": amount.currency.lower(),
        "transfer_group": reference,
        "metadata": {"reference": reference},
    }
    return reading.transfer(_ask(lambda stripe: stripe.transfers.create(_params(params), _keyed(key))))


def read_transfer(transfer_id: str) -> TransferState:
    return reading.transfer(_ask(lambda stripe: stripe.transfers.retrieve(_id(transfer_id))))


def find_transfer(*, reference: str) -> TransferState | None:
    """Return the transfer that was made for our `reference`, if Stripe knows one."""
    params = _params({"transfer_group": reference, "limit": PAGE})
    transfers = _all(lambda stripe: stripe.transfers.list(params))
    return next(
        (reading.transfer(one) for one in transfers if reading.label(one, "reference") == reference), None
    )


def reversals(transfer_id: str) -> Iterator[ReversalState]:
    """Yield what was taken back of a transfer, newest first."""
    params = _params({"limit": PAGE})
    for one in _all(lambda stripe: stripe.transfers.reversals.list(_id(transfer_id), params)):
        yield reading.reversal(one)


def read_bank_payout(payout_id: str, *, account_id: str) -> BankPayoutState:
    """Return what went from a payee's account to their bank."""
    as_payee: Any = {"stripe_account": _id(account_id)}
    return reading.bank_payout(_ask(lambda stripe: stripe.payouts.retrieve(_id(payout_id), options=as_payee)))


# The balance


def movements_page(*, after: str = "") -> tuple[list[Movement], bool]:
    """Return a page of the movements of our balance, newest first, and whether there are more.

    `after` is the id of the last one that is known; without it the page begins at the newest.
    """
    params = _params({"limit": PAGE} | ({"starting_after": after} if after else {}))
    page: Any = _ask(lambda stripe: stripe.balance_transactions.list(params))
    return [reading.movement(line) for line in page.data], bool(page.has_more)


# Events


def read_event(payload: bytes, signature: str) -> SignedEvent:
    """Return the event in a webhook's body, in whatever version of the API. Raise InvalidSignature."""
    for secret in settings.STRIPE_WEBHOOK_SECRETS:
        try:
            event = stripe.Webhook.construct_event(payload, signature, secret)
        except stripe.SignatureVerificationError:
            continue
        except ValueError as error:
            raise InvalidSignature("The body is no event.") from error
        return reading.event(event)
    raise InvalidSignature("The signature fits none of our secrets.")


def undelivered_events() -> Iterator[SignedEvent]:
    """Yield the events that Stripe could not bring to us, newest first. It keeps them for 30 days."""
    params = _params({"delivery_success": False, "limit": PAGE})
    for event in _all(lambda stripe: stripe.events.list(params)):
        yield reading.event(event)


# How we ask


def _ask(question: Callable[[Any], Answer]) -> Answer:
    """Return Stripe's answer, or raise what its errors mean for us: a definite no, or no answer."""
    # pytest-django wraps a test into one transaction, as Django's TestCase does: that one is not ours.
    if any(not getattr(block, "_from_testcase", False) for block in connection.atomic_blocks):
        raise InsideTransaction("Write the intent, commit, then ask Stripe.")
    client = _client(settings.STRIPE_SECRET_KEY, settings.STRIPE_API_BASE)
    lines = _lines(settings.STRIPE_AT_ONCE)
    if not lines.acquire(blocking=False):
        raise StripeUnavailable("As many wait for Stripe already as may.")
    try:
        return question(client.v1)
    except (stripe.CardError, stripe.InvalidRequestError, stripe.PermissionError) as error:
        # The SDK hands a code to some errors only; the body that Stripe sent has it for all.
        raise StripeRefused(str(error), reading.said(error.error, "code") or "") from error
    except stripe.IdempotencyError as error:
        raise KeyReused(str(error)) from error
    except stripe.StripeError as error:
        raise StripeUnavailable(str(error)) from error
    finally:
        lines.release()


def _all(question: Callable[[Any], Any]) -> Iterator[Any]:
    """Yield every row of a list; each further page is asked for like the first."""
    page = _ask(question)
    while True:
        yield from page.data
        if not page.has_more:
            return
        page = _ask(partial(_next_page, page))


def _next_page(page: Any, _stripe: Any) -> Any:
    return page.next_page()


@cache
def _client(key: str, base: str) -> stripe.StripeClient:
    return stripe.StripeClient(
        key,
        stripe_version=API_VERSION,
        base_addresses={"api": base} if base else {},
        max_network_retries=settings.STRIPE_FURTHER_ATTEMPTS,  # with the same idempotency key
        http_client=stripe.RequestsClient(timeout=(CONNECTS_WITHIN_SECONDS, settings.STRIPE_SECONDS)),
    )


@cache
def _lines(most: int) -> BoundedSemaphore:
    return BoundedSemaphore(most)  # a Stripe that hangs must not hold every thread of the web


def _id(identity: str) -> str:
    if not identity:
        raise NothingToAskFor("There is no id to ask Stripe about.")
    return identity


def _params(params: dict[str, Any]) -> Any:
    return params  # the SDK types each literal on its own; ours are built


def _keyed(key: str) -> Any:
    return {"idempotency_key": key}
