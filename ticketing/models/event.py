import uuid
from datetime import datetime, timedelta
from typing import ClassVar, Self
from zoneinfo import ZoneInfo

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.db import models
from django.db.models import Case, Count, F, Min, Q, Sum, Value, When
from django.db.models.functions import Coalesce
from django.db.models.lookups import Exact
from django.urls import reverse
from django.utils import formats
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from clubs.models import Club
from core.columns import SkeletonField
from core.retries import Retried
from payments.fields import within
from payments.money import LARGEST_CHARGE, SMALLEST_CHARGE, Money
from ticketing.limits import LONGEST, MOST_PER_PERSON, MOST_SEATS


class EventQuerySet(models.QuerySet["Event"]):
    """Ask for events in the words of the trade: `Event.objects.live().visible_to(user)`."""

    def live(self) -> Self:
        return self.filter(status=Event.Status.LIVE).order_by("starts_at", "id").for_cards()

    def coming(self, at: datetime) -> Self:
        """Return the published events whose planned end lies ahead: a host may be late."""
        length = F("minutes") * Value(timedelta(minutes=1))
        return (
            self.filter(status=Event.Status.PUBLISHED, starts_at__gt=Value(at) - length)
            .order_by("starts_at", "id")
            .for_cards()
        )

    def visible_to(self, user: User | AnonymousUser) -> Self:
        """Return what this person may look at: a draft is seen by those who run the club."""
        public = ~Q(status=Event.Status.DRAFT)
        if not user.is_authenticated:
            return self.filter(public)
        return self.filter(public | Q(pk__in=Event.objects.filter(club__officers__user=user).values("pk")))

    def for_cards(self) -> Self:
        """Bring along what a card shows: the club, the lowest price, and whether seats are left."""
        is_open = Q(ticket_types__is_open=True)
        taken = F("ticket_types__held") + F("ticket_types__sold")
        has_left = is_open & (Q(ticket_types__capacity=None) | Q(ticket_types__capacity__gt=taken))
        price = "ticket_types__price_minor"
        return self.select_related("club").annotate(
            price_from_minor=Coalesce(Min(price, filter=has_left), Min(price, filter=is_open)),
            prices_open=Count(price, filter=is_open, distinct=True),
            is_sold_out=Case(
                When(prices_open=0, then=False),
                default=Q(Exact(Count("ticket_types", filter=has_left), 0)),
                output_field=models.BooleanField(),
            ),
        )

    def with_sales(self) -> Self:
        """Count what is sold, and out of how many seats: `seats` is None when a type has no limit."""
        counted = self.annotate(
            sold=Coalesce(Sum("ticket_types__sold"), 0),
            unlimited=Count("ticket_types", filter=Q(ticket_types__capacity=None)),
        )
        return counted.annotate(seats=Case(When(unlimited=0, then=Sum("ticket_types__capacity"))))


