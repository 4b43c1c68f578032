"""A yes to a payout counts while whoever said it may still say it."""

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

import pytest

from accounts.models import User
from clubs.models import Officer
from payments import books, payouts
from payments.models import Charge, Payee, Payout
from payments.money import Money
from tests import factories

if TYPE_CHECKING:
    from payments.sandbox.serve import StandIn

Sold = Callable[..., Charge]
pytestmark = pytest.mark.django_db


def ask(payee: Payee, minor: int, by: User, at: datetime) -> Payout:
    return payouts.request(payee=payee, amount=Money(minor, "EUR"), by=by, at=at)


@pytest.fixture
def approved(
    stand_in: "StandIn", paid_payee: Payee, sold: Sold, ada: User, rae: User, at: datetime
) -> Payout:
    stand_in.by_hand("top_up", amount=100_000, currency="eur")
    sold(12_000, payee=paid_payee, released=True)
    return payouts.approve(payout=ask(paid_payee, 5000, ada, at), by=rae, at=at)


def became_an_owner(rae: User, payee: Payee) -> None:
    club = factories.ClubFactory.create(owner=factories.UserFactory.create(), payee=payee)
    Officer.objects.create(club=club, user=rae, role=Officer.Role.OWNER, since=club.created_at)


def was_dismissed(rae: User, payee: Payee) -> None:
    User.objects.filter(pk=rae.pk).update(is_finance=False)


def was_shut_out(rae: User, payee: Payee) -> None:
    User.objects.filter(pk=rae.pk).update(is_active=False)


LAPSES = pytest.mark.parametrize("lapse", [became_an_owner, was_dismissed, was_shut_out])


@LAPSES
def test_a_yes_counts_while_its_sayer_may_say_it(
    payee: Payee, sold: Sold, ada: User, rae: User, at: datetime, lapse: Callable[[User, Payee], None]
) -> None:
    sold(300_000, released=True)
    payout = ask(payee, 200_001, ada, at)
    payouts.approve(payout=payout, by=rae, at=at)
    lapse(rae, payee)
    gus, pia = (factories.UserFactory.create(is_finance=True) for _ in range(2))
    assert payouts.approve(payout=payout, by=gus, at=at).status == "requested"
    assert payouts.approve(payout=payout, by=pia, at=at).status == "approved"
    assert set(payout.approvals.filter(voided_at=None).values_list("by", flat=True)) == {gus.pk, pia.pk}
    assert books.check() == []


@LAPSES
def test_what_they_approved_before_goes_back_to_the_desk(
    stand_in: "StandIn", approved: Payout, rae: User, at: datetime, lapse: Callable[[User, Payee], None]
) -> None:
    lapse(rae, approved.payee)
    payouts.send(payout=approved, at=at)
    assert (approved.status, stand_in.objects("transfer")) == ("held", [])
    assert approved.reason == "Somebody who approved it may not any more, so the payout is reviewed again."
    gus = factories.UserFactory.create(is_finance=True)
    payouts.send(payout=payouts.approve(payout=approved, by=gus, at=at), at=at)
    assert approved.status == "paid"
    assert books.check() == []


def test_a_yes_of_somebody_who_does_not_review_is_none(
    payee: Payee, sold: Sold, ada: User, max: User, at: datetime
) -> None:
    sold(released=True)
    assert payouts.approve(payout=ask(payee, 1000, ada, at), by=max, at=at).status == "requested"
