"""What people do at Stripe without us, and how Stripe can differ from the plainest case."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest
import stripe

from payments.sandbox.by_hand import ACTS, UnknownAct
from payments.sandbox.serve import StandIn

Sell = Callable[..., stripe.checkout.Session]


@pytest.fixture
def charge(sell: Sell, stand_in: StandIn) -> str:
    stand_in.pay(sell().id)
    stand_in.take_webhooks()
    return str(stand_in.objects("charge")[0]["id"])


@pytest.fixture
def membership(sell: Sell, stand_in: StandIn) -> dict[str, Any]:
    month = {
        "currency": "eur",
        "unit_amount": 500,
        "recurring": {"interval": "month"},
        "product_data": {"name": "Club"},
    }
    stand_in.pay(sell(mode="subscription", line_items=[{"price_data": month, "quantity": 1}]).id)
    stand_in.take_webhooks()
    return stand_in.objects("subscription")[0]


def types(stand_in: StandIn) -> list[str]:
    return [webhook.type for webhook in stand_in.take_webhooks()]


def test_a_refund_by_staff_bears_no_label_and_leaves_nothing_for_ours(
    client: stripe.StripeClient, stand_in: StandIn, charge: str
) -> None:
    part = stand_in.by_hand("refund", charge=charge, amount=200)
    assert (part["amount"], part["metadata"], part["status"]) == (200, {}, "succeeded")
    assert stand_in.by_hand("refund", charge=charge)["amount"] == 1000
    assert types(stand_in) == ["refund.created", "charge.refunded"] * 2
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.refunds.create({"charge": charge})
    assert caught.value.code == "charge_already_refunded"


def test_a_refund_may_fail_after_it_had_succeeded(stand_in: StandIn, charge: str) -> None:
    refund = stand_in.by_hand("refund", charge=charge)
    stand_in.take_webhooks()
    failed = stand_in.by_hand("fail_refund", refund=refund["id"])
    assert (failed["status"], failed["failure_reason"]) == ("failed", "lost_or_stolen_card")
    assert types(stand_in) == ["refund.updated", "refund.failed"]
    assert stand_in.find(charge)["amount_refunded"] == 0


def test_a_transfer_may_be_taken_back(
    client: stripe.StripeClient, stand_in: StandIn, charge: str, payee: str
) -> None:
    transfer = client.v1.transfers.create({"amount": 900, "currency": "eur", "destination": payee})
    stand_in.take_webhooks()
    assert stand_in.by_hand("reverse_transfer", transfer=transfer.id, amount=400)["amount"] == 400
    assert stand_in.find(transfer.id)["amount_reversed"] == 400
    assert types(stand_in) == ["transfer.reversed"]


def test_a_payee_may_part_from_the_platform(
    client: stripe.StripeClient, stand_in: StandIn, charge: str, payee: str
) -> None:
    stand_in.take_webhooks()
    stand_in.by_hand("deauthorise", account=payee)
    (told,) = stand_in.take_webhooks()
    assert (told.type, stand_in.find(told.event)["account"]) == ("account.application.deauthorized", payee)
    for question in (
        lambda: client.v1.accounts.retrieve(payee),
        lambda: client.v1.balance.retrieve({}, {"stripe_account": payee}),
    ):
        with pytest.raises(stripe.PermissionError) as caught:
            question()
        assert caught.value.error is not None
        assert caught.value.error.code == "account_invalid"
    with pytest.raises(stripe.InvalidRequestError, match="No such destination"):
        client.v1.transfers.create({"amount": 100, "currency": "eur", "destination": payee})


def test_payouts_to_a_payees_bank_may_stop_while_transfers_arrive(stand_in: StandIn, payee: str) -> None:
    stand_in.take_webhooks()
    account = stand_in.by_hand("stop_payouts", account=payee)
    assert (account["payouts_enabled"], account["capabilities"]) == (False, {"transfers": "active"})
    assert types(stand_in) == ["account.updated"]


def test_a_payout_of_a_payee_may_come_back_after_it_was_paid(
    client: stripe.StripeClient, stand_in: StandIn, charge: str, payee: str
) -> None:
    client.v1.transfers.create({"amount": 900, "currency": "eur", "destination": payee})
    payout = stand_in.by_hand("pay_out", account=payee)
    stand_in.advance(90_000)
    assert stand_in.find(payout["id"])["status"] == "paid"
    stand_in.take_webhooks()
    assert stand_in.by_hand("fail_payout", payout=payout["id"])["failure_code"] == "account_closed"
    (told,) = stand_in.take_webhooks()
    assert (told.type, stand_in.find(told.event)["account"]) == ("payout.failed", payee)


def test_an_invoice_may_be_paid_elsewhere(
    client: stripe.StripeClient, stand_in: StandIn, membership: dict[str, Any]
) -> None:
    stand_in.switches.decline_renewals = True
    stand_in.advance(32 * 86_400)
    stand_in.take_webhooks()
    invoice = stand_in.objects("invoice")[0]["id"]
    paid = stand_in.by_hand("pay_invoice_elsewhere", invoice=invoice)
    assert (paid["status"], paid["amount_paid"], paid["amount_paid_off_stripe"]) == ("paid", 500, 500)
    assert client.v1.invoice_payments.list({"invoice": invoice, "status": "paid"}).data == []
    assert stand_in.find(membership["id"])["status"] == "active"
    assert types(stand_in) == ["invoice.paid", "invoice.payment_succeeded", "customer.subscription.updated"]


def test_a_membership_may_be_disputed_before_its_invoice_is_paid(stand_in: StandIn, sell: Sell) -> None:
    month = {"currency": "eur", "unit_amount": 500, "recurring": {"interval": "month"}}
    line = {"price_data": month | {"product_data": {"name": "Club"}}, "quantity": 1}
    stand_in.pay(sell(mode="subscription", line_items=[line]).id, card="4000000000000259")
    told = types(stand_in)
    assert told.index("charge.dispute.created") < told.index("invoice.paid")


def test_an_inquiry_takes_no_money_and_leaves_the_charge_refundable(
    client: stripe.StripeClient, stand_in: StandIn, charge: str
) -> None:
    asked = stand_in.by_hand("dispute", charge=charge, inquiry=True)
    assert (asked["status"], asked["balance_transactions"]) == ("warning_needs_response", [])
    assert asked["is_charge_refundable"] is True
    assert client.v1.refunds.create({"charge": charge}).status == "succeeded"
    assert stand_in.by_hand("close_dispute", dispute=asked["id"])["status"] == "warning_closed"
    assert [name for name in types(stand_in) if "dispute" in name] == [
        "charge.dispute.created",
        "charge.dispute.closed",
    ]


def test_every_act_can_be_done_at_the_desk(browser: httpx.Client, stand_in: StandIn, charge: str) -> None:
    made = browser.post("/_stand_in/acts/refund", json={"charge": charge, "amount": 100})
    assert (made.status_code, made.json()["amount"]) == (200, 100)
    again = browser.post("/_stand_in/acts/refund", json={"charge": charge, "amount": 9999})
    assert again.status_code == 400
    assert browser.post("/_stand_in/acts/nonsense", json={}).status_code == 400
    assert browser.post("/_stand_in/acts/refund", json={"nobody": 1}).status_code == 400
    with pytest.raises(UnknownAct, match="There are: cancel_subscription"):
        stand_in.by_hand("nonsense")
    assert len(ACTS) == 13


# How Stripe differs from the plainest case.


def test_a_fee_may_come_an_hour_after_its_charge(
    client: stripe.StripeClient, stand_in: StandIn, sell: Sell
) -> None:
    stand_in.switches.fees_delay_seconds = 3600
    stand_in.pay(sell().id)
    charge = stand_in.objects("charge")[0]
    assert (charge["balance_transaction"], stand_in.objects("balance_transaction")) == (None, [])
    stand_in.take_webhooks()
    stand_in.advance(3599)
    assert types(stand_in) == []
    stand_in.advance(2)
    (told,) = stand_in.take_webhooks()
    event = stand_in.find(told.event)
    assert (told.type, event["data"]["previous_attributes"]) == (
        "charge.updated",
        {"balance_transaction": None},
    )
    (booked,) = client.v1.balance_transactions.list().data
    assert (event["data"]["object"]["balance_transaction"], booked.fee) == (booked.id, 43)


def test_charges_refunds_and_disputes_may_settle_in_another_currency(
    client: stripe.StripeClient, stand_in: StandIn, sell: Sell
) -> None:
    stand_in.switches.turn({"settle_in": "aud", "exchange_rate": 1.6})
    stand_in.pay(sell().id)
    charge = stand_in.objects("charge")[0]["id"]
    client.v1.refunds.create({"charge": charge, "amount": 200})
    stand_in.by_hand("dispute", charge=charge)
    booked = [
        (line.amount, line.fee, line.currency, line.exchange_rate)
        for line in client.v1.balance_transactions.list().data
    ]
    assert booked == [(-1920, 3200, "aud", 1.6), (-320, 0, "aud", 1.6), (1920, 69, "aud", 1.6)]
    assert stand_in.find(charge)["currency"] == "eur"


def test_a_currency_without_decimals_settles_in_one_that_has_them(
    client: stripe.StripeClient, stand_in: StandIn, sell: Sell
) -> None:
    stand_in.switches.turn({"settle_in": "aud", "exchange_rate": 0.01})
    yen = {"currency": "jpy", "unit_amount": 1500, "product_data": {"name": "A seat"}}
    stand_in.pay(sell(line_items=[{"price_data": yen, "quantity": 1}]).id)
    (booked,) = client.v1.balance_transactions.list().data
    assert (booked.amount, booked.fee, booked.currency) == (1500, 48, "aud")


def test_every_optional_field_may_be_left_out(
    client: stripe.StripeClient, stand_in: StandIn, charge: str
) -> None:
    stand_in.switches.leave_out_optional = True
    refund = client.v1.refunds.create({"charge": charge})
    assert "destination_details" not in refund
    (told, _) = stand_in.take_webhooks()
    assert "destination_details" not in stand_in.find(told.event)["data"]["object"]
