from django.apps import AppConfig

from core import plain_words
from stagedoor import beats, checks  # noqa: F401 -- importing registers them


class StagedoorConfig(AppConfig):
    name = "stagedoor"

    def ready(self) -> None:
        plain_words.take_over()
