"""Connected accounts, transfers, reversals and payouts."""

from collections.abc import Callable
from typing import Any

import pytest
import stripe

from payments.sandbox.serve import StandIn

Sell = Callable[..., stripe.checkout.Session]


@pytest.fixture
def charge(sell: Sell, stand_in: StandIn) -> str:
    """Return a paid charge of 100 euros; 98.25 of them are ours."""
    stand_in.pay(sell(amount=10_000).id)
    return str(stand_in.objects("charge")[0]["id"])


@pytest.fixture
def send(client: stripe.StripeClient, payee: str) -> Callable[..., stripe.Transfer]:
    def transfer(amount: int, **params: Any) -> stripe.Transfer:
        wanted = {"amount": amount, "currency": "eur", "destination": payee} | params
        return client.v1.transfers.create(wanted)  # type: ignore[arg-type]  # a dict, as sent

    return transfer


def test_an_account_may_receive_nothing_until_stripe_knows_who_it_is(
    client: stripe.StripeClient, stand_in: StandIn, charge: str
) -> None:
    account = client.v1.accounts.create({"capabilities": {"transfers": {"requested": True}}})
    assert (account.details_submitted, account.payouts_enabled) == (False, False)
    assert account.capabilities is not None
    assert account.capabilities.transfers == "inactive"
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.transfers.create({"amount": 1, "currency": "eur", "destination": account.id})
    assert caught.value.code == "insufficient_capabilities_for_transfer"


def test_onboarding_makes_the_account_ready_and_tells_the_connect_endpoint(
    client: stripe.StripeClient, stand_in: StandIn
) -> None:
    account = client.v1.accounts.create({"capabilities": {"transfers": {"requested": True}}})
    ready = stand_in.onboard(account.id, country="DE", iban="DE89370400440532013000")
    assert (ready["details_submitted"], ready["payouts_enabled"]) == (True, True)
    assert (ready["capabilities"], ready["requirements"]["currently_due"]) == ({"transfers": "active"}, [])
    assert ready["external_accounts"]["data"][0]["last4"] == "3000"
    event = stand_in.objects("event")[0]
    assert (event["type"], event["account"]) == ("account.updated", account.id)


def test_stripe_may_take_the_rights_away_again(stand_in: StandIn, payee: str) -> None:
    account = stand_in.restrict(payee)
    assert (account["payouts_enabled"], account["capabilities"]) == (False, {"transfers": "inactive"})


def test_an_account_by_controller_says_who_bears_what(client: stripe.StripeClient) -> None:
    account = client.v1.accounts.create(
        {
            "controller": {
                "fees": {"payer": "application"},
                "losses": {"payments": "application"},
                "stripe_dashboard": {"type": "express"},
            },
            "settings": {"payouts": {"schedule": {"interval": "manual"}}},
        }
    )
    assert account.controller is not None
    assert account.controller.losses is not None
    assert account.settings is not None
    assert account.settings.payouts is not None
    assert (account.type, account.controller.losses.payments) == ("express", "application")
    assert account.settings.payouts.schedule.interval == "manual"


def test_a_transfer_moves_money_from_our_balance_to_theirs(
    client: stripe.StripeClient, charge: str, payee: str, send: Callable[..., stripe.Transfer]
) -> None:
    transfer = send(4000, transfer_group="order-1", metadata={"payable": "9"})
    theirs = client.v1.balance.retrieve({}, {"stripe_account": payee})
    assert (client.v1.balance.retrieve().available[0].amount, theirs.available[0].amount) == (5825, 4000)
    assert [row.id for row in client.v1.transfers.list({"transfer_group": "order-1"}).data] == [transfer.id]
    assert client.v1.transfers.list({"transfer_group": "order-2"}).data == []


def test_a_transfer_beyond_the_balance_is_refused(charge: str, send: Callable[..., stripe.Transfer]) -> None:
    with pytest.raises(stripe.InvalidRequestError, match="You have insufficient available funds") as caught:
        send(9826)
    assert (caught.value.http_status, caught.value.code) == (400, "balance_insufficient")
    assert send(9825).amount == 9825


def test_a_transfer_from_a_charge_needs_no_balance_but_stays_within_the_charge(
    client: stripe.StripeClient, stand_in: StandIn, charge: str, send: Callable[..., stripe.Transfer]
) -> None:
    client.v1.refunds.create({"charge": charge})  # our balance is below zero now
    transfer = send(6000, source_transaction=charge)
    assert transfer.transfer_group == f"group_{stand_in.find(charge)['payment_intent']}"
    with pytest.raises(stripe.InvalidRequestError, match=r"has €40\.00 left to transfer"):
        send(4001, source_transaction=charge)


