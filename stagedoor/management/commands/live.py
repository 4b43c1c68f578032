"""Everything on one machine: servers, migrations, web, worker, clock, media, stagehand, Stripe stand-in."""

import os
import signal
import time
from argparse import ArgumentParser
from contextlib import ExitStack
from pathlib import Path
from types import FrameType
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from stagedoor import embedded, processes
from stagedoor.processes import PYTHON, Address, Company, PortTaken, ProcessEnded

LOOK_AFTER_SECONDS = 1.0
FILLINGS = 3  # tries to fill the town: Stripe's stand-in may be slow on a busy machine


class Command(BaseCommand):
    help = "Run the whole of Stagedoor on this machine, with whatever servers the environment does not name."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--port", type=int, default=int(os.environ.get("WEB_PORT", "8000")))
        parser.add_argument("--stripe-port", type=int, default=int(os.environ.get("STRIPE_PORT", "8012")))
        parser.add_argument("--empty", action="store_true", help="Do not fill the demo town.")

    def handle(self, *_args: Any, port: int, stripe_port: int, empty: bool, **_options: Any) -> None:
        if not settings.DEBUG:
            raise CommandError(
                "`live` is for development, and DEBUG is off. In production each process has a unit of its "
                "own: see docs/operations.md. To develop: cp .env.example .env"
            )
        signal.signal(signal.SIGTERM, _as_ctrl_c)
        try:
            self._play(Address(web_port=port, stripe_port=stripe_port), fill=not empty)
        except (PortTaken, ProcessEnded, embedded.ServerDidNotStart) as error:
            raise CommandError(str(error)) from None
        except KeyboardInterrupt:
            self.stdout.write("\nEnded. Your data stays under var/, and `make run` finds it again.")

    def _play(self, address: Address, *, fill: bool) -> None:
        var = Path(settings.VAR_DIR)
        stand_in = var / "sandbox" / "state.jsonl" if settings.STRIPE_API_BASE else None
        with ExitStack() as running:
            for port in [address.web_port] + ([address.stripe_port] if stand_in else []):
                processes.refuse_a_taken_port(port)
            self.stdout.write("Starting Stagedoor…")
            running.enter_context(
                embedded.servers(
                    var, postgres=not os.environ.get("DATABASE_URL"), redis=not os.environ.get("REDIS_URL")
                )
            )
            is_town = fill and stand_in is not None
            everybody = running.enter_context(
                processes.company(
                    address,
                    environment=processes.environment(address, var),
                    logs=var / "logs",
                    stand_in=stand_in,
                    prepare=self._fill_the_town if is_town else None,
                )
            )
            if is_town:
                everybody.decorate("music", PYTHON, "manage.py", "town", "--music")
            self.stdout.write(self._welcome(address, var, has_stand_in=stand_in is not None, is_filled=fill))
            self._look_after(everybody)

    def _fill_the_town(self, everybody: Company) -> None:
        """Fill it, going on where a try stopped. If it stays unfinished, that is told; the product opens."""
        self.stdout.write("Filling the demo town…")
        for attempt in range(1, FILLINGS + 1):
            try:
                everybody.run(PYTHON, "manage.py", "town", say=lambda line: self.stdout.write(f"  {line}"))
            except ProcessEnded as problem:
                self.stderr.write(f"The demo town is not finished (try {attempt} of {FILLINGS}): {problem}")
            else:
                return
        self.stderr.write("Stagedoor opens without it. The next `make run` goes on where this one stopped.")

    def _look_after(self, everybody: Company) -> None:
        while True:
            for news in everybody.check():
                self.stderr.write(news)
            time.sleep(LOOK_AFTER_SECONDS)

    def _welcome(self, address: Address, var: Path, *, has_stand_in: bool, is_filled: bool) -> str:
        lines = ["", self.style.SUCCESS(f"Stagedoor is open: {address.base_url}"), ""]
        if is_filled and has_stand_in:
            password = embedded.demo_password(var)
            lines += [
                "  ada@stagedoor.localhost   hosts Night Voices, and is asked for nothing but her password",
                "  ben@stagedoor.localhost   buys",
                "  rae@stagedoor.localhost   reviews payouts; `manage.py town --code` prints her six figures",
                "  max@stagedoor.localhost   holds no ticket",
                f"  everybody's password      {password}",
                "",
            ]
        if has_stand_in:
            lines += [
                f"  What Stripe knows         {address.stripe_url}/_stand_in/  (4242 4242 4242 4242 pays)"
            ]
        lines += [
            f"  E-mails                   {var / 'mail'}",
            f"  Logs                      {var / 'logs'}",
            "",
            "Ctrl-C ends all of it.",
        ]
        return "\n".join(lines)


def _as_ctrl_c(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
