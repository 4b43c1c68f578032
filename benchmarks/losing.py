"""An evening for benchmarks.revoke, and every way in which somebody in it loses the right to be there."""

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Self

from allauth.account.models import EmailAddress
from allauth.usersessions.models import UserSession
from django.utils.timezone import now

from accounts import personal_data
from accounts.models import User
from clubs import founding, officers
from clubs.models import Officer
from payments import disputes
from payments.money import Money
from payments.stripe_records import DisputeState
from rooms import doors, stage
from rooms.models import Room, Seat
from ticketing import aftersales, offers, programme, sales
from ticketing.models import Event, Order
from ticketing.offers import Offer

PRICE = Money(1200, "EUR")


def until(holds: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError("It did not come about.")
        time.sleep(0.2)


@dataclass(frozen=True)
class Stage:
    """A published evening of a club, its owner, and the one password of all."""

    event: Event
    host: User
    password: str

    @classmethod
    def put_up(cls) -> Self:
        password = secrets.token_urlsafe(12)
        host = person("owner", password)
        club = founding.found(
            name="Night Voices", tagline="", description="", currency="EUR", timezone="UTC", by=host, at=now()
        )
        event = programme.draft(
            club=club,
            by=host,
            title="An evening",
            description="",
            starts_at=now() + timedelta(minutes=30),
            timezone="UTC",
            minutes=60,
            at=now(),
        )
        offers.put_up(event=event, offers=[Offer(name="Seat", price=PRICE, capacity=None)])
        return cls(programme.publish(event=event, by=host, at=now()), host, password)

    def is_open(self) -> bool:
        heard = Seat.objects.on_stage().filter(room__event=self.event, muted=False)
        return heard.filter(room__status=Room.Status.OPEN).exists()

    def fan(self) -> User:
        """Return somebody new who has paid for a ticket."""
        fan = person(f"fan{secrets.token_hex(3)}", self.password)
        kind = self.event.ticket_types.get()
        order = sales.hold(buyer=fan, event=self.event, basket={kind.pk: 1}, at=now())
        sales.complete(order=order, payment_intent=f"pi_{order.pk.hex}", at=now())
        return fan

    def officer(self) -> User:
        """Return somebody new who hosts the club's rooms."""
        user = person(f"host{secrets.token_hex(3)}", self.password)
        Officer.objects.create(club=self.event.club, user=user, role=Officer.Role.HOST, since=now())
        return user


@dataclass(frozen=True)
class Way:
    """One way of losing a seat: who listens, what is done, and which messages of it are lost."""

    name: str
    fan: Callable[[], User]
    act: Callable[[User], object]
    loses: tuple[str, ...] = ()


def ways(house: Stage) -> list[Way]:
    """Return every way; the last closes the room."""
    fan, officer = house.fan, house.officer
    return [
        Way("refund", fan, lambda one: refund(house, one)),
        Way("ban", fan, lambda one: ban(house, one)),
        Way("account closed", officer, lambda one: personal_data.close(user=one, at=now())),
        Way("account disabled", fan, disable),
        Way("sign-out everywhere", fan, sign_out_everywhere),
        Way("password changed", fan, change_password),
        Way("charge-back", fan, lambda one: charge_back(house, one)),
        Way("officer removed", officer, lambda one: remove_officer(house, one)),
        Way("host made cashier", officer, lambda one: demote(house, one)),
        Way("refund, drop lost", fan, lambda one: refund(house, one), loses=("drop",)),
        Way("room closed, close lost", fan, lambda _one: close(house), loses=("close",)),
    ]


def person(handle: str, password: str) -> User:
    user = User.objects.create_user(email=f"{handle}@example.com", handle=handle, password=password)
    EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
    return user


def order_of(house: Stage, fan: User) -> Order:
    return Order.objects.select_related("charge").get(event=house.event, buyer=fan)


def refund(house: Stage, fan: User) -> None:
    aftersales.refund(order=order_of(house, fan), by=house.host, reason="As asked", at=now())


def ban(house: Stage, fan: User) -> None:
    mine, theirs = (
        Seat.objects.seated().select_related("user").get(room__event=house.event, user=user)
        for user in (house.host, fan)
    )
    stage.remove(by=mine, seat=theirs, reason="", at=now())


def disable(fan: User) -> None:
    user = User.objects.get(pk=fan.pk)
    user.is_active = False
    user.save()


def sign_out_everywhere(fan: User) -> None:
    for session in UserSession.objects.filter(user=fan):
        session.end()


def change_password(fan: User) -> None:
    user = User.objects.get(pk=fan.pk)
    user.set_password(secrets.token_urlsafe(12))
    user.save()


def charge_back(house: Stage, fan: User) -> None:
    charge = order_of(house, fan).charge
    assert charge is not None, "the fan has paid"  # noqa: S101 -- only a bug breaks it
    state = DisputeState(
        id=f"du_{charge.pk.hex}",
        payment_intent="",
        amount=charge.amount,
        status="needs_response",
        reason="fraudulent",
        is_withdrawn=True,
        is_reinstated=False,
        stripe_fee=Money(0, charge.currency),
    )
    disputes.heed(charge=charge, state=state, at=now())


def remove_officer(house: Stage, one: User) -> None:
    office = Officer.objects.select_related("club").get(user=one)
    officers.remove(officer=office, by=house.host, at=now())


def demote(house: Stage, one: User) -> None:
    office = Officer.objects.select_related("club").get(user=one)
    officers.change_role(officer=office, role=Officer.Role.CASHIER, by=house.host, at=now())


def close(house: Stage) -> None:
    mine = Seat.objects.seated().select_related("user").get(room__event=house.event, user=house.host)
    doors.close_room(by=mine, at=now())
