"""Stripe's test cards and test bank accounts (https://docs.stripe.com/testing), and what each does."""

import hashlib
from dataclasses import dataclass

from payments.sandbox.shapes import Body, new, new_id


class Declined(Exception):
    """The bank refused; the text is what Stripe shows to the buyer."""

    def __init__(self, message: str, *, code: str = "card_declined", decline_code: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.decline_code = decline_code


@dataclass(frozen=True)
class Card:
    """A means of payment. `delayed`: the bank answers days later, as with a direct debit."""

    number: str
    brand: str = "visa"
    declined: Declined | None = None
    asks: bool = False
    disputed: bool = False
    delayed: bool = False
    refund: str = "succeeds"

    @property
    def last4(self) -> str:
        return self.number[-4:]

    @property
    def grouped(self) -> str:
        """The number in groups of four."""
        return " ".join(self.number[start : start + 4] for start in range(0, len(self.number), 4))

    @property
    def behaviour(self) -> str:
        """What a developer reads beside the number on the checkout page."""
        if self.delayed:
            return (
                "Bank debit: fails after three days."
                if self.declined
                else "Bank debit: pays after three days."
            )
        if self.declined:
            return str(self.declined)
        if self.asks:
            return "Asks the buyer to confirm."
        if self.disputed:
            return "Pays, and is then disputed."
        return {
            "pending": "Pays; a refund stays pending for an hour.",
            "fails": "Pays; a refund fails after an hour.",
            "succeeds": "Pays.",
        }[self.refund]

    @property
    def type(self) -> str:
        return "sepa_debit" if self.delayed else "card"


PAYS = "4242424242424242"
_GENERIC = Declined("Your card was declined.", decline_code="generic_decline")
CARDS = {
    card.number: card
    for card in (
        Card(PAYS),
        Card("5555555555554444", brand="mastercard"),
        Card("4000000000000077"),
        Card("4000000000000002", declined=_GENERIC),
        Card(
            "4000000000009995",
            declined=Declined("Your card has insufficient funds.", decline_code="insufficient_funds"),
        ),
        Card("4000000000000069", declined=Declined("Your card has expired.", code="expired_card")),
        Card(
            "4000000000000119",
            declined=Declined(
                "An error occurred while processing your card. Try again in a little bit.",
                code="processing_error",
            ),
        ),
        Card("4000002500003155", asks=True),
        Card("4000000000000259", disputed=True),
        Card("4000000000007726", refund="pending"),
        Card("4000000000005126", refund="fails"),
        Card("DE89370400440532013000", brand="", delayed=True),
        Card("DE62370400440532013001", brand="", delayed=True, declined=_GENERIC),
    )
}


def read(number: str) -> Card:
    """Return the test card with this number; any other number is invalid, as Stripe says it."""
    card = CARDS.get("".join(number.upper().split()).replace("-", ""))
    if card is None:
        raise Declined("Your card number is invalid.", code="incorrect_number")
    return card


def fingerprint(number: str) -> str:
    """Return the same short text for the same card every time."""
    return hashlib.sha256(number.encode()).hexdigest()[:16]


def billing_details(email: str | None, name: str | None) -> Body:
    """Return who pays, as Stripe repeats it on charges and payment methods."""
    address = dict.fromkeys(("city", "country", "line1", "line2", "postal_code", "state"))
    return {"address": address, "email": email, "name": name, "phone": None, "tax_id": None}


def payment_method(card: Card, *, at: int, email: str | None, name: str | None, customer: str | None) -> Body:
    """Return the PaymentMethod that stands for the card."""
    body = new("payment_method", id=new_id("pm"), created=at, customer=customer, type=card.type)
    body["billing_details"] = billing_details(email, name)
    if card.delayed:
        del body["card"]
        body["sepa_debit"] = _sepa(card) | {"generated_from": {"charge": None, "setup_attempt": None}}
        return body
    body["card"] = _card(card) | {
        "display_brand": card.brand,
        "generated_from": None,
        "networks": {"available": [card.brand], "preferred": None},
        "three_d_secure_usage": {"supported": True},
    }
    return body


def charge_details(card: Card, amount: int) -> Body:
    """Return a charge's `payment_method_details` for the card."""
    if card.delayed:
        return {"type": "sepa_debit", "sepa_debit": _sepa(card) | {"mandate": None}}
    details = _card(card) | {
        "amount_authorized": amount,
        "authorization_code": None,
        "electronic_commerce_indicator": None,
        "extended_authorization": {"status": "disabled"},
        "incremental_authorization": {"status": "unavailable"},
        "installments": None,
        "mandate": None,
        "multicapture": {"status": "unavailable"},
        "network": card.brand,
        "network_token": {"used": False},
        "network_transaction_id": None,
        "overcapture": {"maximum_amount_capturable": amount, "status": "unavailable"},
        "three_d_secure": None,
        "transaction_link_id": None,
    }
    return {"type": "card", "card": details}


def _card(card: Card) -> Body:
    return {
        "brand": card.brand,
        "checks": {"address_line1_check": None, "address_postal_code_check": None, "cvc_check": "pass"},
        "country": "US",
        "exp_month": 12,
        "exp_year": 2034,
        "fingerprint": fingerprint(card.number),
        "funding": "credit",
        "last4": card.last4,
        "regulated_status": "unregulated",
        "wallet": None,
    }


def _sepa(card: Card) -> Body:
    return {
        "bank_code": card.number[4:12],
        "branch_code": None,
        "country": card.number[:2],
        "fingerprint": fingerprint(card.number),
        "last4": card.last4,
    }
