import uuid
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from ticketing.models import Event

FRAME_MS = 20  # sound is mixed in frames of so many milliseconds; a packet holds one, two or three


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
        Status.OPEN: {Status.CLOSED, Status.SHUT},  # shut again when every host stays away before the end
    }

    class FrameLength(models.IntegerChoices):
        SHORT = 20, _("20 ms")
        MIDDLE = 40, _("40 ms")
        LONG = 60, _("60 ms")

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
    shut_again_at = models.DateTimeField(
        null=True, blank=True, help_text=_("Since when the doors are shut again, for want of a host.")
    )
    frame_ms = models.PositiveSmallIntegerField(
        choices=FrameLength,
        default=FrameLength.SHORT,
        help_text=_("Sound in each packet: longer ones cost less data and come later."),
    )
    music = models.BooleanField(default=False, help_text=_("Tuned for music instead of speech."))

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="an_open_room_says_since_when", condition=~Q(status="open") | Q(opened_at__isnull=False)
            ),
            models.CheckConstraint(
                name="a_closed_room_says_since_when",
                condition=~Q(status="closed") | Q(closed_at__isnull=False),
            ),
            models.CheckConstraint(
                name="a_packet_holds_20_40_or_60_ms", condition=Q(frame_ms__in=[20, 40, 60])
            ),
        ]
        indexes = [
            # Looked for twice a second, and few of all rooms there ever were.
            models.Index(fields=["id"], name="rooms_that_are_live", condition=~Q(status="closed")),
            models.Index(fields=["closed_at"], name="rooms_by_their_closing"),
        ]

    @property
    def frames(self) -> int:
        """How many frames of 20 ms each packet of its sound holds."""
        return self.frame_ms // FRAME_MS


class Ban(models.Model):
    """Who may not come back into this room."""

    room = models.ForeignKey(Room, on_delete=models.CASCADE, related_name="bans")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    reason = models.CharField(max_length=200, blank=True)
    at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["room", "user"], name="one_ban_per_person_and_room")]
