from django.apps import AppConfig


class StagedoorConfig(AppConfig):
    name = "stagedoor"

    def ready(self) -> None:
        """Register the checks of production's settings."""
        from stagedoor import checks  # noqa: F401, PLC0415 -- app-ready: registering is its effect
