"""The real product under trip: every process of it, on servers and ports of its own."""

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from stagedoor import embedded, processes
from stagedoor.mailbox import Mailbox
from stagedoor.processes import PYTHON, Address, Company

COMMAND_SECONDS = 60


@dataclass(frozen=True)
class Product:
    address: Address
    company: Company
    var: Path

    @property
    def base_url(self) -> str:
        return self.address.base_url

    @property
    def mailbox(self) -> Mailbox:
        return Mailbox(self.var / "mail")

    @property
    def password(self) -> str:
        """Everybody's in the town."""
        return (self.var / "secrets" / "demo-password").read_text().strip()

    def manage(self, *command: str) -> str:
        """Run a management command beside the product and return what it prints. Fails unless it exits 0."""
        done = subprocess.run(  # noqa: S603 -- our own commands
            [PYTHON, "manage.py", *command],
            cwd=processes.BASE_DIR,
            env=dict(self.company.environment),
            check=False,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
        )
        assert done.returncode == 0, f"manage.py {' '.join(command)} failed:\n{done.stdout}{done.stderr}"
        return done.stdout

    @contextmanager
    def working(self, *command: str) -> Iterator[None]:
        """Run a management command that lasts, while the block does."""
        log = self.company.logs / f"{command[0]}.log"
        with log.open("ab") as file:
            process = subprocess.Popen(  # noqa: S603 -- our own commands
                [PYTHON, "manage.py", *command],
                cwd=processes.BASE_DIR,
                env=dict(self.company.environment),
                stdout=file,
                stderr=subprocess.STDOUT,
            )
            try:
                yield
                assert process.poll() is None, f"{command[0]} ended by itself:\n{log.read_text()}"
            finally:
                process.terminate()
                process.wait(COMMAND_SECONDS)

    def last_words(self) -> str:
        """Return the last lines of every log."""
        return "\n\n".join(f"{name}:\n{self.company.last_lines(name)}" for name in self.company.members)


@contextmanager
def running() -> Iterator[Product]:
    """Run the product while the block lasts, with the town's people in it and nothing else."""
    with tempfile.TemporaryDirectory(prefix="stagedoor-trip-", ignore_cleanup_errors=True) as folder:
        var = Path(folder)
        var.chmod(0o755)  # PostgreSQL does not run as root, and must find its data
        address = Address(web_port=processes.free_port(), stripe_port=processes.free_port())
        with (
            embedded.servers(var),
            processes.company(
                address,
                environment=_environment(address, var),
                logs=var / "logs",
                stand_in=var / "stripe.jsonl",
            ) as company,
        ):
            product = Product(address, company, var)
            product.manage("town", "--people")
            yield product


def _environment(address: Address, var: Path) -> dict[str, str]:
    """Return the product's own world: nothing of the servers that the other tests flush."""
    own = {
        "DATABASE_URL": embedded.database_url(var),
        "REDIS_URL": embedded.redis_url(var),
        "MEDIA_BIND_IP": "",
        "EMAIL_URL": "filemail://",
        "HOLDING_DAYS": "0",
        "LOG_LEVEL": "INFO",
        "DJANGO_ALLOW_ASYNC_UNSAFE": "",
    }
    return {**os.environ, **processes.environment(address, var), **own}
