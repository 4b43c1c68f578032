"""Stripe's pages, one attempt after another: what holds a moment ends with it, and nobody can pay twice."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from accounts.models import User
from payments import charges, checkouts, stripe_gateway, subscriptions
from payments.models import Charge, Payee, Subscription
from payments.money import Money
from payments.stripe_gateway import StripeRefused, StripeUnavailable
from payments.stripe_records import Paid
from tests.payments import parcels
from tests.races import together

if TYPE_CHECKING:
    from payments.sandbox.serve import StandIn

pytestmark = pytest.mark.django_db
Row = Charge | Subscription
LATER = timedelta(hours=3)  # longer than any page of these stays open


def open_page(row: Row, at: datetime) -> str:
    if isinstance(row, Subscription):
        return subscriptions.start_checkout(
            subscription=row,
            success_url="http://testserver/paid",
            cancel_url="http://testserver/unpaid",
            kind=parcels.KIND,
            at=at,
        )
    return charges.start_checkout(
        charge=row,
        success_url="http://testserver/paid",
        cancel_url="http://testserver/unpaid",
        kind=parcels.KIND,
        expires_at=at + timedelta(hours=1),
        at=at,
    )


@pytest.fixture(params=["charge", "subscription"])
def row(request: pytest.FixtureRequest, payee: Payee, ben: User, at: datetime) -> Row:
    parcels.LETTERS.clear()
    if request.param == "charge":
        return parcels.asked(payee, ben, 1200, at=at)
    return subscriptions.ask(
        payee=payee, buyer=ben, reference="box-1", description="A box", amount=Money(500, "EUR"), at=at
    )


def sessions(stand_in: "StandIn") -> list[tuple[str, str]]:
    """Return the attempt and the status of each page that Stripe made, oldest first."""
    made = stand_in.objects("checkout.session")[::-1]
    return [(session["metadata"]["attempt"], session["status"]) for session in made]


def test_a_request_that_never_reached_stripe_is_asked_anew_once_its_moment_is_over(
    stand_in: "StandIn", row: Row, at: datetime
) -> None:
    stand_in.switches.turn({"fail_next": [{"path_prefix": "/v1/checkout", "status": 503}] * 3})
    with pytest.raises(StripeUnavailable):
        open_page(row, at)
    stand_in.advance(int(LATER.total_seconds()))
    address = open_page(row, at + LATER)
    assert sessions(stand_in) == [("2", "open")]
    assert address == stand_in.objects("checkout.session")[0]["url"]


def test_a_page_whose_answer_was_lost_is_shut_before_another_is_made(
    stand_in: "StandIn", row: Row, at: datetime
) -> None:
    stand_in.switches.turn({"fail_next": [{"path_prefix": "/v1/checkout", "status": 0, "after": True}] * 3})
    with pytest.raises(StripeUnavailable):
        open_page(row, at)
    open_page(row, at + LATER)  # its clock runs ahead of Stripe's, where the page is still open
    assert sessions(stand_in) == [("1", "expired"), ("2", "open")]


def test_no_page_that_has_expired_is_offered_again(stand_in: "StandIn", row: Row, at: datetime) -> None:
    first = open_page(row, at)
    assert open_page(row, at + timedelta(minutes=5)) == first
    stand_in.advance(int(LATER.total_seconds()))
    assert open_page(row, at + LATER) not in {first, ""}
    assert sessions(stand_in) == [("1", "expired"), ("2", "open")]


def test_no_page_that_somebody_shut_at_stripe_is_offered_again(
    stand_in: "StandIn", row: Row, at: datetime
) -> None:
    first = open_page(row, at)
    stripe_gateway.expire_checkout(row.checkout_id or "")
    assert open_page(row, at) not in {first, ""}
    assert sessions(stand_in) == [("1", "expired"), ("2", "open")]


def test_a_page_with_seconds_left_is_shut_for_one_with_time_to_pay(
    stand_in: "StandIn", row: Row, at: datetime
) -> None:
    first = open_page(row, at)
    assert open_page(row, at + timedelta(minutes=59, seconds=30)) != first
    assert sessions(stand_in) == [("1", "expired"), ("2", "open")]


@pytest.mark.parametrize("later", [timedelta(minutes=5), LATER])
def test_what_was_paid_gets_no_second_page(
    stand_in: "StandIn", row: Row, at: datetime, later: timedelta
) -> None:
    open_page(row, at)
    stand_in.pay(row.checkout_id or "")  # and the news of it is lost
    if isinstance(row, Charge):
        with pytest.raises(charges.AlreadyPaid):
            open_page(row, at + later)
    else:
        assert open_page(row, at + later) == "http://testserver/paid"
    assert sessions(stand_in) == [("1", "complete")]


def test_a_definite_no_is_no_answer_for_ever(stand_in: "StandIn", row: Row, ben: User, at: datetime) -> None:
    no_such = {"path_prefix": "/v1/checkout", "status": 400, "code": "email_invalid"}
    stand_in.switches.turn({"fail_next": [no_such]})
    with pytest.raises(StripeRefused) as no:
        open_page(row, at)
    assert no.value.code == "email_invalid"
    User.objects.filter(pk=ben.pk).update(email="benjamin@example.com")
    row.buyer.refresh_from_db()
    open_page(row, at)
    assert sessions(stand_in) == [("2", "open")]
    assert stand_in.objects("checkout.session")[0]["customer_email"] == "benjamin@example.com"


def test_the_end_of_an_earlier_page_is_not_that_of_the_row(
    stand_in: "StandIn", row: Row, deliver: Callable[[], int], at: datetime
) -> None:
    open_page(row, at)
    stand_in.advance(int(LATER.total_seconds()))
    open_page(row, at + LATER)
    deliver()  # of the first page: that it expired
    row.refresh_from_db()
    assert row.status == "asked"
    stand_in.pay(row.checkout_id or "")
    deliver()
    row.refresh_from_db()
    assert row.status == ("paid" if isinstance(row, Charge) else "running")


def test_the_end_of_the_page_that_is_offered_is_that_of_a_subscription(
    stand_in: "StandIn", payee: Payee, ben: User, deliver: Callable[[], int], at: datetime
) -> None:
    box = subscriptions.ask(
        payee=payee, buyer=ben, reference="box-1", description="A box", amount=Money(500, "EUR"), at=at
    )
    open_page(box, at)
    stand_in.advance(int(LATER.total_seconds()))
    deliver()
    box.refresh_from_db()
    assert box.status == "ended"


def test_shutting_tells_of_a_page_that_expired_and_of_none(
    stand_in: "StandIn", row: Row, at: datetime
) -> None:
    assert checkouts.shut(row).state is Paid.EXPIRED
    open_page(row, at)
    assert checkouts.shut(row).state is Paid.EXPIRED
    assert sessions(stand_in) == [("1", "expired")]


@pytest.mark.django_db(transaction=True)
def test_many_who_come_back_to_an_expired_page_get_one_new_page(
    stand_in: "StandIn", payee: Payee, ben: User, at: datetime
) -> None:
    charge = parcels.asked(payee, ben, 1200, at=at)
    open_page(charge, at)
    stand_in.advance(int(LATER.total_seconds()))

    def come_back() -> str:
        return open_page(Charge.objects.get(pk=charge.pk), at + LATER)

    addresses = together(*[come_back] * 4)
    assert len(set(addresses)) == 1
    assert sessions(stand_in) == [("1", "expired"), ("2", "open")]
