"""The demo town: fill it, play music in it, tell Rae's six figures."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.utils.timezone import now

from stagedoor import town


class Command(BaseCommand):
    help = "Fill the demo town with people, clubs and evenings. Filling it again changes nothing."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--music", action="store_true", help="Play the house's melody in tonight's room.")
        parser.add_argument("--people", action="store_true", help="Only the people, with nothing to do yet.")
        parser.add_argument(
            "--code", action="store_true", help="Print the six figures of Rae's second factor."
        )

    def handle(self, *_args: Any, music: bool, people: bool, code: bool, **_options: Any) -> None:
        if not settings.DEBUG:
            raise CommandError("The demo town is for development, and DEBUG is off.")
        if code:
            self.stdout.write(town.code_of_rae())
        elif people:
            for handle in ["ada", "rae", "max"]:
                town.person(handle)
            town.give_second_factor(town.person("rae"))
        elif music:
            evening = town.tonight(at=now())
            player = town.musician(at=now())
            call_command("play", room=evening.slug, handle=player.handle, loop=True, open=True)
        else:
            town.fill(at=now(), say=self._say)

    def _say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()
