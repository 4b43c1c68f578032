"""Every entry of the timetable with three rows, of which one is odd: what test_one_odd_row.py tries.

A sweep of yours: write a function here that brings three rows about, makes the first one fail (`world.fails`)
and says which rows were done, and register it with @scene. One that works on no rows is in WITHOUT_ROWS.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.db.models import Model

from accounts.models import User
from payments import charges, payees, payouts, refunds, releases, stripe_events, stripe_gateway, subscriptions
from payments.models import Charge, FeeQuestion, Payee, Payout, Refund, StripeEvent, Subscription
from payments.money import Money
from tests import factories
from tests.payments import parcels
from tests.ticketing import box_office
from ticketing import aftersales, missed, money_back, programme, sales
from ticketing.models import Event, Order

if TYPE_CHECKING:
    from payments.sandbox.serve import StandIn

# What an entry of the timetable does besides working on rows one by one, and why no row can stop it.
WITHOUT_ROWS = {
    "payments.tasks.compare_with_stripe": "one comparison at a time (tests/payments/test_comparison.py)",
    "ticketing.tasks.forget_networks": "one statement",
    "accounts.tasks.tidy_up": "statements over whole tables, which look at no row",
    "payments.tasks.check_books": "queries over the whole books",
    "ticketing.tasks.check_seats": "one query a promise, of which twenty lines are told",
    "rooms.tasks.make_rounds": "tried in tests/rooms/test_rounds.py",
    "accounts.tasks.send_letters": "tried in tests/accounts/test_mail.py",
}


@dataclass
class World:
    """What a scene is made of."""

    stand_in: "StandIn"
    monkeypatch: pytest.MonkeyPatch
    at: datetime
    payee: Payee
    ada: User
    ben: User
    rae: User
    event: Event

    def fails(self, module: Any, name: str, when: Callable[..., bool]) -> None:
        """Let a function of a module fail, as only a bug would, when it is called about the odd row."""
        real = getattr(module, name)

        def odd(*args: Any, **kwargs: Any) -> Any:
            if when(*args, **kwargs):
                raise RuntimeError("an odd row")
            return real(*args, **kwargs)

        self.monkeypatch.setattr(module, name, odd)


@dataclass
class Scene:
    """Three rows, the first of which is odd."""

    rows: Sequence[Model]
    is_done: Callable[[Any], bool]

    def done(self) -> list[bool]:
        return [self.is_done(type(row)._base_manager.get(pk=row.pk)) for row in self.rows]


Arrange = Callable[[World], Scene]
SCENES: list[tuple[str, Arrange]] = []


def scene(task: str) -> Callable[[Arrange], Arrange]:
    """Register a scene of an entry of the timetable."""

    def register(arrange: Arrange) -> Arrange:
        SCENES.append((task, arrange))
        return arrange

    return register


def page(world: World) -> Charge:
    charge = parcels.asked(world.payee, world.ben, 1200, at=world.at)
    charges.start_checkout(
        charge=charge,
        success_url="http://testserver/paid",
        cancel_url="http://testserver/unpaid",
        kind=parcels.KIND,
        expires_at=world.at + timedelta(hours=1),
        at=world.at,
    )
    return charge


def paid(world: World) -> Charge:
    charge = page(world)
    intent = world.stand_in.pay(charge.checkout_id or "")["payment_intent"]
    charges.settle(charge=charge, payment_intent=intent, at=world.at)
    return charge


@scene("payments.tasks.handle_due")
def events(world: World) -> Scene:
    pages = [page(world) for _ in range(3)]
    rows = [
        StripeEvent.objects.create(
            stripe_id=f"evt_{charge.pk}",
            kind="checkout.session.completed",
            api_version=stripe_gateway.API_VERSION,
            body={"data": {"object": {"id": charge.checkout_id}}},
            received_at=world.at,
            next_attempt_at=world.at - timedelta(minutes=1),
        )
        for charge in pages
    ]
    for charge in pages:
        world.stand_in.pay(charge.checkout_id or "")
    world.fails(charges, "settle", lambda *, charge, **_: charge.pk == pages[0].pk)
    return Scene(rows, lambda event: event.status == "handled")


@scene("payments.tasks.send_due")
def refunds_to_send(world: World) -> Scene:
    rows = [refunds.ask(charge=paid(world), reason="ill", by=None, at=world.at) for _ in range(3)]
    Refund.objects.update(next_attempt_at=world.at - timedelta(minutes=1))
    world.fails(stripe_gateway, "create_refund", lambda *, reference, **_: reference == rows[0].cause)
    return Scene(rows, lambda refund: refund.status == "done")


@scene("payments.tasks.send_due")
def payouts_to_send(world: World) -> Scene:
    world.stand_in.by_hand("top_up", amount=100_000, currency="eur")
    rows = []
    for _ in range(3):
        parcels.sold(world.payee, world.ben, 5000, at=world.at, released=True)
        payout = payouts.request(payee=world.payee, amount=Money(1000, "EUR"), by=world.ada, at=world.at)
        rows.append(payouts.approve(payout=payout, by=world.rae, at=world.at))
    Payout.objects.update(next_attempt_at=world.at - timedelta(minutes=1))
    world.fails(stripe_gateway, "create_transfer", lambda *, reference, **_: reference == rows[0].cause)
    return Scene(rows, lambda payout: payout.status == "paid")


@scene("payments.tasks.release_memberships")
def months_to_release(world: World) -> Scene:
    long_ago = world.at - timedelta(days=60)
    subscription = factories.SubscriptionFactory.create(payee=world.payee, buyer=world.ben)
    rows = [parcels.sold(world.payee, world.ben, 500, at=long_ago) for _ in range(3)]
    Charge.objects.update(subscription=subscription)
    world.fails(releases, "release", lambda *, charge, **_: charge.pk == rows[0].pk)
    return Scene(rows, lambda charge: charge.released_at is not None)


@scene("payments.tasks.ask_about_the_unknown")
def fees_not_told(world: World) -> Scene:
    sold = [paid(world) for _ in range(3)]
    FeeQuestion.objects.update(next_attempt_at=world.at - timedelta(minutes=1))
    odd = sold[0].payment_intent_id
    world.fails(stripe_gateway, "read_payment", lambda payment_intent: payment_intent == odd)
    return Scene([charge.fee_question for charge in sold], lambda question: question.answered_at is not None)


@scene("payments.tasks.ask_about_the_unknown")
def payees_in_turn(world: World) -> Scene:
    rows = [factories.PayeeFactory.create() for _ in range(3)]
    for payee in rows:
        payees.onboard(
            payee=payee, return_url="http://testserver/", refresh_url="http://testserver/", at=world.at
        )
        world.stand_in.onboard(payee.stripe_account_id)
    Payee.objects.update(next_attempt_at=world.at - timedelta(minutes=1))
    odd = rows[0].stripe_account_id
    world.fails(stripe_gateway, "read_account", lambda account_id: account_id == odd)
    return Scene(rows, lambda payee: payee.transfers_active)


@scene("payments.tasks.ask_about_the_unknown")
def renewals_not_told(world: World) -> Scene:
    rows = []
    for number in range(3):
        row = subscriptions.ask(
            payee=world.payee,
            buyer=world.ben,
            reference=f"parcel-box-{number}",
            description="A box",
            amount=Money(500, "EUR"),
            at=world.at,
        )
        subscriptions.start_checkout(
            subscription=row,
            success_url="http://testserver/a",
            cancel_url="http://testserver/b",
            kind=parcels.KIND,
            at=world.at,
        )
        row.refresh_from_db()
        world.stand_in.pay(row.checkout_id or "")
        rows.append(row)
    Subscription.objects.update(next_attempt_at=world.at - timedelta(minutes=1))
    odd = rows[0].checkout_id
    world.fails(stripe_gateway, "read_checkout", lambda checkout_id: checkout_id == odd)
    return Scene(rows, lambda subscription: subscription.paid_until is not None)


@scene("payments.tasks.ask_about_the_unknown")
def events_never_delivered(world: World) -> Scene:
    rows = [page(world) for _ in range(3)]
    world.stand_in.switches.turn({"deliver_webhooks": False})
    for charge in rows:
        world.stand_in.pay(charge.checkout_id or "")
    events = world.stand_in.objects("event")
    odd = next(each["id"] for each in events if each["data"]["object"]["id"] == rows[0].checkout_id)
    world.fails(stripe_events, "_keep", lambda event, **_: event.id == odd)
    wanted = "data__object__id"

    def is_kept(charge: Charge) -> bool:
        found = StripeEvent.objects.filter(kind="checkout.session.completed")
        return found.filter(**{f"body__{wanted}": charge.checkout_id}).exists()

    return Scene(rows, is_kept)


@scene("ticketing.tasks.release_stale_holds")
def holds_that_are_over(world: World) -> Scene:
    kind = box_office.kind(world.event, capacity=10)
    rows = [box_office.hold(box_office.fan(), kind, at=world.at - timedelta(hours=2)) for _ in range(3)]
    world.fails(sales, "let_go", lambda *, order, **_: order.pk == rows[0].pk)
    return Scene(rows, lambda order: order.status == "expired")


@scene("ticketing.tasks.give_money_back")
def events_called_off(world: World) -> Scene:
    rows = [factories.EventFactory.create(club=world.event.club, created_by=world.ada) for _ in range(3)]
    for event in rows:
        box_office.buy(box_office.fan(), box_office.kind(event), at=world.at)
        aftersales.cancel_event(event=event, by=world.ada, reason="ill", at=world.at - timedelta(minutes=1))
    world.fails(money_back, "_piece", lambda event, **_: event.pk == rows[0].pk)
    return Scene(rows, lambda event: not Order.objects.filter(event=event, status="paid").exists())


@scene("ticketing.tasks.end_missed_events")
def events_nobody_opened(world: World) -> Scene:
    rows = [factories.EventFactory.create(club=world.event.club, created_by=world.ada) for _ in range(3)]
    Event.objects.filter(pk__in=[event.pk for event in rows]).update(starts_at=world.at - timedelta(days=9))
    world.fails(programme, "set_delivery", lambda *, event, **_: event.pk == rows[0].pk)
    return Scene(rows, lambda event: event.status == "ended")


@scene("rooms.tasks.release_money")
def evenings_to_release(world: World) -> Scene:
    rows = [factories.EventFactory.create(club=world.event.club, created_by=world.ada) for _ in range(3)]
    for event in rows:
        box_office.buy(box_office.fan(), box_office.kind(event), at=world.at)
    Event.objects.filter(pk__in=[event.pk for event in rows]).update(
        status="ended", delivery="delivered", ended_at=world.at - timedelta(days=60)
    )
    world.fails(programme, "release_piece", lambda *, event, **_: event.pk == rows[0].pk)
    return Scene(rows, lambda event: event.money_released_at is not None)


def missed_events(world: World) -> list[Event]:
    rows = [factories.EventFactory.create(club=world.event.club, created_by=world.ada) for _ in range(3)]
    for event in rows:
        box_office.buy(box_office.fan(), box_office.kind(event), at=world.at)
    Event.objects.filter(pk__in=[event.pk for event in rows]).update(
        status="ended", delivery="not-delivered", ended_at=world.at - timedelta(days=2)
    )
    return rows


@scene("ticketing.tasks.wind_up_missed_events")
def missed_events_to_tell(world: World) -> Scene:
    rows = missed_events(world)
    world.fails(missed, "_tell_buyers", lambda event, **_: event.pk == rows[0].pk)
    return Scene(rows, lambda event: event.missed_told_at is not None)


@scene("ticketing.tasks.wind_up_missed_events")
def missed_events_to_give_back(world: World) -> Scene:
    rows = missed_events(world)
    Event.objects.filter(pk__in=[event.pk for event in rows]).update(
        refund_by=world.at - timedelta(hours=1), missed_told_at=world.at
    )
    world.fails(aftersales, "refund_everyone", lambda *, event, **_: event.pk == rows[0].pk)
    return Scene(rows, lambda event: event.refunding_since is not None)
