from django.apps import AppConfig

from stagedoor import beats, checks  # noqa: F401 -- importing registers them


class StagedoorConfig(AppConfig):
    name = "stagedoor"
