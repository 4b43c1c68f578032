"""What may be typed: a basket, an event, its ticket types, a reason."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, cast
from uuid import UUID
from zoneinfo import ZoneInfo

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.forms import ZoneField
from clubs.models import Club
from core import seen
from core.fields import CountField, LineField, WordsField
from payments.fields import AmountField
from payments.money import LARGEST_CHARGE, Money
from ticketing import wall_clock
from ticketing.limits import FARTHEST, LONGEST, MOST_IN_A_BASKET, MOST_PER_PERSON, MOST_SEATS, MOST_TYPES
from ticketing.models import Event, TicketType
from ticketing.offers import Offer


class BasketForm(forms.Form):
    """How many of which ticket type. `attempt` marks one showing of the page: a double click buys once."""

    attempt = forms.UUIDField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, kinds: Sequence[TicketType], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.kinds = kinds
        for kind in kinds:
            self.fields[self.name_of(kind)] = self._count_of(kind)

    @staticmethod
    def name_of(kind: TicketType) -> str:
        return f"seats_{kind.pk.hex}"

    @staticmethod
    def _count_of(kind: TicketType) -> CountField:
        most = kind.per_person if kind.left is None else min(kind.per_person, kind.left)
        words = _("Number of tickets: %(name)s") % {"name": kind.name}
        attrs = {
            "class": "input input--number",
            "inputmode": "numeric",
            "placeholder": "0",
            "aria-label": words,
        }
        widget = forms.TextInput(attrs=attrs)
        return CountField(least=0, most=max(most, 0), required=False, label=kind.name, widget=widget)

    def clean(self) -> dict[str, Any]:
        if sum(self.basket.values()) > MOST_IN_A_BASKET:
            words = _("%(most)s tickets at most in one order. Order again for more.")
            raise ValidationError(words % {"most": MOST_IN_A_BASKET})
        wanted = [(kind, self.basket.get(kind.pk, 0)) for kind in self.kinds]
        for currency in {kind.currency for kind in self.kinds}:
            total = sum(kind.price_minor * count for kind, count in wanted if kind.currency == currency)
            if total > LARGEST_CHARGE[currency]:
                words = _("A card can be charged %(most)s at most. Choose fewer tickets.")
                raise ValidationError(words % {"most": Money(LARGEST_CHARGE[currency], currency).shown})
        return self.cleaned_data

    @property
    def basket(self) -> dict[UUID, int]:
        """What was asked for: only the types of which something was."""
        counts = {kind.pk: self.cleaned_data.get(self.name_of(kind)) or 0 for kind in self.kinds}
        return {pk: count for pk, count in counts.items() if count}


class WallClockField(forms.Field):
    """A date and time as a clock on the wall shows it, in no zone yet."""

    widget = forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M")
    default_error_messages = {
        "invalid": gettext_lazy("Choose a day and a time, like 4 December 2026, 20:00.")
    }

    def to_python(self, value: Any) -> datetime | None:
        if value in self.empty_values:
            return None
        try:
            shown = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
        except ValueError as error:
            raise ValidationError(self.error_messages["invalid"], code="invalid") from error
        return shown.replace(tzinfo=None, second=0, microsecond=0)


class EventForm(forms.Form):
    """What an event says of itself. `cleaned_data["starts_at"]` is the moment that clock and zone name."""

    title = LineField(label=gettext_lazy("Title"), max_length=120)
    description = WordsField(
        label=gettext_lazy("What will be heard"),
        max_length=8000,
        required=False,
        widget=forms.Textarea(attrs={"rows": 6}),
    )
    starts = WallClockField(label=gettext_lazy("Starts"))
    timezone = ZoneField(
        label=gettext_lazy("Time zone of the event"),
        help_text=gettext_lazy("Type a city. Everybody also sees the start in their own time."),
    )
    minutes = CountField(label=gettext_lazy("Planned length in minutes"), least=1, most=LONGEST)

    def __init__(self, *args: Any, at: datetime, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.at = at

    @classmethod
    def blank(cls, *, club: Club, at: datetime) -> "EventForm":
        """Return the form of a new event: in a week, at eight in the evening, in the club's zone."""
        there = wall_clock.face(at=at + timedelta(days=7), zone=ZoneInfo(club.timezone))
        starts = there.replace(hour=20, minute=0, second=0, microsecond=0)
        return cls(at=at, initial={"starts": starts, "timezone": club.timezone, "minutes": 60})

    @classmethod
    def of(cls, event: Event, *, at: datetime, data: Any = None) -> "EventForm":
        initial = {
            "title": event.title,
            "description": event.description,
            "starts": wall_clock.face(at=event.starts_at, zone=event.zone),
            "timezone": event.timezone,
            "minutes": event.minutes,
        }
        return cls(data, at=at, initial=initial)

    def clean(self) -> dict[str, Any]:
        cleaned = self.cleaned_data
        if "starts" in cleaned and "timezone" in cleaned:
            cleaned["starts_at"] = self._moment(cleaned["starts"], ZoneInfo(cleaned["timezone"]))
        return cleaned

    def _moment(self, shown: datetime, zone: ZoneInfo) -> datetime | None:
        # At the ends of the calendar no zone can be reckoned with, so the years are looked at first.
        if abs(shown - self.at.replace(tzinfo=None)) > FARTHEST + timedelta(days=2):
            self.add_error("starts", _("Choose a day within the next two years."))
            return None
        try:
            starts_at = wall_clock.moment(shown=shown, zone=zone)
        except wall_clock.SkippedHour as skipped:
            self.add_error("starts", _skipped_words(shown, zone, skipped.instead))
            return None
        except wall_clock.RepeatedHour:
            self.add_error("starts", _repeated_words(shown, zone))
            return None
        if starts_at > self.at + FARTHEST:
            self.add_error("starts", _("Choose a day within the next two years."))
        return starts_at

    @property
    def billing(self) -> dict[str, Any]:
        """What the trades take: title, description, starts_at, timezone, minutes."""
        names = ("title", "description", "starts_at", "timezone", "minutes")
        return {name: self.cleaned_data[name] for name in names}


