"""What the rooms know of a payee: whether the evenings sold took place, and what speaks against it."""

from django.db.models import Exists, F, OuterRef, Q, Sum
from django.utils.translation import gettext as _

from payments.evidence import Fact, gives_evidence
from payments.models import Payee
from rooms.models import DeliveryFact
from ticketing.models import Event, Order

Kind = DeliveryFact.Kind
HEARD = (Kind.TICKET, Kind.TICKETS)
HALF = 30  # seconds of each minute that was sold


@gives_evidence
def delivery_facts(*, payee: Payee) -> list[Fact]:
    events = Event.objects.filter(club__payee=payee)
    delivered = events.filter(delivery=Event.Delivery.DELIVERED).count()
    missed = events.filter(delivery=Event.Delivery.NOT_DELIVERED).count()
    facts = DeliveryFact.objects.filter(event__club__payee=payee)
    stages = facts.filter(kind=Kind.HOST)
    heard = stages.aggregate(seconds=Sum("seconds"))["seconds"] or 0
    listeners = facts.filter(kind__in=HEARD).aggregate(tickets=Sum("tickets"))["tickets"] or 0
    return [
        Fact(_("Events that took place"), str(delivered), "success" if delivered else "warning"),
        Fact(_("Events that did not take place"), str(missed), "danger" if missed else "neutral"),
        Fact(_("Minutes heard on stage"), str(heard // 60)),
        Fact(_("Tickets that heard a room"), str(listeners), "neutral" if listeners else "warning"),
        *_what_speaks_against_it(payee),
    ]


def _what_speaks_against_it(payee: Payee) -> list[Fact]:
    """Return a line in red for each kind of evening that took place and looks as if it had not."""
    took_place = Event.objects.filter(club__payee=payee, delivery=Event.Delivery.DELIVERED)
    sold = Order.objects.filter(event=OuterRef("pk"), status=Order.Status.PAID, total_minor__gt=0)
    heard_by = DeliveryFact.objects.filter(event=OuterRef("pk"), kind__in=HEARD)
    stage = DeliveryFact.objects.filter(event=OuterRef("event"), kind=Kind.HOST)
    promised = Order.objects.filter(event__in=took_place, status=Order.Status.PAID)
    cut_short = promised.filter(~Exists(stage.filter(seconds__gte=OuterRef("sold_minutes") * HALF)))
    altered = Q(sold_minutes__gt=F("event__minutes")) | ~Q(sold_starts_at=F("event__starts_at"))
    red = {
        _("Events that took place and no ticket heard"): took_place.filter(
            Exists(sold), ~Exists(heard_by)
        ).count(),
        _("Events heard for less than half of what was sold"): cut_short.exclude(sold_minutes=None)
        .values("event")
        .distinct()
        .count(),
        _("Events that differ from what was sold"): promised.exclude(sold_starts_at=None)
        .filter(altered)
        .values("event")
        .distinct()
        .count(),
    }
    return [Fact(label, str(count), "danger") for label, count in red.items() if count]
