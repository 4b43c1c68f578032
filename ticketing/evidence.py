"""What the sale of tickets tells about a payee, for whoever reviews a payout."""

from django.db.models import Count, Q
from django.utils.translation import gettext as _

from payments.evidence import Fact, gives_evidence
from payments.models import Payee
from ticketing.models import Event, Order, Ticket

MANY_REFUNDED = 10  # per cent


@gives_evidence
def sale_facts(*, payee: Payee) -> list[Fact]:
    events = Event.objects.filter(club__payee=payee).aggregate(
        cancelled=Count("pk", filter=Q(status=Event.Status.CANCELLED)),
    )
    orders = Order.objects.filter(event__club__payee=payee, total_minor__gt=0).aggregate(
        bought=Count("pk", filter=Q(status__in=[Order.Status.PAID, Order.Status.REFUNDED])),
        refunded=Count("pk", filter=Q(status=Order.Status.REFUNDED)),
        buyers=Count("buyer", distinct=True, filter=Q(status=Order.Status.PAID)),
    )
    guests = Ticket.objects.live().filter(event__club__payee=payee, holder__isnull=False)
    many = orders["refunded"] * 100 > MANY_REFUNDED * orders["bought"]
    return [
        Fact(_("Events cancelled"), str(events["cancelled"])),
        Fact(_("Different buyers"), str(orders["buyers"])),
        Fact(
            _("Orders refunded"), _of(orders["refunded"], orders["bought"]), "warning" if many else "neutral"
        ),
        Fact(_("People with a ticket"), str(guests.values("holder").distinct().count())),
    ]


def _of(part: int, whole: int) -> str:
    return _("%(part)s of %(whole)s") % {"part": part, "whole": whole}
