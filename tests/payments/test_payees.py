"""Who is owed money: one account at Stripe, and what Stripe still wants to know."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from payments import payees, reconcile
from payments.models import Payee
from payments.stripe_gateway import StripeUnavailable
from payments.stripe_records import AccountState
from tests import factories

if TYPE_CHECKING:
    from payments.sandbox.serve import StandIn

pytestmark = pytest.mark.django_db


@pytest.fixture
def stranger(db: None) -> Payee:
    return factories.PayeeFactory.create()


def onboard(payee: Payee, at: datetime) -> str:
    return payees.onboard(
        payee=payee, return_url="http://testserver/a", refresh_url="http://testserver/b", at=at
    )


def test_an_account_is_made_once_and_each_link_is_new(
    stand_in: "StandIn", stranger: Payee, at: datetime
) -> None:
    first, second = onboard(stranger, at), onboard(stranger, at)
    [account] = stand_in.objects("account")
    assert (stranger.stripe_account_id, stranger.can_be_paid) == (account["id"], False)
    assert first != second
    assert account["controller"]["losses"] == {"payments": "application"}


def test_an_account_whose_making_was_not_confirmed_is_found_again(
    stand_in: "StandIn", stranger: Payee, at: datetime
) -> None:
    stand_in.switches.turn({"fail_next": [{"path_prefix": "/v1/accounts", "status": 0, "after": True}] * 3})
    with pytest.raises(StripeUnavailable):
        onboard(stranger, at)
    onboard(stranger, at)
    assert [account["id"] for account in stand_in.objects("account")] == [stranger.stripe_account_id]


def test_the_event_tells_when_stripe_has_all_it_needs(
    stand_in: "StandIn", stranger: Payee, deliver: Callable[[], int], at: datetime
) -> None:
    onboard(stranger, at)
    stand_in.onboard(stranger.stripe_account_id)
    deliver()
    stranger.refresh_from_db()
    assert (stranger.can_be_paid, stranger.details_submitted, stranger.requirements) == (True, True, [])


def test_what_stripe_takes_away_is_told_too(
    stand_in: "StandIn", paid_payee: Payee, deliver: Callable[[], int]
) -> None:
    stand_in.restrict(paid_payee.stripe_account_id)
    deliver()
    paid_payee.refresh_from_db()
    assert (paid_payee.can_be_paid, paid_payee.requirements) == (False, ["individual.verification.document"])


def test_without_the_event_it_is_asked_for(stand_in: "StandIn", stranger: Payee, at: datetime) -> None:
    onboard(stranger, at)
    stand_in.onboard(stranger.stripe_account_id)
    stand_in.take_webhooks()  # lost
    reconcile.run(at=at + payees.TURN_OF_THE_WAITING)
    stranger.refresh_from_db()
    assert stranger.can_be_paid


def test_an_older_answer_changes_nothing(payee: Payee, at: datetime) -> None:
    ready = AccountState(payee.stripe_account_id, details_submitted=True, transfers_active=True)
    payees.heed(payee=payee, state=ready, at=at)
    late = AccountState(payee.stripe_account_id, details_submitted=True, transfers_active=False)
    payees.heed(payee=payee, state=late, at=at - timedelta(seconds=1))
    assert payee.can_be_paid


def test_one_payee_that_stripe_does_not_know_does_not_stop_the_others(
    stand_in: "StandIn", stranger: Payee, at: datetime
) -> None:
    unknown = factories.PayeeFactory.create(stripe_account_id="acct_unknown")
    onboard(stranger, at)
    stand_in.onboard(stranger.stripe_account_id)
    reconcile.run(at=at + payees.TURN_OF_THE_WAITING)
    stranger.refresh_from_db()
    unknown.refresh_from_db()
    assert (stranger.can_be_paid, unknown.can_be_paid) == (True, False)
