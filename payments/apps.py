from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules


class PaymentsConfig(AppConfig):
    name = "payments"

    def ready(self) -> None:
        """Find who answers Stripe's events and who gives evidence about a payee, as Django finds admin.py."""
        autodiscover_modules("stripe_events", "evidence")
