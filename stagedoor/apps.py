from django.apps import AppConfig


class StagedoorConfig(AppConfig):
    name = "stagedoor"

    def ready(self) -> None:
        """Register the checks of production's settings, and the Celery app that every `shared_task` belongs to."""
        from stagedoor import celery, checks  # noqa: F401, PLC0415 -- app-ready: registering is their effect
