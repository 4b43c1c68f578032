"""Who you are, who did what, and the letters we owe."""

import uuid
from datetime import datetime
from typing import Any, ClassVar, Self

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Func, Q, Value
from django.db.models.functions import Lower
from django.utils.timezone import now
from django.utils.translation import gettext_lazy as _

from core import email_addresses

HANDLE_PATTERN = r"^[A-Za-z0-9_]{2,30}$"


class UserManager(BaseUserManager["User"]):
    def create_user(self, *, email: str, handle: str, password: str | None = None, **fields: Any) -> "User":
        try:
            user = self.model(email=email_addresses.normal(email), handle=handle, **fields)
        except email_addresses.NotAnAddress as refusal:
            raise ValidationError({"email": str(refusal)}) from None
        user.set_password(password)
        user.full_clean(exclude=["password"])
        user.save(using=self._db)
        return user

    def create_superuser(self, *, email: str, handle: str, password: str, **fields: Any) -> "User":
        return self.create_user(
            email=email, handle=handle, password=password, is_staff=True, is_superuser=True, **fields
        )


class User(AbstractBaseUser, PermissionsMixin):
    """A person. Others see the handle and the name, never the e-mail address."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    email = models.EmailField(_("e-mail address"))
    handle = models.CharField(
        _("handle"),
        max_length=30,
        validators=[RegexValidator(HANDLE_PATTERN, _("Use 2 to 30 letters, figures and underscores."))],
    )
    name = models.CharField(_("name shown to others"), max_length=60, blank=True)
    locale = models.CharField(_("language"), max_length=10, default="en-gb")
    timezone = models.CharField(_("time zone"), max_length=64, blank=True)
    is_staff = models.BooleanField(_("may enter the admin"), default=False)
    is_finance = models.BooleanField(_("reviews payouts"), default=False)
    is_active = models.BooleanField(default=True)
    date_joined = models.DateTimeField(default=now)
    closed_at = models.DateTimeField(null=True, blank=True)
    # How often accounts.standing changed. A trigger raises it, and never lets it fall.
    standing = models.PositiveIntegerField(default=0, editable=False)

    objects: ClassVar[UserManager] = UserManager()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS = ["handle"]

    class Meta:
        constraints = [
            models.UniqueConstraint(Lower("handle"), name="a_handle_is_taken_once_in_any_case"),
            models.UniqueConstraint(
                Func(Lower("handle"), Value("01i"), Value("oll"), function="translate"),
                name="a_handle_looks_like_no_other",
            ),
            models.UniqueConstraint(Lower("email"), name="an_address_is_taken_once_in_any_case"),
            models.CheckConstraint(
                name="an_address_is_one_that_letters_reach", condition=Q(email__regex=email_addresses.STORED)
            ),
            models.CheckConstraint(
                name="a_handle_is_of_plain_letters", condition=Q(handle__regex=HANDLE_PATTERN)
            ),
        ]

    def __str__(self) -> str:
        return f"@{self.handle}"

    @property
    def shown_name(self) -> str:
        return self.name or self.handle

    def get_full_name(self) -> str:
        return self.shown_name

    def get_short_name(self) -> str:
        return self.handle


class KeptHandle(models.Model):
    """A handle that somebody signed up with: nobody else may have it while that may be confirmed."""

    handle = models.CharField(max_length=30, primary_key=True)
    seen = models.CharField(max_length=30, db_index=True, help_text=_("What it looks like."))
    until = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(name="kept_handles_are_lower_case", condition=Q(handle=Lower("handle")))
        ]


class AddressChange(models.Model):
    """That an address changed: the old one may undo it for a week, after which this is forgotten."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    person = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    old = models.EmailField()
    new = models.EmailField()
    changed_at = models.DateTimeField()
    undone_at = models.DateTimeField(null=True, blank=True)


class AuditEntry(models.Model):
    """Who did what to which, why and when. The database refuses to change or delete one."""

    id = models.BigAutoField(primary_key=True)
    at = models.DateTimeField()
    actor = models.ForeignKey(
        User, null=True, on_delete=models.PROTECT, related_name="+", help_text=_("Empty: the house itself.")
    )
    verb = models.CharField(max_length=60, help_text=_("What was done, like payout-approved."))
    subject_kind = models.CharField(max_length=40)
    subject_id = models.CharField(max_length=64)
    reason = models.TextField(blank=True)
    details = models.JSONField(default=dict, blank=True)

    class Meta:
        indexes = [models.Index(fields=["subject_kind", "subject_id", "at"], name="audit_by_subject")]
        verbose_name_plural = "audit entries"


class LetterQuerySet(models.QuerySet["Letter"]):
    def due(self, at: datetime) -> Self:
        return self.filter(status=Letter.Status.WAITING, next_attempt_at__lte=at).order_by(
            "urgency", "next_attempt_at", "id"
        )


class Letter(models.Model):
    """An e-mail we owe. The row is the truth: `key` is unique, so one cause makes one letter."""

    class Status(models.TextChoices):
        WAITING = "waiting", _("Waiting")
        SENDING = "sending", _("Being sent")
        SENT = "sent", _("Sent")
        FAILED = "failed", _("Given up")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    key = models.CharField(max_length=200, unique=True, help_text=_("Why it is sent, like order-paid-<id>."))
    to = models.EmailField()
    subject = models.CharField(max_length=200)
    text = models.TextField()
    html = models.TextField(blank=True)
    status = models.CharField(max_length=10, choices=Status, default=Status.WAITING)
    attempts = models.PositiveSmallIntegerField(default=0)
    next_attempt_at = models.DateTimeField()
    written_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True, blank=True)
    last_error = models.CharField(max_length=300, blank=True)
    urgency = models.PositiveSmallIntegerField(
        default=0,
        help_text=_("The lower ones leave first: thousands of one act wait behind the others."),
    )

    objects: ClassVar[LetterQuerySet] = LetterQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="a_sent_letter_says_when", condition=~Q(status="sent") | Q(sent_at__isnull=False)
            )
        ]
        indexes = [
            models.Index(
                fields=["urgency", "next_attempt_at"],
                name="letters_to_send",
                condition=Q(status__in=["waiting", "sending"]),
            )
        ]
