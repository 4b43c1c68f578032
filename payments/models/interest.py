from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from payments.models.payee import Payee


class Interest(models.Model):
    """Somebody's own interest in what a payee is paid, and until when they had it.

    Payments knows no clubs: the database itself keeps these rows whenever an officer comes or goes (a trigger
    of clubs). It also refuses a review by whoever has, or lately had, an interest.
    """

    id = models.BigAutoField(primary_key=True)
    payee = models.ForeignKey(Payee, on_delete=models.PROTECT, related_name="interests")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    since = models.DateTimeField()
    until = models.DateTimeField(null=True, blank=True, help_text=_("Empty: still."))

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["payee", "user"],
                name="one_interest_at_a_time_per_person_and_payee",
                condition=Q(until__isnull=True),
            ),
        ]
