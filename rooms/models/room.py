import uuid
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from ticketing.models import Event


def opaque_id() -> str:
    """Return 128 random bits as text: a name that tells nothing and cannot be walked."""
    return uuid.uuid4().hex


class Room(models.Model):
    """Where one event is heard. `id` is opaque; people come in by the event's slug."""

    class Status(models.TextChoices):
        SHUT = "shut", _("Doors not open yet")
        OPEN = "open", _("Doors open")
        CLOSED = "closed", _("Closed")

    MOVES: ClassVar = {
        Status.SHUT: {Status.OPEN, Status.CLOSED},
        Status.OPEN: {Status.CLOSED},
    }

    id = models.CharField(primary_key=True, max_length=32, default=opaque_id, editable=False)
    event = models.OneToOneField(Event, on_delete=models.PROTECT, related_name="room")
    status = models.CharField(max_length=6, choices=Status, default=Status.SHUT)
    seq = models.BigIntegerField(
        default=0, help_text=_("Raised by every change that people in the room see.")
    )
    opened_at = models.DateTimeField(null=True, blank=True)
    closed_at = models.DateTimeField(null=True, blank=True)
    host_gone_at = models.DateTimeField(
        null=True, blank=True, help_text=_("Since when no host is here; empty while one is.")
    )

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="an_open_room_says_since_when", condition=~Q(status="open") | Q(opened_at__isnull=False)
            ),
            models.CheckConstraint(
                name="a_closed_room_says_since_when",
                condition=~Q(status="closed") | Q(closed_at__isnull=False),
            ),
        ]


class Ban(models.Model):
    """Who may not come back into this room."""

    room = models.ForeignKey(Room, on_delete=models.CASCADE, related_name="bans")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    reason = models.CharField(max_length=200, blank=True)
    at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["room", "user"], name="one_ban_per_person_and_room")]
