"""What a person does on the Stripe stand-in's pages, done by a program: pay by card, and say who is paid."""

import re

import httpx

PAYS = "4242 4242 4242 4242"
SECONDS = 30.0  # the stand-in waits for our webhook before it sends the buyer on


class Declined(Exception):
    """The card was not taken; the message is the page's own."""


def pay(checkout_url: str, *, card: str = PAYS, name: str = "A. Fan") -> str:
    """Pay on a Checkout page and return where the buyer is sent. Raise Declined."""
    form = {"number": card, "expiry": "12 / 34", "cvc": "123", "name": name}
    answer = httpx.post(checkout_url, data=form, timeout=SECONDS)
    if answer.status_code != httpx.codes.SEE_OTHER:
        raise Declined(_words_of(answer.text) or f"The page answered {answer.status_code}.")
    return answer.headers["location"]


def onboard(link: str, *, name: str, country: str = "DE", iban: str = "DE89370400440532013000") -> str:
    """Fill in the onboarding page and return where the payee is sent."""
    httpx.get(link, timeout=SECONDS).raise_for_status()  # opening it is what uses it up
    answer = httpx.post(link, data={"name": name, "country": country, "iban": iban}, timeout=SECONDS)
    if answer.status_code != httpx.codes.SEE_OTHER:
        raise Declined(_words_of(answer.text) or f"The page answered {answer.status_code}.")
    return answer.headers["location"]


def _words_of(page: str) -> str:
    found = re.search(r'role="alert"[^>]*>(.*?)</', page, re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", " ", found.group(1)).split()) if found else ""
