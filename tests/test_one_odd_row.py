"""One odd row never stops a sweep: every entry of the timetable, with one row that fails, does the others."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from celery import current_app

from accounts.models import User
from core.retries import Retried
from payments.models import Case, Payee
from stagedoor.celery import TIMETABLE, app
from tests.payments import conftest as desk
from tests.sweeps import SCENES, WITHOUT_ROWS, Arrange, World
from ticketing.models import Event

if TYPE_CHECKING:
    from payments.sandbox.serve import StandIn

pytestmark = [pytest.mark.django_db, pytest.mark.broken_books]
payee, paid_payee = desk.payee, desk.paid_payee


@pytest.fixture
def world(
    stand_in: "StandIn",
    monkeypatch: pytest.MonkeyPatch,
    at: datetime,
    paid_payee: Payee,
    ada: User,
    ben: User,
    rae: User,
    event: Event,
) -> World:
    return World(stand_in, monkeypatch, at, paid_payee, ada, ben, rae, event)


def test_every_entry_of_the_timetable_is_tried_or_says_why_not() -> None:
    assert {task for task, _arrange in SCENES} | set(WITHOUT_ROWS) == set(TIMETABLE)


@pytest.mark.parametrize(("task", "arrange"), SCENES, ids=[arrange.__name__ for _task, arrange in SCENES])
def test_one_odd_row_never_stops_a_sweep(world: World, task: str, arrange: Arrange) -> None:
    scene = arrange(world)
    app.loader.import_default_modules()
    current_app.tasks[task].run()
    assert scene.done() == [False, True, True]


ENDING = [(task, arrange) for task, arrange in SCENES if arrange.__name__ != "events_never_delivered"]


@pytest.mark.parametrize(("task", "arrange"), ENDING, ids=[arrange.__name__ for _task, arrange in ENDING])
def test_the_error_stays_on_the_row_and_has_an_end(world: World, task: str, arrange: Arrange) -> None:
    scene = arrange(world)
    odd = scene.rows[0]
    assert isinstance(odd, Retried)
    odd.refresh_from_db()
    odd.attempts, odd.next_attempt_at = 200, world.at - timedelta(days=1)
    odd.save(update_fields=["attempts", "next_attempt_at"])
    app.loader.import_default_modules()
    for _ in range(2):
        current_app.tasks[task].run()
    odd.refresh_from_db()
    assert (odd.last_error, odd.given_up_at is not None) == ("RuntimeError: an odd row", True)
    assert odd.attempts == 201
    assert Case.objects.filter(subject_id=str(odd.pk)).count() == 1
