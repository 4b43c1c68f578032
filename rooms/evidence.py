"""What the rooms know of a payee: whether the evenings that were sold took place."""

from django.db.models import Sum
from django.utils.translation import gettext as _

from payments.evidence import Fact, gives_evidence
from payments.models import Payee
from rooms.models import DeliveryFact
from ticketing.models import Event


@gives_evidence
def delivery_facts(*, payee: Payee) -> list[Fact]:
    events = Event.objects.filter(club__payee=payee)
    delivered = events.filter(delivery=Event.Delivery.DELIVERED).count()
    missed = events.filter(delivery=Event.Delivery.NOT_DELIVERED).count()
    facts = DeliveryFact.objects.filter(event__club__payee=payee)
    stages = facts.filter(kind=DeliveryFact.Kind.HOST)
    heard = stages.aggregate(seconds=Sum("seconds"))["seconds"] or 0
    listeners = facts.filter(kind=DeliveryFact.Kind.TICKET).count()
    return [
        Fact(_("Events that took place"), str(delivered), "success" if delivered else "warning"),
        Fact(_("Events that did not take place"), str(missed), "danger" if missed else "neutral"),
        Fact(_("Minutes heard on stage"), str(heard // 60)),
        Fact(_("Tickets that heard a room"), str(listeners), "neutral" if listeners else "warning"),
    ]
