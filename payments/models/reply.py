import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from payments.models.payout import Payout


class Reply(models.Model):
    """What a payee answered when a payout was held: words, and a document if they sent one."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    payout = models.ForeignKey(Payout, on_delete=models.PROTECT, related_name="replies")
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    text = models.TextField()
    document_name = models.CharField(max_length=100, blank=True)
    document = models.BinaryField(
        null=True, blank=True, help_text=_("Kept here, since it must not be reachable by an address alone.")
    )
    at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(name="a_reply_says_something", condition=~Q(text="")),
            models.CheckConstraint(
                name="a_document_has_a_name",
                condition=Q(document__isnull=True, document_name="")
                | Q(document__isnull=False) & ~Q(document_name=""),
            ),
        ]
        indexes = [models.Index(fields=["payout", "at"], name="replies_of_a_payout")]
