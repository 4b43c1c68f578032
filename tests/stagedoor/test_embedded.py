import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest
import redis

from stagedoor import embedded

ROOT = Path(embedded.__file__).parents[1]


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


# Seen failing: PostgreSQL outlived its run for as long as nobody looked.
@pytest.mark.parametrize("with_what", [signal.SIGKILL, signal.SIGTERM])
def test_the_servers_end_with_whoever_started_them_however_that_came(
    with_what: signal.Signals, tmp_path_factory: pytest.TempPathFactory
) -> None:
    var = tmp_path_factory.mktemp("var")
    for parent in [var, *var.parents[:3]]:
        parent.chmod(0o755)
    starts = (
        "import sys, time; from pathlib import Path; from stagedoor import embedded\n"
        "with embedded.servers(Path(sys.argv[1])):\n    print('up', flush=True); time.sleep(300)"
    )
    with subprocess.Popen(  # noqa: S603 -- this interpreter and our own words
        [sys.executable, "-c", starts, str(var)], stdout=subprocess.PIPE, cwd=ROOT
    ) as starter:
        assert starter.stdout is not None
        assert starter.stdout.readline() == b"up\n"
        assert len(processes_of(var)) >= 2
        starter.send_signal(with_what)
    until = time.monotonic() + 30
    while (left := processes_of(var)) and time.monotonic() < until:
        time.sleep(0.1)
    assert left == []


def processes_of(var: Path) -> list[str]:
    """Return the command lines of those that serve this folder, and of those that watch them."""
    lines = []
    for one in Path("/proc").iterdir():
        try:
            line = (one / "cmdline").read_bytes().replace(b"\0", b" ").decode() if one.name.isdigit() else ""
        except OSError:
            continue  # it has ended meanwhile
        if str(var) in line and "embedded.servers" not in line:
            lines.append(line)
    return lines
