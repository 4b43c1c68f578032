from django.apps import AppConfig


class RoomsConfig(AppConfig):
    name = "rooms"

    def ready(self) -> None:
        from rooms import nudges  # noqa: PLC0415 -- app-ready: models must stand first

        nudges.listen()
