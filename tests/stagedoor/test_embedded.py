from pathlib import Path

import psycopg
import pytest
import redis

from stagedoor import embedded


def test_a_development_secret_is_made_once_and_read_by_nobody_else(tmp_path: Path) -> None:
    first = embedded.development_secret(tmp_path, "key", debug=True)
    assert len(first) >= 48
    assert embedded.development_secret(tmp_path, "key", debug=True) == first
    assert (tmp_path / "secrets" / "key").stat().st_mode & 0o077 == 0


def test_outside_development_there_is_no_secret(tmp_path: Path) -> None:
    assert embedded.development_secret(tmp_path, "key", debug=False) == ""
    assert list(tmp_path.iterdir()) == []


def test_a_second_start_finds_the_data_of_the_first(tmp_path_factory: pytest.TempPathFactory) -> None:
    var = tmp_path_factory.mktemp("var")
    for parent in [var, *var.parents[:3]]:
        parent.chmod(0o755)  # PostgreSQL runs as a user of its own when we are root
    with embedded.servers(var):
        with psycopg.connect(embedded.database_url(var), autocommit=True) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
        with redis.Redis.from_url(embedded.redis_url(var)) as client:
            client.set("kept", "yes")
    with embedded.servers(var):
        with psycopg.connect(embedded.database_url(var)) as connection:
            assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)
        with redis.Redis.from_url(embedded.redis_url(var)) as client:
            assert client.get("kept") == b"yes"


def test_a_long_path_still_has_a_socket_that_the_kernel_takes(tmp_path: Path) -> None:
    var = tmp_path / ("deep" * 30)
    assert len(embedded.redis_url(var).removeprefix("unix://")) <= embedded.LONGEST_SOCKET_PATH