class Event(Retried):
    """One evening in one room. It starts at a moment, told in the event's own time zone."""

    class Status(models.TextChoices):
        DRAFT = "draft", _("Draft")
        PUBLISHED = "published", _("On sale")
        LIVE = "live", _("Live")
        ENDED = "ended", _("Ended")
        CANCELLED = "cancelled", _("Cancelled")

    MOVES: ClassVar = {
        Status.DRAFT: {Status.PUBLISHED, Status.CANCELLED},
        Status.PUBLISHED: {Status.LIVE, Status.ENDED, Status.CANCELLED},
        Status.LIVE: {Status.ENDED, Status.PUBLISHED},  # back when every host stays away before the end
    }

    class Delivery(models.TextChoices):
        UNKNOWN = "unknown", _("Not yet known")
        DELIVERED = "delivered", _("Took place")
        NOT_DELIVERED = "not-delivered", _("Did not take place")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    club = models.ForeignKey(Club, on_delete=models.PROTECT, related_name="events")
    slug = models.SlugField(max_length=90, unique=True, help_text=_("Ends in letters nobody can guess."))
    title = models.CharField(_("title"), max_length=120)
    description = models.TextField(_("what will be heard"), max_length=8000, blank=True)
    starts_at = models.DateTimeField(_("starts"))
    timezone = models.CharField(_("time zone"), max_length=64)
    minutes = models.PositiveSmallIntegerField(_("length in minutes"), default=60)
    currency = models.CharField(max_length=3)
    status = models.CharField(max_length=10, choices=Status, default=Status.DRAFT)
    delivery = models.CharField(max_length=14, choices=Delivery, default=Delivery.UNKNOWN)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField()
    published_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    money_released_at = models.DateTimeField(null=True, blank=True)
    refund_by = models.DateTimeField(
        null=True,
        blank=True,
        help_text=_("It did not take place: from then on the money goes back by itself."),
    )
    missed_told_at = models.DateTimeField(
        null=True, blank=True, help_text=_("When all had been told that it did not take place.")
    )
    refunding_since = models.DateTimeField(
        null=True, blank=True, help_text=_("Set: everybody who bought is to have their money back.")
    )
    refunding_because = models.CharField(max_length=200, blank=True)
    refunding_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
        help_text=_("Empty: the house itself."),
    )

    refunding_done_at = models.DateTimeField(null=True, blank=True)

    objects = EventQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="an_event_lasts_a_while", condition=Q(minutes__gte=1, minutes__lte=LONGEST)
            ),
            models.CheckConstraint(
                name="an_ended_event_says_when", condition=~Q(status="ended") | Q(ended_at__isnull=False)
            ),
            models.CheckConstraint(
                name="a_cancelled_event_gives_money_back",
                condition=~Q(status="cancelled") | Q(refunding_since__isnull=False),
            ),
            models.CheckConstraint(
                name="giving_money_back_has_a_reason",
                condition=Q(refunding_since__isnull=True) | ~Q(refunding_because=""),
            ),
        ]
        indexes = [
            models.Index(fields=["status", "starts_at"], name="events_by_status_and_start"),
            models.Index(
                fields=["refunding_since"],
                name="events_giving_money_back",
                condition=Q(refunding_since__isnull=False, refunding_done_at__isnull=True),
            ),
            models.Index(
                fields=["ended_at"],
                name="evenings_missed_and_not_told",
                condition=Q(status="ended", delivery="not-delivered", missed_told_at__isnull=True),
            ),
            models.Index(
                fields=["refund_by"],
                name="evenings_to_be_refunded",
                condition=Q(refund_by__isnull=False, refunding_since__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return self.title

    def get_absolute_url(self) -> str:
        return reverse("ticketing:event", args=[self.slug])

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)

    @property
    def starts_there(self) -> datetime:
        """The start, in the event's own time zone."""
        return self.starts_at.astimezone(self.zone)

    @property
    def starts_in_words(self) -> str:
        """The start as a letter says it: "Friday 4 December 2026, 20:00 (Europe/Berlin)"."""
        return f"{formats.date_format(self.starts_there, 'l j F Y, H:i')} ({self.timezone.replace('_', ' ')})"

    @property
    def refund_by_in_words(self) -> str:
        """When the money of an evening that did not take place goes back, as a letter says it."""
        return formats.date_format(self.refund_by.astimezone(self.zone), "l j F Y") if self.refund_by else ""

    @property
    def ends_at(self) -> datetime:
        return self.starts_at + timedelta(minutes=self.minutes)

    @property
    def is_live(self) -> bool:
        return self.status == self.Status.LIVE

    @property
    def is_on_sale(self) -> bool:
        return self.status in {self.Status.PUBLISHED, self.Status.LIVE}

    @property
    def did_not_take_place(self) -> bool:
        return self.status == self.Status.ENDED and self.delivery == self.Delivery.NOT_DELIVERED

    @property
    def outcome(self) -> str:
        """How it stands, in a word; of an evening that is over and did not take place, that."""
        return self.get_delivery_display() if self.did_not_take_place else self.get_status_display()

    @property
    def price_from(self) -> Money | None:
        """The lowest open price, of what is left if anything is. None when nothing is; free is zero."""
        if not hasattr(self, "price_from_minor"):
            prices = self.ticket_types.filter(is_open=True).aggregate(lowest=Min("price_minor"))
            self.price_from_minor: int | None = prices["lowest"]
        return None if self.price_from_minor is None else Money(self.price_from_minor, self.currency)

    def sells(self, *, at: datetime) -> bool:
        """Tell whether tickets may be bought: until the planned end, and for as long as it is live."""
        return self.is_live or (self.status == self.Status.PUBLISHED and at < self.ends_at)


class TicketType(models.Model):
    """A kind of ticket. held + sold ≤ capacity at every commit; no capacity means as many as come."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    event = models.ForeignKey(Event, on_delete=models.CASCADE, related_name="ticket_types")
    name = models.CharField(_("name"), max_length=60)
    seen_name = SkeletonField(of="name")
    price_minor = models.BigIntegerField(default=0)
    currency = models.CharField(max_length=3)
    capacity = models.PositiveIntegerField(
        _("how many"), null=True, blank=True, help_text=_("Leave empty for as many as come.")
    )
    held = models.PositiveIntegerField(default=0)
    sold = models.PositiveIntegerField(default=0)
    members_only = models.BooleanField(_("for members only"), default=False)
    per_person = models.PositiveSmallIntegerField(
        _("at most per person"), default=6, help_text=_("Over all orders of one buyer for this event.")
    )
    is_open = models.BooleanField(_("on sale"), default=True)
    is_withdrawn = models.BooleanField(
        default=False, help_text=_("Taken out of the offer although tickets of it were sold or held.")
    )
    position = models.PositiveSmallIntegerField(default=0)

    class Meta:
        ordering = ["position", "id"]
        constraints = [
            models.CheckConstraint(
                name="held_and_sold_fit_the_capacity",
                condition=Q(capacity__isnull=True) | Q(capacity__gte=F("held") + F("sold")),
            ),
            models.CheckConstraint(
                name="a_ticket_is_free_or_costs_what_a_card_can_be_charged",
                condition=Q(price_minor=0)
                | within(column="price_minor", least=SMALLEST_CHARGE, most=LARGEST_CHARGE),
            ),
            models.CheckConstraint(name="seats_are_counted_from_zero", condition=Q(held__gte=0, sold__gte=0)),
            models.CheckConstraint(
                name="unlimited_is_empty_not_zero",
                condition=Q(capacity__isnull=True) | Q(capacity__gte=1, capacity__lte=MOST_SEATS),
            ),
            models.CheckConstraint(
                name="a_person_may_have_one_at_least",
                condition=Q(per_person__gte=1, per_person__lte=MOST_PER_PERSON),
            ),
            models.UniqueConstraint(
                fields=["event", "seen_name"],
                name="one_ticket_type_of_a_name_per_event",
                condition=Q(is_withdrawn=False),
            ),
            models.CheckConstraint(
                name="what_is_withdrawn_is_not_on_sale", condition=Q(is_withdrawn=False) | Q(is_open=False)
            ),
            models.CheckConstraint(name="a_ticket_type_shows_its_name", condition=~Q(seen_name="")),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def price(self) -> Money:
        return Money(self.price_minor, self.currency)

    @property
    def taken(self) -> int:
        return self.held + self.sold

    @property
    def left(self) -> int | None:
        """How many can still be bought; None when there is no limit."""
        return None if self.capacity is None else self.capacity - self.taken

    @property
    def is_sold_out(self) -> bool:
        return self.left == 0
