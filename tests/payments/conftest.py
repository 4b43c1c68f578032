"""What the tests of money need: a payee whom Stripe pays, things that are sold, and a desk to sit at."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from allauth.account.internal.flows.login import record_authentication
from django.http import HttpRequest
from django.test import Client

from accounts.models import User
from payments import charges, payees
from payments.models import Charge, Payee
from payments.money import Money
from tests import factories
from tests.payments import parcels

if TYPE_CHECKING:
    from payments.sandbox.serve import StandIn


@pytest.fixture
def euros() -> Callable[[int], Money]:
    return lambda minor: Money(minor, "EUR")


@pytest.fixture
def payee(db: None) -> Payee:
    """Return a payee that Stripe would pay, though the stand-in need not know of it."""
    return factories.PayeeFactory.create(
        name="Night Voices", stripe_account_id="acct_night", details_submitted=True, transfers_active=True
    )


@pytest.fixture
def paid_payee(stand_in: "StandIn", payee: Payee, at: datetime) -> Payee:
    """Return the payee, whose account the stand-in knows and pays."""
    Payee.objects.filter(pk=payee.pk).update(stripe_account_id="", transfers_active=False)
    payee.refresh_from_db()
    payees.onboard(payee=payee, return_url="http://testserver/", refresh_url="http://testserver/", at=at)
    stand_in.onboard(payee.stripe_account_id)
    payees.refresh(payee=payee, at=at)
    return payee


@pytest.fixture
def sold(payee: Payee, ben: User, at: datetime) -> Callable[..., Charge]:
    """Return a function that sells a parcel in the books alone: no Stripe."""

    def sell(minor: int = 1200, *, payee: Payee = payee, released: bool = False) -> Charge:
        return parcels.sold(payee, ben, minor, at=at, released=released)

    return sell


@pytest.fixture
def checked_out(stand_in: "StandIn", payee: Payee, ben: User, at: datetime) -> Callable[..., Charge]:
    """Return a function that opens Stripe's page for a parcel; nobody has paid yet."""

    def open_page(minor: int = 1200, *, payee: Payee = payee) -> Charge:
        charge = parcels.asked(payee, ben, minor, at=at)
        charges.start_checkout(
            charge=charge,
            success_url="http://testserver/paid",
            cancel_url="http://testserver/unpaid",
            kind=parcels.KIND,
            expires_at=at + timedelta(hours=1),
            at=at,
        )
        return charge

    return open_page


def at_the_desk(reviewer: User) -> Client:
    """Return a browser in which this person signed in with a second factor."""
    client = Client()
    client.force_login(reviewer)
    request = HttpRequest()
    request.session = client.session
    record_authentication(request, reviewer, "mfa", type="totp")
    request.session.save()
    return client


@pytest.fixture
def desk(rae: User) -> Client:
    return at_the_desk(rae)
