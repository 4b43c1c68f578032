"""The demo town: filled whatever sweeps beside it, and gone on with where it was stopped."""

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connections
from django.utils.timezone import now

from accounts.models import User
from clubs.models import Club, Officer
from payments.models import Payout
from rooms import delivery, rounds
from stagedoor import till, town
from ticketing.models import Event, Order

if TYPE_CHECKING:
    from payments.sandbox.serve import StandIn

pytestmark = pytest.mark.django_db(transaction=True)


def census() -> dict[str, int]:
    paid = Order.objects.filter(status=Order.Status.PAID)
    everything = {"people": User.objects, "clubs": Club.objects, "officers": Officer.objects}
    everything |= {"events": Event.objects, "payouts": Payout.objects}
    return {"paid": paid.count(), **{name: rows.count() for name, rows in everything.items()}}


WHOLE = {"paid": 20, "people": 17, "clubs": 2, "officers": 3, "events": 6, "payouts": 1}


def hush(_line: str) -> None:
    return


def sweep() -> None:
    try:
        rounds.make(at=now())
    finally:
        connections.close_all()


def test_a_town_is_filled_while_clock_and_worker_sweep(
    stand_in: "StandIn", monkeypatch: pytest.MonkeyPatch
) -> None:
    heard = delivery.heard

    def heard_while_somebody_sweeps(**told: Any) -> None:
        heard(**told)
        with ThreadPoolExecutor(1) as beside:
            beside.submit(sweep).result()

    monkeypatch.setattr(delivery, "heard", heard_while_somebody_sweeps)
    town.fill(at=now(), say=hush)
    first = Event.objects.get(title="Ghost stories, the first night")
    assert (first.status, first.delivery) == (Event.Status.ENDED, Event.Delivery.DELIVERED)
    assert census() == WHOLE


def test_a_filling_that_was_stopped_goes_on_where_it_was(
    stand_in: "StandIn", monkeypatch: pytest.MonkeyPatch
) -> None:
    pay = till.pay
    paid: list[str] = []

    def pay_until_the_line_breaks(url: str, *, name: str) -> str:
        if len(paid) == 14:
            raise OSError("The line broke.")
        paid.append(name)
        return pay(url, name=name)

    with monkeypatch.context() as broken:
        broken.setattr(till, "pay", pay_until_the_line_breaks)
        with pytest.raises(OSError, match="The line broke"):
            town.fill(at=now(), say=hush)
    said: list[str] = []
    town.fill(at=now(), say=said.append)
    assert census() == WHOLE
    assert said[0] == "People and clubs"
    said.clear()
    town.fill(at=now(), say=said.append)
    assert (said, census()) == ([], WHOLE)


def test_the_musician_is_nobody_whom_a_developer_signs_in_as(stand_in: "StandIn") -> None:
    town.fill(at=now(), say=hush)
    player = town.musician(at=now())
    assert player.handle not in {"ada", "ben", "rae", "max", "noor"}
    assert town.musician(at=now()) == player
