"""Every pair of acts on one club, event and payee, at once on PostgreSQL: none waits for the other for ever.

An act is prepared first, each time anew, and then raced against the other, two of each. A refusal in words
of the product is an answer; a deadlock, a violated constraint or a row that was taken for granted is none.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial

import pytest

from accounts import personal_data
from accounts.models import User
from clubs import memberships, officers
from clubs.models import Club, Officer
from payments import books, disputes, payouts, refunds
from payments.models import Payee
from payments.money import Money
from payments.stripe_records import DisputeState
from tests import factories
from tests.payments import parcels
from tests.races import together
from tests.ticketing import box_office
from ticketing import aftersales, money_back, offers, passing, programme, promises, sales
from ticketing.models import Event, TicketType
from ticketing.offers import Offer

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _any_number_of_payouts_may_be_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(payouts, "MOST_OPEN", 10_000)  # locks are tried here, not bounds


Act = Callable[[], object]
OURS = ("accounts", "clubs", "payments", "rooms", "ticketing")


@dataclass
class World:
    """One club with its payee, and tonight's event: a new one for each pair, since some acts end it."""

    club: Club
    ada: User
    rae: User
    payee: Payee
    at: datetime
    event: Event
    seat: TicketType

    def new_evening(self) -> None:
        self.event = factories.EventFactory.create(club=self.club, created_by=self.ada)
        self.seat = box_office.kind(self.event)

    def released(self) -> None:
        """Let the payee have something to be paid out."""
        parcels.sold(self.payee, box_office.fan(), 5000, at=self.at, released=True)

    def payout(self) -> object:
        self.released()
        return payouts.request(payee=self.payee, amount=Money(1000, "EUR"), by=self.ada, at=self.at)


@pytest.fixture
def world(club: Club, ada: User, rae: User, at: datetime) -> World:
    Payee.objects.filter(pk=club.payee_id).update(
        stripe_account_id="acct_night", details_submitted=True, transfers_active=True
    )
    event = factories.EventFactory.create(club=club, created_by=ada)
    payee = Payee.objects.get(pk=club.payee_id)
    return World(club, ada, rae, payee, at, event, box_office.kind(event))


ACTS: dict[str, Callable[[World], Act]] = {}


def act(prepare: Callable[[World], Act]) -> Callable[[World], Act]:
    ACTS[prepare.__name__] = prepare
    return prepare


@act
def join(w: World) -> Act:
    plan = memberships.open_plan(
        club=w.club, name="Friends", promise="", price=Money(500, "EUR"), by=w.ada, at=w.at
    )
    return partial(memberships.join, plan=plan, member=box_office.fan(), at=w.at)


@act
def open_plan(w: World) -> Act:
    price = Money(700, "EUR")
    return partial(memberships.open_plan, club=w.club, name="P", promise="", price=price, by=w.ada, at=w.at)


@act
def accept_invitation(w: World) -> Act:
    _row, token = officers.invite(club=w.club, role=Officer.Role.HOST, by=w.ada, at=w.at)
    return partial(officers.accept, token=token, user=box_office.fan(), at=w.at)


@act
def change_an_officer(w: World) -> Act:
    officer = factories.OfficerFactory.create(club=w.club, user=box_office.fan(), role=Officer.Role.HOST)
    return partial(officers.change_role, officer=officer, role=Officer.Role.CASHIER, by=w.ada, at=w.at)


@act
def remove_an_officer(w: World) -> Act:
    officer = factories.OfficerFactory.create(club=w.club, user=box_office.fan(), role=Officer.Role.OWNER)
    return partial(officers.remove, officer=officer, by=w.ada, at=w.at)


@act
def hold(w: World) -> Act:
    return partial(box_office.hold, box_office.fan(), w.seat, 2, at=w.at)


@act
def complete(w: World) -> Act:
    order = box_office.hold(box_office.fan(), w.seat, 2, at=w.at)
    return partial(sales.complete, order=order, payment_intent=box_office.payment(), at=w.at)


@act
def let_go(w: World) -> Act:
    return partial(sales.release, order=box_office.hold(box_office.fan(), w.seat, at=w.at), at=w.at)