def test_a_reversal_brings_money_back_as_far_as_the_payee_has_it(
    client: stripe.StripeClient,
    stand_in: StandIn,
    charge: str,
    payee: str,
    send: Callable[..., stripe.Transfer],
) -> None:
    transfer = send(4000)
    client.v1.payouts.create({"amount": 3000, "currency": "eur"}, {"stripe_account": payee})
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.transfers.reversals.create(transfer.id, {"amount": 1001})
    assert caught.value.code == "balance_insufficient"
    client.v1.transfers.reversals.create(transfer.id, {"amount": 600})
    client.v1.transfers.reversals.create(transfer.id, {"amount": 400})
    after = client.v1.transfers.retrieve(transfer.id)
    assert (after.amount_reversed, after.reversed) == (1000, False)
    assert [reversal.amount for reversal in after.reversals.data] == [400, 600]
    assert client.v1.balance.retrieve().available[0].amount == 6825
    assert stand_in.objects("event")[0]["type"] == "transfer.reversed"


def test_no_more_is_reversed_than_was_sent(
    client: stripe.StripeClient, charge: str, send: Callable[..., stripe.Transfer]
) -> None:
    transfer = send(1000)
    with pytest.raises(stripe.InvalidRequestError, match=r"\(€10.01\) is greater than unreversed amount"):
        client.v1.transfers.reversals.create(transfer.id, {"amount": 1001})
    assert client.v1.transfers.reversals.create(transfer.id).amount == 1000
    with pytest.raises(stripe.InvalidRequestError, match="already fully reversed"):
        client.v1.transfers.reversals.create(transfer.id)


def test_a_payout_arrives_the_next_day(
    client: stripe.StripeClient,
    stand_in: StandIn,
    charge: str,
    payee: str,
    send: Callable[..., stripe.Transfer],
) -> None:
    send(4000)
    payout = client.v1.payouts.create({"amount": 4000, "currency": "eur"}, {"stripe_account": payee})
    assert (payout.status, payout.automatic) == ("pending", False)
    stand_in.advance(86_400)
    assert client.v1.payouts.retrieve(payout.id, {}, {"stripe_account": payee}).status == "paid"
    event = stand_in.objects("event")[0]
    assert (event["type"], event["account"]) == ("payout.paid", payee)


def test_a_payout_may_fail_and_bring_the_money_back(
    client: stripe.StripeClient,
    stand_in: StandIn,
    charge: str,
    payee: str,
    send: Callable[..., stripe.Transfer],
) -> None:
    send(4000)
    stand_in.switches.fail_payouts = True
    payout = client.v1.payouts.create({"amount": 4000, "currency": "eur"}, {"stripe_account": payee})
    stand_in.advance(86_400)
    failed = client.v1.payouts.retrieve(payout.id, {}, {"stripe_account": payee})
    assert (failed.status, failed.failure_code) == ("failed", "account_closed")
    assert client.v1.balance.retrieve({}, {"stripe_account": payee}).available[0].amount == 4000


def test_a_payout_beyond_the_balance_is_refused(client: stripe.StripeClient, payee: str) -> None:
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.payouts.create({"amount": 1, "currency": "eur"}, {"stripe_account": payee})
    assert caught.value.code == "balance_insufficient"


def test_an_account_with_a_daily_schedule_is_paid_out_by_itself(
    client: stripe.StripeClient,
    stand_in: StandIn,
    charge: str,
    payee: str,
    send: Callable[..., stripe.Transfer],
) -> None:
    client.v1.accounts.update(payee, {"settings": {"payouts": {"schedule": {"interval": "daily"}}}})
    first, second = send(4000), send(500)
    stand_in.advance(86_400)
    (payout,) = client.v1.payouts.list({}, {"stripe_account": payee}).data
    assert (payout.amount, payout.automatic) == (4500, True)
    inside = client.v1.balance_transactions.list({"payout": payout.id}, {"stripe_account": payee}).data
    assert sorted(row.net for row in inside) == [-4500, 500, 4000]
    assert {row.source for row in inside} == {
        payout.id,
        first.destination_payment,
        second.destination_payment,
    }


def test_what_belongs_to_a_connected_account_is_not_ours(
    client: stripe.StripeClient, charge: str, payee: str, send: Callable[..., stripe.Transfer]
) -> None:
    payment = str(send(100).destination_payment)
    assert client.v1.charges.retrieve(payment, {}, {"stripe_account": payee}).amount == 100
    with pytest.raises(stripe.InvalidRequestError, match="No such charge"):
        client.v1.charges.retrieve(payment)
    with pytest.raises(stripe.PermissionError) as caught:
        client.v1.balance.retrieve({}, {"stripe_account": "acct_unknown"})
    assert caught.value.http_status == 403
