"""A charge that comes again: Stripe keeps the calendar, the books get each month once."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from accounts.models import AuditEntry, User
from payments import books, stripe_events, subscriptions, summary
from payments.models import Charge, Payee, Subscription
from payments.money import Money
from payments.stripe_records import SubscriptionState
from tests.payments import parcels

if TYPE_CHECKING:
    from payments.sandbox.serve import StandIn

pytestmark = pytest.mark.django_db
MONTH = 31 * 86_400


@pytest.fixture
def asked(payee: Payee, ben: User, at: datetime) -> Subscription:
    parcels.LETTERS.clear()
    return subscriptions.ask(
        payee=payee,
        buyer=ben,
        reference="box-1",
        description="A box of parcels",
        amount=Money(500, "EUR"),
        at=at,
    )


def open_page(subscription: Subscription, at: datetime) -> str:
    return subscriptions.start_checkout(
        subscription=subscription,
        success_url="http://testserver/a",
        cancel_url="http://testserver/b",
        kind=parcels.KIND,
        at=at,
    )


@pytest.fixture
def running(
    stand_in: "StandIn", asked: Subscription, deliver: Callable[[], int], at: datetime
) -> Subscription:
    open_page(asked, at)
    stand_in.pay(asked.checkout_id or "")
    deliver()
    asked.refresh_from_db()
    return asked


def test_the_first_month_is_a_paid_charge(
    running: Subscription, stand_in: "StandIn", payee: Payee, at: datetime
) -> None:
    charge = Charge.objects.get()
    [invoice] = stand_in.objects("invoice")
    assert (charge.reference, charge.status, charge.amount_minor) == (f"invoice-{invoice['id']}", "paid", 500)
    assert (charge.subscription, charge.stripe_fee_minor) == (running, 33)
    assert (running.status, summary.of(payee).pending.minor) == ("running", 460)
    assert running.paid_until is not None
    assert running.paid_until > at + timedelta(days=27)
    assert parcels.LETTERS.count("paid box-1") == 1
    assert books.check(ask_stripe=True) == []


def test_the_page_is_the_same_however_often_it_is_opened(
    stand_in: "StandIn", asked: Subscription, at: datetime
) -> None:
    assert open_page(asked, at) == open_page(asked, at + timedelta(minutes=5))
    assert len(stand_in.objects("checkout.session")) == 1


def test_each_renewal_is_a_charge_of_its_own(
    stand_in: "StandIn", running: Subscription, deliver: Callable[[], int]
) -> None:
    before = running.paid_until
    stand_in.advance(MONTH)
    deliver()
    running.refresh_from_db()
    assert Charge.objects.filter(subscription=running, status="paid").count() == 2
    assert before is not None
    assert running.paid_until is not None
    assert running.paid_until > before
    assert parcels.LETTERS.count("paid box-1") == 2
    assert books.check(ask_stripe=True) == []


def test_a_failing_card_makes_it_overdue_and_then_ends_it(
    stand_in: "StandIn", running: Subscription, deliver: Callable[[], int]
) -> None:
    stand_in.switches.turn({"decline_renewals": True})
    stand_in.advance(MONTH)
    deliver()
    running.refresh_from_db()
    assert running.status == "overdue"
    stand_in.advance(MONTH)
    deliver()
    running.refresh_from_db()
    assert (running.status, parcels.LETTERS.count("ended box-1")) == ("ended", 1)
    assert Charge.objects.count() == 1


def test_a_cancelled_one_ends_with_its_month(
    stand_in: "StandIn", running: Subscription, deliver: Callable[[], int], ben: User
) -> None:
    subscriptions.cancel_at_period_end(subscription=running, by=ben, at=datetime.now(UTC))
    assert (running.status, running.ends_at_period_end) == ("running", True)
    assert AuditEntry.objects.get(verb="subscription-cancel").actor == ben
    stand_in.advance(MONTH)
    deliver()
    running.refresh_from_db()
    assert (running.status, Charge.objects.count()) == ("ended", 1)


def test_a_cancellation_can_be_taken_back(
    stand_in: "StandIn", running: Subscription, deliver: Callable[[], int], ben: User
) -> None:
    subscriptions.cancel_at_period_end(subscription=running, by=ben, at=datetime.now(UTC))
    subscriptions.resume(subscription=running, by=ben, at=datetime.now(UTC) + timedelta(seconds=1))
    stand_in.advance(MONTH)
    deliver()
    running.refresh_from_db()
    assert (running.status, running.ends_at_period_end, Charge.objects.count()) == ("running", False, 2)


def test_what_was_never_paid_cannot_be_cancelled(asked: Subscription, ben: User, at: datetime) -> None:
    with pytest.raises(subscriptions.NotAtStripe):
        subscriptions.cancel_at_period_end(subscription=asked, by=ben, at=at)


def test_a_page_left_unpaid_ends_it(
    stand_in: "StandIn", asked: Subscription, deliver: Callable[[], int], at: datetime
) -> None:
    open_page(asked, at)
    stand_in.advance(2 * 3600)
    deliver()
    asked.refresh_from_db()
    assert (asked.status, parcels.LETTERS) == ("ended", ["ended box-1"])


def test_whatever_the_order_of_its_events_the_month_is_paid_once(
    stand_in: "StandIn", asked: Subscription, at: datetime
) -> None:
    open_page(asked, at)
    stand_in.switches.turn({"deliver_webhooks": False})
    stand_in.pay(asked.checkout_id or "")
    letters = [(letter.body, letter.signature) for letter in stand_in.take_webhooks()]
    for body, signature in [*reversed(letters), *letters]:
        event = stripe_events.receive(payload=body, signature=signature, at=at)
        stripe_events.handle(event=event, at=at)
    asked.refresh_from_db()
    assert (asked.status, Charge.objects.count(), parcels.LETTERS.count("paid box-1")) == ("running", 1, 1)


def standing(status: str, *, days: int, at: datetime) -> SubscriptionState:
    return SubscriptionState("sub_1", status, ends_at_period_end=False, reference="", kind="")


def test_an_older_answer_changes_nothing_and_an_end_is_final(asked: Subscription, at: datetime) -> None:
    def follow(status: str, days: int, asked_at: datetime) -> set[str]:
        return subscriptions.follow(subscription=asked, state=standing(status, days=days, at=at), at=asked_at)

    assert follow("active", 60, at) == {"changed"}
    assert follow("past_due", 30, at - timedelta(seconds=5)) == set()
    assert asked.status == "running"
    assert follow("canceled", 60, at - timedelta(seconds=5)) == {"ended"}
    assert follow("active", 90, at + timedelta(seconds=5)) == set()
    assert asked.status == "ended"


def test_membership_money_is_released_after_the_holding_days(
    running: Subscription, payee: Payee, at: datetime
) -> None:
    assert subscriptions.release_due(at=at + timedelta(days=6)) == 0
    assert subscriptions.release_due(at=at + timedelta(days=8)) == 1
    assert summary.of(payee).available.minor == 460
