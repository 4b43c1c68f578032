"""Seats and grants: who is in the room now. All of it goes when the room closes."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from rooms.models.room import Room, opaque_id
from ticketing.models import Ticket

SEATED = ("taken", "present", "away")


class SeatQuerySet(models.QuerySet["Seat"]):
    def seated(self) -> "SeatQuerySet":
        """Return the seats that count: against the capacity, in the census, on the page."""
        return self.filter(status__in=SEATED)

    def audience(self) -> "SeatQuerySet":
        return self.seated().exclude(stage=Seat.Stage.ON)

    def on_stage(self) -> "SeatQuerySet":
        return self.seated().filter(stage=Seat.Stage.ON)


class Seat(models.Model):
    """One person's place in one room. Its id is all that others see on the wire: random, used once."""

    class Role(models.TextChoices):
        HOST = "host", _("Host")
        MODERATOR = "moderator", _("Moderator")
        LISTENER = "listener", _("Listener")

    class Stage(models.TextChoices):
        OFF = "off", _("Listening")
        HAND = "hand", _("Hand raised")
        INVITED = "invited", _("Invited on stage")
        ON = "on", _("On stage")

    class Status(models.TextChoices):
        TAKEN = "taken", _("Not connected yet")
        PRESENT = "present", _("Here")
        AWAY = "away", _("Reconnecting")
        LEFT = "left", _("Left")
        REVOKED = "revoked", _("Removed")

    RANKS: ClassVar = {Role.HOST: 2, Role.MODERATOR: 1, Role.LISTENER: 0}

    MOVES: ClassVar = {
        Status.TAKEN: {Status.PRESENT, Status.AWAY, Status.LEFT, Status.REVOKED},
        # A new socket of the same tab may come before the old one is known to be gone.
        Status.PRESENT: {Status.PRESENT, Status.AWAY, Status.LEFT, Status.REVOKED},
        Status.AWAY: {Status.PRESENT, Status.LEFT, Status.REVOKED},
        Status.LEFT: set(),
        Status.REVOKED: set(),
    }

    STAGE_MOVES: ClassVar = {
        Stage.OFF: {Stage.HAND, Stage.INVITED, Stage.ON},
        Stage.HAND: {Stage.OFF, Stage.INVITED, Stage.ON},
        Stage.INVITED: {Stage.OFF, Stage.ON},
        Stage.ON: {Stage.OFF},
    }

    id = models.CharField(primary_key=True, max_length=32, default=opaque_id, editable=False)
    room = models.ForeignKey(Room, on_delete=models.CASCADE, related_name="seats")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="seats")
    ticket = models.ForeignKey(Ticket, null=True, blank=True, on_delete=models.PROTECT, related_name="seats")
    role = models.CharField(max_length=10, choices=Role, default=Role.LISTENER)
    status = models.CharField(max_length=8, choices=Status, default=Status.TAKEN)
    stage = models.CharField(max_length=8, choices=Stage, default=Stage.OFF)
    muted = models.BooleanField(default=True)
    epoch = models.PositiveIntegerField(
        default=1, help_text=_("Raised by revoking: what was issued before is dead.")
    )
    resume_hash = models.CharField(max_length=64, blank=True)
    tab = models.CharField(
        max_length=64, blank=True, help_text=_("Which page holds the seat; each makes up its own.")
    )
    connection = models.PositiveIntegerField(
        default=0, help_text=_("Counts its sockets. Only the last one holds the seat.")
    )
    hand_at = models.DateTimeField(null=True, blank=True)
    standing = models.PositiveIntegerField(
        default=0,
        help_text=_("The person's standing when they came in. Another one since: they come in anew."),
    )
    session = models.CharField(
        max_length=40, blank=True, help_text=_("The browser session that came in; the seat ends with it.")
    )
    is_deputy = models.BooleanField(
        default=False, help_text=_("Host because every host stayed away; a moderator by office.")
    )
    closed_with = models.PositiveSmallIntegerField(
        null=True, blank=True, help_text=_("What its socket is told, if it was revoked.")
    )
    taken_at = models.DateTimeField()
    seen_at = models.DateTimeField(help_text=_("When its socket was last heard of."))

    objects = SeatQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["room", "user"],
                name="one_seat_per_person_and_room",
                condition=Q(status__in=["taken", "present", "away"]),
            ),
            models.CheckConstraint(
                name="only_those_seated_are_on_stage",
                condition=Q(stage="off") | Q(status__in=["taken", "present", "away"]),
            ),
            models.CheckConstraint(
                name="a_raised_hand_says_when", condition=~Q(stage="hand") | Q(hand_at__isnull=False)
            ),
            models.CheckConstraint(
                name="only_on_stage_is_anybody_unmuted", condition=Q(muted=True) | Q(stage="on")
            ),
        ]
        indexes = [
            models.Index(fields=["room", "status"], name="seats_of_a_room"),
            models.Index(fields=["session"], name="seats_of_a_session", condition=~Q(session="")),
        ]

    @property
    def is_seated(self) -> bool:
        return self.status in SEATED

    @property
    def is_on_stage(self) -> bool:
        return self.stage == self.Stage.ON

    @property
    def moderates(self) -> bool:
        """Whether it sees the hands and shapes the stage."""
        return self.rank > 0

    @property
    def rank(self) -> int:
        return int(self.RANKS[self.Role(self.role)])


class Grant(models.Model):
    """Leave to do one thing once, within a minute: open the socket, listen, or speak. Only a hash is kept."""

    class Use(models.TextChoices):
        SOCKET = "socket", _("Open the socket")
        LISTEN = "listen", _("Listen (WHEP)")
        SPEAK = "speak", _("Speak (WHIP)")

    token_hash = models.CharField(primary_key=True, max_length=64)
    seat = models.ForeignKey(Seat, on_delete=models.CASCADE, related_name="grants")
    use = models.CharField(max_length=6, choices=Use)
    epoch = models.PositiveIntegerField()
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [models.Index(fields=["expires_at"], name="grants_by_expiry")]