@act
def refund(w: World) -> Act:
    order = box_office.buy(box_office.fan(), w.seat, 2, at=w.at)
    return partial(aftersales.refund, order=order, by=w.ada, reason="Ill", at=w.at)


@act
def fail_a_refund(w: World) -> Act:
    order = box_office.buy(box_office.fan(), w.seat, at=w.at)
    given = aftersales.refund(order=order, by=w.ada, reason="Ill", at=w.at)
    assert given is not None
    return partial(refunds.fail, refund=given, failure="declined", at=w.at)


@act
def dispute(w: World) -> Act:
    order = box_office.buy(box_office.fan(), w.seat, at=w.at)
    state = DisputeState(
        id=f"du_{secrets.token_hex(6)}", payment_intent="", amount=order.total, status="needs_response",
        reason="fraudulent", is_withdrawn=True, is_reinstated=False, stripe_fee=Money(1500, "EUR"),
    )  # fmt: skip
    return partial(disputes.heed, charge=box_office.charge(order), state=state, at=w.at)


@act
def take_a_friends_ticket(w: World) -> Act:
    order = box_office.buy(box_office.fan(), w.seat, 2, at=w.at)
    return partial(passing.take, ticket=order.tickets.get(holder=None), by=box_office.fan(), at=w.at)


@act
def change_the_types(w: World) -> Act:
    return partial(offers.put_up, event=w.event, offers=[Offer(name="New", price=Money(900, "EUR"))])


@act
def revise_the_event(w: World) -> Act:
    return partial(
        programme.revise, event=Event.objects.get(pk=w.event.pk), title="Other", description="",
        starts_at=w.event.starts_at, timezone="Europe/Berlin", minutes=w.event.minutes,
    )  # fmt: skip


@act
def call_off(w: World) -> Act:
    box_office.buy(box_office.fan(), w.seat, at=w.at)

    def whole() -> None:
        aftersales.cancel_event(event=Event.objects.get(pk=w.event.pk), by=w.ada, reason="Storm", at=w.at)
        money_back.give(at=w.at)

    return whole


@act
def release_the_money(w: World) -> Act:
    box_office.buy(box_office.fan(), w.seat, at=w.at)
    return partial(programme.release_money, event=w.event, at=w.at)


@act
def ask_for_a_payout(w: World) -> Act:
    w.released()
    return partial(payouts.request, payee=w.payee, amount=Money(1000, "EUR"), by=w.ada, at=w.at)


@act
def approve_a_payout(w: World) -> Act:
    return partial(payouts.approve, payout=w.payout(), by=w.rae, at=w.at)  # type: ignore[arg-type]


@act
def reject_a_payout(w: World) -> Act:
    return partial(payouts.reject, payout=w.payout(), by=w.rae, reason="No", at=w.at)  # type: ignore[arg-type]


@act
def close_an_account(w: World) -> Act:
    fan = box_office.fan()
    box_office.hold(fan, box_office.kind(w.event, price=0), at=w.at)
    return partial(personal_data.close, user=fan, at=w.at)


def is_an_answer(told: object) -> bool:
    return not isinstance(told, Exception) or type(told).__module__.partition(".")[0] in OURS


def differences(world: World, first: str, second: str) -> list[str]:
    """Race two of each; return what came of it that no act may come to."""
    world.new_evening()
    acts = [ACTS[name](world) for name in (first, second, first, second)]
    return [f"{first} + {second}: {told!r}" for told in together(*acts) if not is_an_answer(told)]


@pytest.mark.parametrize("first", sorted(ACTS))
def test_each_act_beside_each_other_one_comes_to_an_end(world: World, first: str) -> None:
    # Seen failing (deadlock detected) for join + open_plan while join() locked the club beside the plan.
    others = [name for name in sorted(ACTS) if name >= first]
    found = [line for second in others for line in differences(world, first, second)]
    assert found == []
    assert (books.check(), promises.check()) == ([], [])


def test_the_list_is_long_enough_to_mean_something() -> None:
    assert len(ACTS) >= 20
