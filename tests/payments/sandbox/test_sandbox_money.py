"""Refunds, disputes and balances: money that comes in, goes back, and is counted."""

from collections.abc import Callable

import pytest
import stripe

from payments.sandbox.serve import StandIn

Sell = Callable[..., stripe.checkout.Session]


@pytest.fixture
def charge(sell: Sell, stand_in: StandIn) -> str:
    """Return a paid charge of 12 euros."""
    stand_in.pay(sell().id)
    return str(stand_in.objects("charge")[0]["id"])


def available(client: stripe.StripeClient) -> int:
    return client.v1.balance.retrieve().available[0].amount


def test_a_refund_takes_its_amount_and_leaves_stripe_its_fee(
    client: stripe.StripeClient, stand_in: StandIn, charge: str
) -> None:
    refund = client.v1.refunds.create(
        {"payment_intent": stand_in.find(charge)["payment_intent"], "expand": ["balance_transaction"]}
    )
    movement = refund.balance_transaction
    assert isinstance(movement, stripe.BalanceTransaction)
    assert (refund.status, movement.net, movement.fee) == ("succeeded", -1200, 0)
    assert (stand_in.find(charge)["refunded"], stand_in.find(charge)["amount_refunded"]) == (True, 1200)
    assert available(client) == -43


def test_partial_refunds_end_at_the_charge(
    client: stripe.StripeClient, stand_in: StandIn, charge: str
) -> None:
    client.v1.refunds.create({"charge": charge, "amount": 700})
    with pytest.raises(
        stripe.InvalidRequestError,
        match=r"Refund amount \(€6.00\) is greater than unrefunded amount on charge \(€5.00\)",
    ):
        client.v1.refunds.create({"charge": charge, "amount": 600})
    client.v1.refunds.create({"charge": charge, "amount": 500})
    with pytest.raises(stripe.InvalidRequestError, match="has already been refunded") as caught:
        client.v1.refunds.create({"charge": charge})
    assert caught.value.code == "charge_already_refunded"
    assert [refund.amount for refund in client.v1.refunds.list({"charge": charge}).data] == [500, 700]


def test_a_refund_is_told_twice(client: stripe.StripeClient, stand_in: StandIn, charge: str) -> None:
    stand_in.take_webhooks()
    client.v1.refunds.create({"charge": charge, "amount": 100})
    assert [webhook.type for webhook in stand_in.take_webhooks()] == ["refund.created", "charge.refunded"]


def test_a_slow_refund_is_pending_for_an_hour(
    client: stripe.StripeClient, stand_in: StandIn, sell: Sell
) -> None:
    stand_in.pay(sell().id, card="4000000000007726")
    refund = client.v1.refunds.create({"charge": stand_in.objects("charge")[0]["id"]})
    assert refund.status == "pending"
    stand_in.advance(3600)
    assert client.v1.refunds.retrieve(refund.id).status == "succeeded"
    assert stand_in.objects("event")[0]["type"] == "refund.updated"


def test_a_refund_may_fail_and_bring_the_money_back(
    client: stripe.StripeClient, stand_in: StandIn, sell: Sell
) -> None:
    stand_in.pay(sell().id, card="4000000000005126")
    charge = stand_in.objects("charge")[0]["id"]
    refund = client.v1.refunds.create({"charge": charge})
    assert (refund.status, available(client)) == ("succeeded", -43)
    stand_in.advance(3600)
    stand_in.advance(3600)
    assert client.v1.refunds.retrieve(refund.id).status == "failed"
    assert [event["type"] for event in stand_in.objects("event")[:2]] == ["refund.failed", "refund.updated"]
    assert (available(client), stand_in.find(charge)["amount_refunded"]) == (1157, 0)


def test_a_refund_can_be_made_to_wait_for_funds(
    client: stripe.StripeClient, stand_in: StandIn, charge: str, sell: Sell
) -> None:
    stand_in.switches.refunds_wait_for_funds = True
    refund = client.v1.refunds.create({"charge": charge})
    assert (refund.status, refund.pending_reason) == ("pending", "insufficient_funds")
    stand_in.pay(sell().id)
    assert client.v1.refunds.retrieve(refund.id).status == "succeeded"


