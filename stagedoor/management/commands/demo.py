"""The main job, played without a browser and told line by line; exits non-zero if any step differs.

It runs the whole product in a folder of its own, talks to it as people would, and listens to the room.
"""

import os
import shutil
import tempfile
from argparse import ArgumentParser
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from stagedoor import demo, embedded, mailbox, odd_stripe, processes, till, visitor
from stagedoor.odd_stripe import OddStripe
from stagedoor.processes import PYTHON, Address, Company

WENT_WRONG = (
    demo.Differs,
    embedded.ServerDidNotStart,
    mailbox.NoLetter,
    odd_stripe.NotOdd,
    processes.ProcessEnded,
    till.Declined,
    visitor.Surprised,
)


class Command(BaseCommand):
    help = "Play the main job from ticket to payout, and check every step."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--keep", action="store_true", help="Keep the folder with its logs.")
        parser.add_argument(
            "--odd-stripe",
            action="store_true",
            help="Let Stripe be at its oddest: late fees, another currency, webhooks thrice and shuffled.",
        )

    def handle(self, *_args: Any, keep: bool, **options: Any) -> None:
        if not settings.DEBUG:
            raise CommandError("The demo is for development, and DEBUG is off. cp .env.example .env")
        if not settings.STRIPE_API_BASE:
            raise CommandError("The demo pays at the Stripe stand-in. Unset STRIPE_SECRET_KEY for it.")
        Path(settings.VAR_DIR).mkdir(parents=True, exist_ok=True)
        var = Path(tempfile.mkdtemp(dir=settings.VAR_DIR, prefix="demo-"))
        var.chmod(0o755)  # PostgreSQL runs as a user of its own when we are root
        try:
            with ExitStack() as running:
                company = self._start(running, var)
                odd = OddStripe.at(self._address) if options["odd_stripe"] else None
                stage = demo.Stage(company=company, base_url=self._address.base_url, var=var, odd=odd)
                demo.play(stage, say=self._say)
        except WENT_WRONG as error:
            keep = True
            raise CommandError(f"{error}\nThe logs are in {var / 'logs'}.") from error
        finally:
            if not keep:
                shutil.rmtree(var, ignore_errors=True)

    def _start(self, running: ExitStack, var: Path) -> Company:
        self._address = Address(web_port=processes.free_port(), stripe_port=processes.free_port())
        os.environ.update(
            DATABASE_URL="", REDIS_URL="", HOLDING_DAYS="0", EMAIL_URL="filemail://", LOG_LEVEL="INFO"
        )
        running.enter_context(embedded.servers(var))
        environment = processes.environment(self._address, var)
        everybody = processes.company(
            self._address,
            environment=environment,
            logs=var / "logs",
            stand_in=var / "sandbox" / "state.jsonl",
        )
        company = running.enter_context(everybody)
        company.run(PYTHON, "manage.py", "town", "--people")
        return company

    def _say(self, line: str) -> None:
        self.stdout.write(line)
