"""The database takes so many connections and no more: the web waits for one, and never fails for it."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.db.backends.postgresql.base import DatabaseWrapper

from tests.races import kinds, together

ROOT = Path(__file__).resolve().parents[2]
MOST = 3
TELL = """
import json
from django.conf import settings
database = settings.DATABASES["default"]
print(json.dumps([database["OPTIONS"].get("pool"), database["CONN_MAX_AGE"], settings.WEB_THREADS]))
"""


def settings_of(first_line: str) -> list[Any]:
    environment = {**os.environ, "WEB_THREADS": "11", "CONN_MAX_AGE": "60"}
    done = subprocess.run(  # noqa: S603 -- our own interpreter
        [sys.executable, "-c", first_line + TELL],
        cwd=ROOT,
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    told: list[Any] = json.loads(done.stdout.splitlines()[-1])
    return told


def test_the_web_has_a_pool_for_its_threads_and_its_sockets() -> None:
    pool = {"min_size": 2, "max_size": 15, "timeout": 60}
    assert settings_of("import stagedoor.asgi") == [pool, 0, 11]


def test_a_process_with_one_thread_has_one_connection_and_no_pool() -> None:
    assert settings_of("import os; os.environ['DJANGO_SETTINGS_MODULE'] = 'stagedoor.settings'") == [
        None,
        60,
        11,
    ]


@pytest.fixture
def few(transactional_db: None) -> Iterator[str]:
    """Return a role that PostgreSQL gives three connections."""
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE ROLE few LOGIN CONNECTION LIMIT {MOST}")
    yield "few"
    with connection.cursor() as cursor:
        cursor.execute("DROP ROLE few")


def as_few(role: str, *, pool: object) -> list[str]:
    """Let twelve threads ask at once; return what came of it."""
    ours = connection.settings_dict
    options = {**ours["OPTIONS"], **({"pool": pool} if pool else {})}
    described = {**ours, "USER": role, "OPTIONS": options, "CONN_MAX_AGE": 0}
    everybody = threading.Barrier(MOST)

    def ask() -> str:
        mine = DatabaseWrapper(described, alias="default")
        try:
            with mine.cursor() as cursor:
                everybody.wait(10)  # so that as many as possible are connected at once
                cursor.execute("SELECT 'answer'")
                return str(cursor.fetchone()[0])
        finally:
            mine.close()

    try:
        return kinds(together(*[ask] * 12))
    finally:
        last = DatabaseWrapper(described, alias="default")
        last.close_pool()


def test_twelve_ask_over_three_connections_and_all_are_answered(few: str) -> None:
    # Without the pool nine of twelve are refused: "too many connections for role".
    assert OperationalError.__name__ in as_few(few, pool=None)
    assert as_few(few, pool={"min_size": 0, "max_size": MOST, "timeout": 30}) == ["str"] * 12
