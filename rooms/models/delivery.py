from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from ticketing.models import Event, Ticket


class DeliveryFact(models.Model):
    """What shows that an event took place, and was heard. Outlives the room; names no seat and no person.

    Once the event's money is settled, the facts of its tickets become one, which leads to nobody.
    """

    class Kind(models.TextChoices):
        DOORS = "doors", _("Seconds the doors were open")
        HOST = "host", _("Seconds the hosts' stage was heard")
        TICKET = "ticket", _("Seconds this ticket heard the room")
        TICKETS = "all", _("Seconds all tickets together heard the room")

    event = models.ForeignKey(Event, on_delete=models.PROTECT, related_name="delivery_facts")
    kind = models.CharField(max_length=6, choices=Kind)
    ticket = models.ForeignKey(
        Ticket, null=True, blank=True, on_delete=models.PROTECT, related_name="delivery_facts"
    )
    tickets = models.PositiveIntegerField(
        default=1, db_default=1, help_text=_("Of how many tickets it tells, if of any.")
    )
    seconds = models.PositiveBigIntegerField(default=0)
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["event", "kind", "ticket"], name="one_fact_of_a_kind", nulls_distinct=False
            ),
            models.CheckConstraint(
                name="only_ticket_facts_name_a_ticket",
                condition=Q(kind="ticket", ticket__isnull=False)
                | (~Q(kind="ticket") & Q(ticket__isnull=True)),
            ),
        ]