def _skipped_words(shown: datetime, zone: ZoneInfo, instead: datetime) -> str:
    return _(
        "That night the clocks in %(zone)s go forward, and no clock shows %(shown)s. "
        "Choose %(instead)s or later."
    ) % {"zone": _city(zone), "shown": f"{shown:%H:%M}", "instead": f"{instead:%H:%M}"}


def _repeated_words(shown: datetime, zone: ZoneInfo) -> str:
    return _(
        "That night the clocks in %(zone)s go back, so %(shown)s comes twice and nobody could tell "
        "which you mean. Choose another time."
    ) % {"zone": _city(zone), "shown": f"{shown:%H:%M}"}


def _city(zone: ZoneInfo) -> str:
    return str(zone).rpartition("/")[2].replace("_", " ")


class OfferForm(forms.Form):
    pk = forms.UUIDField(required=False, widget=forms.HiddenInput)
    name = LineField(label=gettext_lazy("Name"), max_length=60)
    capacity = CountField(
        label=gettext_lazy("How many"),
        least=1,
        most=MOST_SEATS,
        required=False,
        widget=forms.TextInput(attrs={"inputmode": "numeric", "placeholder": gettext_lazy("No limit")}),
    )
    per_person = CountField(
        label=gettext_lazy("At most per person"), least=1, most=MOST_PER_PERSON, initial=6
    )
    members_only = forms.BooleanField(label=gettext_lazy("For members only"), required=False)
    is_open = forms.BooleanField(label=gettext_lazy("On sale"), required=False, initial=True)

    def __init__(self, *args: Any, currency: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["price"] = AmountField(
            currency=currency,
            free=True,
            label=_("Price in %(currency)s") % {"currency": currency},
            widget=forms.TextInput(attrs={"inputmode": "decimal", "placeholder": _("Free")}),
        )
        self.order_fields(["pk", "name", "price", "capacity", "per_person", "members_only", "is_open"])

    @property
    def offer(self) -> Offer:
        names = ("pk", "name", "price", "capacity", "per_person", "members_only", "is_open")
        return Offer(**{name: self.cleaned_data[name] for name in names})


class BaseOfferFormSet(forms.BaseFormSet[OfferForm]):
    """The ticket types of an event, in their order. A row marked for removal or left empty does not count."""

    @property
    def offers(self) -> list[Offer]:
        return [form.offer for form in self._kept()]

    def clean(self) -> None:
        if any(self.errors):
            return
        names = [seen.skeleton(form.cleaned_data["name"]) for form in self._kept()]
        if not names:
            raise ValidationError(_("Offer one ticket type at least. A free one is fine."))
        if len(set(names)) < len(names):
            raise ValidationError(_("Two ticket types look the same. Give each a name of its own."))

    def form_of(self, ticket_type: TicketType) -> OfferForm | None:
        """Return the row of this ticket type, to write an error beside it."""
        rows = (form for form in self.forms if form.cleaned_data.get("pk") == ticket_type.pk)
        return next(rows, None)

    def _kept(self) -> list[OfferForm]:
        return [
            form for form in self.forms if form.cleaned_data.get("name") and form not in self.deleted_forms
        ]


OfferFormSet = forms.formset_factory(
    OfferForm,
    formset=BaseOfferFormSet,
    extra=0,
    min_num=1,
    max_num=MOST_TYPES,
    validate_max=True,
    can_delete=True,
)


def offers_of(event: Event, *, data: Any = None) -> BaseOfferFormSet:
    """Return the editor of an event's ticket types."""
    columns = ("pk", "name", "price", "capacity", "per_person", "members_only", "is_open")
    rows = [
        {name: getattr(kind, name) for name in columns}
        for kind in event.ticket_types.filter(is_withdrawn=False)
    ]
    return blank_offers(event.currency, data=data, initial=rows)


def blank_offers(currency: str, *, data: Any = None, initial: Any = None) -> BaseOfferFormSet:
    formset = OfferFormSet(data, prefix="offers", initial=initial, form_kwargs={"currency": currency})
    return cast("BaseOfferFormSet", formset)


class ReasonForm(forms.Form):
    """Why money is given back, in words that the buyers read."""

    reason = LineField(
        label=gettext_lazy("Why"), max_length=200, help_text=gettext_lazy("The buyer is told this.")
    )


class SearchForm(forms.Form):
    """What to look for among the orders of an event."""

    q = LineField(required=False, max_length=80)
