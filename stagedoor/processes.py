"""The processes of one machine: which there are, how they start, and how all of them end together."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import httpx
from django.conf import settings

from stagedoor import embedded
from stagedoor.celery import CREWS

BASE_DIR = Path(__file__).resolve().parent.parent
PYTHON = sys.executable
READY_SECONDS = 180.0  # of a busy machine; one that fails is noticed at once
END_SECONDS = 20.0
LONGEST_PAUSE = 60.0  # before a decoration that ended is started again
SETTLED_SECONDS = 60.0  # a decoration that lasted so long begins again with the shortest pause

Say = Callable[[str], None]


class PortTaken(Exception):
    """Somebody else listens on a port we need; the message says how to choose another."""


class ProcessEnded(Exception):
    """A process ended by itself; the message shows its last lines."""


@dataclass(frozen=True)
class Address:
    """Where the web and the Stripe stand-in listen, on the loopback interface."""

    web_port: int
    stripe_port: int

    @property
    def base_url(self) -> str:
        return f"http://localhost:{self.web_port}"  # a name, because browsers give no passkey to an address

    @property
    def stripe_url(self) -> str:
        return f"http://127.0.0.1:{self.stripe_port}"


@dataclass
class Decoration:
    """A process the product can do without: when it ends it begins again, after longer and longer pauses."""

    command: tuple[str, ...]
    process: subprocess.Popen[bytes]
    started: float
    ends: int = 0  # one soon after the other
    again_at: float | None = None

    def note_end(self, *, at: float) -> float:
        """Plan the next start, and return in how many seconds that is."""
        self.ends = 1 if at - self.started > SETTLED_SECONDS else self.ends + 1
        pause = min(2.0**self.ends, LONGEST_PAUSE)
        self.again_at = at + pause
        return pause


@dataclass
class Company:
    """Everybody on stage tonight: started in order, ended in the opposite order."""

    environment: Mapping[str, str]
    logs: Path
    members: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    decorations: dict[str, Decoration] = field(default_factory=dict)
    files: dict[str, IO[bytes]] = field(default_factory=dict)

    def start(self, name: str, *command: str) -> None:
        """Start a process without which the product is none: check() raises once it has ended."""
        self.members[name] = self._begin(name, *command)

    def decorate(self, name: str, *command: str) -> None:
        """Start a process that nobody needs: check() starts it again when it has ended."""
        self.decorations[name] = Decoration(command, self._begin(name, *command), started=time.monotonic())

    def _begin(self, name: str, *command: str) -> subprocess.Popen[bytes]:
        self.logs.mkdir(parents=True, exist_ok=True)
        if name not in self.files:
            self.files[name] = (self.logs / f"{name}.log").open("ab")
        log = self.files[name]
        # A session of its own, so that Ctrl-C reaches only us, and we end the others in order.
        return subprocess.Popen(  # noqa: S603 -- our own commands
            command,
            cwd=BASE_DIR,
            env=dict(self.environment),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=embedded.end_with_parent,  # noqa: PLW1509 -- one system call, before any thread of ours exists
        )

    def run(self, *command: str, say: Say | None = None) -> str:
        """Run one command to its end and return what it printed; `say` gets each line as it comes.

        Raise ProcessEnded if it fails.
        """
        with subprocess.Popen(  # noqa: S603 -- our own commands
            command,
            cwd=BASE_DIR,
            env=dict(self.environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        ) as running:
            assert running.stdout is not None, "it was asked for"  # noqa: S101 -- only a bug breaks it
            lines = []
            try:
                for line in running.stdout:
                    lines.append(line)
                    if say is not None:
                        say(line.rstrip())
            except BaseException:
                running.terminate()  # Ctrl-C while it works
                raise
        if running.returncode:
            last = "".join(lines).strip().splitlines()[-12:]
            raise ProcessEnded(f"{' '.join(command[1:3])} failed:\n" + "\n".join(last))
        return "".join(lines)

    def check(self) -> list[str]:
        """Start decorations that have ended again, and return what there is to tell of them.

        Raise ProcessEnded if one of the product's own has left the stage.
        """
        for name, process in self.members.items():
            if process.poll() is not None:
                raise ProcessEnded(
                    f"{name} ended ({process.returncode}). Its last lines:\n{self.last_lines(name)}"
                )
        told = [self._look_after(name, one, at=time.monotonic()) for name, one in self.decorations.items()]
        return [line for line in told if line]

    def _look_after(self, name: str, one: Decoration, *, at: float) -> str:
        if one.again_at is not None and at >= one.again_at:
            one.process, one.started, one.again_at = self._begin(name, *one.command), at, None
        elif one.again_at is None and one.process.poll() is not None:
            pause = one.note_end(at=at)
            log = self.logs / f"{name}.log"
            return f"{name} ended ({one.process.returncode}) and begins again in {pause:.0f} s: see {log}"
        return ""

    def last_lines(self, name: str) -> str:
        text = (self.logs / f"{name}.log").read_text(errors="replace")
        return "\n".join(text.splitlines()[-12:])

    def end(self) -> None:
        decorations = [one.process for one in self.decorations.values()]
        everybody = [*self.members.values(), *decorations]
        for process in reversed(everybody):
            process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + END_SECONDS
        for process in reversed(everybody):
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for file in self.files.values():
            file.close()


@contextmanager
def company(
    address: Address,
    *,
    environment: Mapping[str, str],
    logs: Path,
    stand_in: Path | None,
    prepare: Callable[[Company], None] | None = None,
) -> Iterator[Company]:
    """Start every process of the product, wait until people can be served, and end all of them afterwards.

    `stand_in` is where the Stripe stand-in keeps its state; None when the environment has Stripe's own keys.
    `prepare` is called when the web answers and nothing sweeps yet: nobody tidies up what it writes.
    Raise ProcessEnded.
    """
    everybody = Company(environment=environment, logs=logs)
    try:
        everybody.run(PYTHON, "manage.py", "migrate", "--no-input")
        if stand_in:
            everybody.start("stripe", *_stand_in_command(address, environment, stand_in))
        everybody.start("web", *_web_command(address))
        _wait_until_ready(everybody, address)
        if prepare is not None:
            prepare(everybody)
        celery = (PYTHON, "-m", "celery", "-A", "stagedoor")
        for name, crew in CREWS.items():
            # Each has a name of its own, or they would take each other for themselves.
            everybody.start(name, *celery, *crew.arguments, "--hostname", f"{name}@%h")
        schedule = str(logs.parent / "celerybeat-schedule")
        everybody.start("clock", *celery, "beat", "--schedule", schedule)
        everybody.start("media", PYTHON, "-m", "rooms.media", "crew")
        everybody.start("stagehand", PYTHON, "manage.py", "stagehand")
        yield everybody
    finally:
        everybody.end()


def refuse_a_taken_port(port: int) -> None:
    with socket.socket() as attempt:
        attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            attempt.bind(("127.0.0.1", port))
        except OSError:
            raise PortTaken(
                f"Port {port} is taken by another program. End that program, or choose other ports: "
                f"WEB_PORT=8100 STRIPE_PORT=8112 make run"
            ) from None


def free_port() -> int:
    """Return a port that nobody listens on just now."""
    with socket.socket() as attempt:
        attempt.bind(("127.0.0.1", 0))
        return int(attempt.getsockname()[1])


def _stand_in_command(address: Address, environment: Mapping[str, str], state: Path) -> list[str]:
    from payments import dispatch  # noqa: PLC0415 -- app-ready: benchmarks start processes without Django

    command = [PYTHON, "-m", "payments.sandbox", "--port", str(address.stripe_port), "--state", str(state)]
    command += ["--webhook-url", f"{address.base_url}/payments/webhook/"]
    command += ["--webhook-events", ",".join(sorted(dispatch.ANSWERED))]
    return [*command, "--webhook-secret", environment["STRIPE_WEBHOOK_SECRETS"]]


def _web_command(address: Address) -> list[str]:
    command = [PYTHON, "-m", "daphne", "-v", "0", "-b", "127.0.0.1", "-p", str(address.web_port)]
    # Rooms last for hours: no socket is ended for its age, and a dead one is noticed by its missing pings.
    command += ["--websocket_timeout", "-1", "--ping-interval", "20", "--ping-timeout", "30"]
    return [*command, "--no-server-name", "stagedoor.asgi:application"]


def _wait_until_ready(everybody: Company, address: Address) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        everybody.check()
        try:
            if httpx.get(f"{address.base_url}/readyz", timeout=2).is_success:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.2)
    raise ProcessEnded(f"The web server does not answer. Its last lines:\n{everybody.last_lines('web')}")


def environment(address: Address, var: Path) -> dict[str, str]:
    """Return what every process gets to know: our own environment, with the addresses of what runs here."""
    ours = {
        "PYTHONUNBUFFERED": "1",
        "DEBUG": "1",
        "VAR_DIR": str(var),
        "BASE_URL": address.base_url,
        "DATABASE_URL": os.environ.get("DATABASE_URL") or embedded.database_url(var),
        "REDIS_URL": os.environ.get("REDIS_URL") or embedded.redis_url(var),
    }
    if settings.STRIPE_API_BASE:
        ours["STRIPE_API_BASE"] = address.stripe_url
        ours["STRIPE_SECRET_KEY"] = settings.STRIPE_SECRET_KEY
        ours["STRIPE_WEBHOOK_SECRETS"] = ",".join(settings.STRIPE_WEBHOOK_SECRETS)
    return {**os.environ, **ours}
