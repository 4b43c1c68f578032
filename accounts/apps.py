from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules


class AccountsConfig(AppConfig):
    name = "accounts"

    def ready(self) -> None:
        """Find what every app holds about a person, as Django finds admin.py, and watch their standing."""
        autodiscover_modules("personal_data")
        from accounts import addresses, factor, standing  # noqa: PLC0415 -- app-ready: needs the models

        standing.watch()
        addresses.watch()
        factor.watch()