def test_funds_may_be_pending_until_they_settle(
    client: stripe.StripeClient, stand_in: StandIn, sell: Sell
) -> None:
    stand_in.switches.funds_delay_seconds = 86_400
    stand_in.pay(sell().id)
    balance = client.v1.balance.retrieve()
    assert (balance.available[0].amount, balance.pending[0].amount) == (0, 1157)
    stand_in.advance(86_400)
    balance = client.v1.balance.retrieve()
    assert (balance.available[0].amount, balance.pending[0].amount) == (1157, 0)


def test_the_balance_is_the_sum_of_its_movements(
    client: stripe.StripeClient, stand_in: StandIn, sell: Sell, payee: str
) -> None:
    for amount in (1200, 3400, 777):
        stand_in.pay(sell(amount=amount).id)
    client.v1.refunds.create({"charge": stand_in.objects("charge")[0]["id"], "amount": 77})
    client.v1.transfers.create({"amount": 1000, "currency": "eur", "destination": payee})
    movements = client.v1.balance_transactions.list({"limit": 2}).auto_paging_iter()
    assert sum(movement.net for movement in movements) == available(client)


def test_movements_are_found_by_type_and_by_source(client: stripe.StripeClient, charge: str) -> None:
    refund = client.v1.refunds.create({"charge": charge, "amount": 5})
    lists = client.v1.balance_transactions
    assert [row.source for row in lists.list({"type": "refund"}).data] == [refund.id]
    assert [row.source for row in lists.list({"source": charge}).data] == [charge]


def test_the_dispute_card_pays_and_is_disputed(
    client: stripe.StripeClient, stand_in: StandIn, sell: Sell
) -> None:
    stand_in.pay(sell().id, card="4000000000000259")
    (dispute,) = client.v1.disputes.list({"expand": ["data.charge"]}).data
    assert isinstance(dispute.charge, stripe.Charge)
    assert (dispute.status, dispute.amount, dispute.charge.disputed) == ("needs_response", 1200, True)
    (movement,) = dispute.balance_transactions
    assert (movement.amount, movement.fee, movement.reporting_category) == (-1200, 2000, "dispute")
    with pytest.raises(stripe.InvalidRequestError, match="has been charged back") as caught:
        client.v1.refunds.create({"charge": dispute.charge.id})
    assert caught.value.code == "charge_disputed"


@pytest.mark.parametrize(
    ("evidence", "status", "change", "told"),
    [
        ("winning_evidence", "won", 1200, "charge.dispute.funds_reinstated"),
        ("losing_evidence", "lost", 0, "charge.dispute.closed"),
        ("I really was there", "under_review", 0, "charge.dispute.updated"),
    ],
)
def test_the_evidence_decides_a_dispute(
    client: stripe.StripeClient,
    stand_in: StandIn,
    charge: str,
    evidence: str,
    status: str,
    change: int,
    told: str,
) -> None:
    dispute = stand_in.dispute(charge)
    before = available(client)
    updated = client.v1.disputes.update(
        dispute["id"], {"evidence": {"uncategorized_text": evidence}, "submit": True}
    )
    assert (updated.status, available(client) - before) == (status, change)
    assert stand_in.objects("event")[0]["type"] == told


def test_a_dispute_that_nobody_answers_is_lost(stand_in: StandIn, charge: str) -> None:
    dispute = stand_in.dispute(charge)
    stand_in.advance(9 * 86_400)
    assert stand_in.find(dispute["id"])["status"] == "lost"


def test_a_dispute_can_be_given_up_once(client: stripe.StripeClient, stand_in: StandIn, charge: str) -> None:
    dispute = stand_in.dispute(charge)
    assert client.v1.disputes.close(dispute["id"]).status == "lost"
    with pytest.raises(stripe.InvalidRequestError, match="already closed"):
        client.v1.disputes.close(dispute["id"])
