import os
import signal
import time

import pytest
from django.db import connection
from django.test import Client
from pytest_django import Settings


def test_healthz_answers_without_a_database(client: Client) -> None:
    answer = client.get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


@pytest.mark.django_db
def test_readyz_is_ok_while_everything_answers(client: Client) -> None:
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok", "database": True, "redis": True})


@pytest.mark.django_db
def test_readyz_names_the_part_that_does_not_answer(client: Client, settings: Settings) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()) == (
        503,
        {"status": "unready", "database": True, "redis": False},
    )


@pytest.mark.django_db
def test_readyz_answers_while_the_database_hangs(client: Client) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_read_file('postmaster.pid')")
        server = int(cursor.fetchone()[0].splitlines()[0])
    began = time.monotonic()
    os.kill(server, signal.SIGSTOP)
    try:
        answer = client.get("/readyz")
    finally:
        os.kill(server, signal.SIGCONT)
    assert (answer.status_code, answer.json()["database"]) == (503, False)
    assert time.monotonic() - began < 10
    assert client.get("/readyz").status_code == 200
