"""A line of the timetable that finds no worker is known."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
import structlog
from celery.signals import before_task_publish, task_prerun
from django.test import Client

from stagedoor import beats
from stagedoor.celery import TIMETABLE, app

LETTERS, MASS = "accounts.tasks.send_letters", "ticketing.tasks.give_money_back"


def everybody_took(at: datetime) -> None:
    for task in TIMETABLE:
        beats.note(task=task, at=at)


def test_the_clock_has_just_started_and_nothing_is_missed(at: datetime) -> None:
    beats.begin(at=at)
    assert beats.missed(at=at) == {}


def test_what_nobody_took_is_named_with_how_long_it_waits(at: datetime) -> None:
    beats.begin(at=at - timedelta(days=9))
    everybody_took(at)
    beats.note(task=LETTERS, at=at - timedelta(seconds=61))
    assert beats.missed(at=at) == {LETTERS: 61}


@pytest.mark.parametrize("task", sorted(TIMETABLE))
def test_each_line_may_wait_for_its_allowance_and_not_longer(task: str, at: datetime) -> None:
    beats.begin(at=at - timedelta(days=9))
    everybody_took(at)
    longest = beats.allowance(task)
    beats.note(task=task, at=at - longest)
    assert beats.missed(at=at) == {}
    beats.note(task=task, at=at - longest - timedelta(seconds=1))
    assert list(beats.missed(at=at)) == [task]


def test_a_mass_act_may_take_its_time() -> None:
    assert (beats.allowance(LETTERS), beats.allowance(MASS)) == (timedelta(minutes=1), timedelta(minutes=15))


def test_a_lost_note_counts_from_when_it_was_looked_for(at: datetime) -> None:
    assert beats.missed(at=at) == {}  # Redis was emptied, and the clock began before
    assert LETTERS in beats.missed(at=at + timedelta(minutes=2))


def test_a_worker_that_takes_a_task_notes_it(at: datetime) -> None:
    app.loader.import_default_modules()
    beats.begin(at=at - timedelta(days=9))
    assert LETTERS in beats.missed(at=at)
    task_prerun.send(sender=app.tasks[LETTERS], task=app.tasks[LETTERS], task_id="1")
    assert LETTERS not in beats.missed(at=at)


@pytest.fixture
def clock(at: datetime) -> Iterator[None]:
    """Let this process be the clock."""
    beats._clock_starts()
    yield
    before_task_publish.disconnect(beats._look_back)


def test_the_clock_says_so_when_a_beat_found_nobody(clock: None, at: datetime) -> None:
    beats.begin(at=at - timedelta(minutes=2))
    with structlog.testing.capture_logs() as lines:
        before_task_publish.send(sender=LETTERS)
        before_task_publish.send(sender=MASS)
    assert [(line["event"], line["task"], line["log_level"]) for line in lines] == [
        ("beat_not_taken", LETTERS, "error")
    ]


def test_whoever_watches_sees_it(client: Client, at: datetime) -> None:
    beats.begin(at=at)
    everybody_took(at)
    answer = client.get("/timetablez")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok", "missed": {}})
    beats.note(task=LETTERS, at=at - timedelta(minutes=5))
    answer = client.get("/timetablez")
    assert (answer.status_code, answer.json()["status"]) == (503, "late")
    assert list(answer.json()["missed"]) == [LETTERS]
