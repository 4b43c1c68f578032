"""The timetable is exactly the sweeps that exist, each has a sane pause, and each queue has a worker."""

import inspect
import re
from pathlib import Path

import pytest

from stagedoor import processes
from stagedoor.celery import BEATS, CREWS, DAY, HOUR, MINUTE, SECOND, TIMETABLE, app, queue_of

ROOT = Path(__file__).resolve().parents[2]
# How often is often enough, and how often is too often: said here once more, so that a slip is seen.
PAUSES = {
    "accounts.tasks.send_letters": (2 * SECOND, 15 * SECOND),
    "accounts.tasks.tidy_up": (HOUR, DAY),
    "payments.tasks.ask_about_the_unknown": (MINUTE, 15 * MINUTE),
    "payments.tasks.check_books": (10 * MINUTE, HOUR),
    "payments.tasks.compare_with_stripe": (5 * MINUTE, HOUR),
    "payments.tasks.handle_due": (2 * SECOND, 15 * SECOND),
    "payments.tasks.release_memberships": (MINUTE, HOUR),
    "payments.tasks.send_due": (5 * SECOND, MINUTE),
    "rooms.tasks.make_rounds": (10 * SECOND, MINUTE),
    "rooms.tasks.release_money": (5 * SECOND, 5 * MINUTE),
    "ticketing.tasks.check_seats": (10 * MINUTE, HOUR),
    "ticketing.tasks.end_missed_events": (MINUTE, 15 * MINUTE),
    "ticketing.tasks.forget_networks": (10 * MINUTE, HOUR),
    "ticketing.tasks.give_money_back": (15 * SECOND, 5 * MINUTE),
    "ticketing.tasks.wind_up_missed_events": (15 * SECOND, 5 * MINUTE),
    "ticketing.tasks.release_stale_holds": (10 * SECOND, MINUTE),
}


def tasks() -> dict[str, inspect.Signature]:
    """Return every task of ours, with what it takes."""
    app.loader.import_default_modules()
    return {
        name: inspect.signature(task.run)
        for name, task in app.tasks.items()
        if not name.startswith("celery.")
    }


def test_the_timetable_is_the_sweeps_that_exist() -> None:
    # A sweep takes nothing: it finds its rows by itself. What takes a row's id is a nudge, and is not in it.
    assert {name for name, takes in tasks().items() if not takes.parameters} == set(TIMETABLE)


def test_every_module_of_tasks_is_found() -> None:
    written = {f"{path.parent.name}.tasks" for path in ROOT.glob("*/tasks.py")}
    assert written == {name.rpartition(".")[0] for name in tasks()}


def test_each_sweep_comes_often_enough_and_not_too_often() -> None:
    assert set(PAUSES) == set(TIMETABLE)
    assert {
        task: pause for task, pause in TIMETABLE.items() if not PAUSES[task][0] <= pause <= PAUSES[task][1]
    } == {}


def test_a_nudge_is_dropped_once_the_next_one_comes() -> None:
    assert app.conf.beat_schedule == BEATS
    assert {
        name: (beat["task"], beat["schedule"], beat["options"]["expires"]) for name, beat in BEATS.items()
    } == {name: (name, pause, pause) for name, pause in TIMETABLE.items()}


def test_every_task_goes_to_a_queue_that_one_worker_takes_from() -> None:
    taken = [queue for crew in CREWS.values() for queue in crew.queues]
    assert len(set(taken)) == len(taken)
    assert {queue_of(task) for task in tasks()} == set(taken)


@pytest.mark.parametrize(
    ("task", "queue"),
    [
        ("accounts.tasks.send_letters", "letters"),
        ("payments.tasks.handle_event", "webhooks"),
        ("payments.tasks.handle_due", "webhooks"),
        ("payments.tasks.send_due", "stripe"),
        ("ticketing.tasks.release_stale_holds", "stripe"),
        ("payments.tasks.send_refund", "stripe"),
        ("rooms.tasks.make_rounds", "rooms"),
        ("rooms.tasks.release_money", "mass"),
        ("ticketing.tasks.give_money_back", "mass"),
        ("payments.tasks.check_books", "mass"),
    ],
)
def test_what_somebody_waits_for_is_never_behind_a_mass_act(task: str, queue: str) -> None:
    assert queue_of(task) == queue
    beside = {name for crew in CREWS.values() if queue in crew.queues for name in crew.queues}
    assert beside in ({"letters", "rooms"}, {"webhooks"}, {"mass", "stripe"})


def test_every_deployment_runs_a_worker_for_each_queue() -> None:
    wanted = {frozenset(crew.queues) for crew in CREWS.values()}
    for page in ("compose.yaml", "docs/operations.md"):
        found = re.findall(r"--queues ([a-z,]+)", (ROOT / page).read_text())
        assert {frozenset(queues.split(",")) for queues in found} == wanted, page


def test_make_run_starts_every_worker(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    started: dict[str, tuple[str, ...]] = {}
    monkeypatch.setattr(processes.Company, "run", lambda *_: "")
    monkeypatch.setattr(
        processes.Company, "start", lambda _self, name, *command: started.update({name: command})
    )
    monkeypatch.setattr(processes, "_wait_until_ready", lambda *_: None)
    address = processes.Address(web_port=1, stripe_port=2)
    with processes.company(address, environment={}, logs=tmp_path, stand_in=None):
        pass
    for name, crew in CREWS.items():
        assert ",".join(crew.queues) in started[name]
    assert {"web", "clock", "media", "stagehand"} <= started.keys()
