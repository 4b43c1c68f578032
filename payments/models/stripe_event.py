from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from core.retries import Retried


class StripeEvent(Retried):
    """The inbox: one row per event, kept for ever. `stripe_id` is unique, so the same event comes in once.

    One that is given up while it is still RECEIVED is a dead letter, and a case for finance.
    """

    class Status(models.TextChoices):
        RECEIVED = "received", _("Received")
        HANDLED = "handled", _("Handled")
        IGNORED = "ignored", _("Nobody answers it")

    MOVES: ClassVar = {Status.RECEIVED: {Status.HANDLED, Status.IGNORED}}

    id = models.BigAutoField(primary_key=True)
    stripe_id = models.CharField(max_length=64, unique=True)
    kind = models.CharField(max_length=80, help_text=_("Stripe's type, like checkout.session.completed."))
    account = models.CharField(max_length=64, blank=True, help_text=_("The connected account it is about."))
    api_version = models.CharField(max_length=40)
    body = models.JSONField()
    status = models.CharField(max_length=8, choices=Status, default=Status.RECEIVED)
    received_at = models.DateTimeField()
    handled_at = models.DateTimeField(null=True, blank=True)
    reason = models.CharField(
        max_length=200, blank=True, default="", help_text=_("Why nothing follows from it, if nothing does.")
    )

    class Meta:
        indexes = [
            models.Index(fields=["next_attempt_at"], name="events_to_handle", condition=Q(status="received"))
        ]

    @property
    def object_id(self) -> str:
        """The id of the object that it tells of. The object itself is read from Stripe anew."""
        return str(self.body["data"]["object"]["id"])
