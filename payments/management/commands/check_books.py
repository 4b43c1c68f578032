"""Check every promise of the books; exit 1 if one is broken."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from payments import books
from payments.stripe_gateway import StripeRefused, StripeUnavailable


class Command(BaseCommand):
    help = "Check every promise of the books, and that Stripe has moved what they say."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--without-stripe", action="store_true", help="Do not compare with the books of Stripe."
        )

    def handle(self, *_args: Any, without_stripe: bool, **_options: Any) -> None:
        try:
            broken = books.check(ask_stripe=not without_stripe)
        except StripeUnavailable as error:
            raise CommandError(
                f"Stripe did not answer ({error}). Try again, or use --without-stripe."
            ) from None
        except StripeRefused as error:
            raise CommandError(
                f"Stripe refused to tell its movements ({error}). Look at the key, or use --without-stripe."
            ) from None
        for one in broken:
            self.stderr.write(f"{one.promise}: {one.where}")
        if broken:
            raise CommandError(f"The books do not hold: {len(broken)} breaches.")
        kept = len(books.PROMISES) + (0 if without_stripe else 1)
        self.stdout.write(self.style.SUCCESS(f"The books hold: {kept} promises kept."))
