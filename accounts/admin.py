from collections.abc import Callable
from functools import wraps
from typing import Any, cast

from allauth.account import admin as _account  # noqa: F401 -- so that it has registered what is taken away
from allauth.account.decorators import secure_admin_login
from allauth.account.models import EmailAddress
from allauth.mfa import admin as _mfa  # noqa: F401 -- so that it has registered what is taken away below
from allauth.mfa.models import Authenticator
from django.contrib import admin
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import HttpRequest
from django.utils.timezone import now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from accounts import audit, factor, mail
from accounts.models import AuditEntry, Letter, User

TRUST = ("is_staff", "is_finance", "is_superuser", "is_active")


def _may_enter(request: HttpRequest) -> bool:
    """Say who may see the admin: staff who used their second factor, since money is to be seen there."""
    return request.user.is_active and request.user.is_staff and factor.was_used(request)


admin.site.site_header = admin.site.site_title = "Stagedoor"
admin.site.login = factor.second_factor_required(secure_admin_login(admin.site.login))  # type: ignore[method-assign,assignment]
admin.site.has_permission = _may_enter  # type: ignore[method-assign]
_admin_view = admin.site.admin_view


def _view_of_staff(view: Callable[..., Any], cacheable: bool = False) -> Callable[..., Any]:  # noqa: FBT001, FBT002 -- Django's signature
    """Let staff look as long as they are signed in with their factor, and act within ten minutes of it."""
    inner = _admin_view(view, cacheable)
    if view == admin.site.logout:  # whoever leaves need show nothing
        return inner

    @wraps(inner)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        if _may_enter(request) and request.method not in factor.SAFE and not factor.is_fresh(request):
            return factor.ask(request)
        return inner(request, *args, **kwargs)

    vars(guarded)["asks_factor"] = "to act"
    return guarded


admin.site.admin_view = _view_of_staff  # type: ignore[method-assign,assignment]
admin.site.unregister(Authenticator)  # its form shows, and lets change, what a second factor is made of
admin.site.unregister(EmailAddress)  # whoever changes somebody's address opens their account


class ReadOnlyAdmin(admin.ModelAdmin[Any]):
    def has_add_permission(self, _request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, _request: HttpRequest, _obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, _request: HttpRequest, _obj: Any = None) -> bool:
        return False


@admin.register(User)
class UserAdmin(admin.ModelAdmin[User]):
    """People come and go by themselves; here staff give and take trust, and that is audited."""

    list_display = ("handle", "name", "email", "is_staff", "is_finance", "is_active", "date_joined")
    list_filter = ("is_staff", "is_finance", "is_active")
    search_fields = ("handle", "email", "name")
    fields = ("handle", "name", "email", *TRUST, "groups", "date_joined", "last_login", "closed_at")
    readonly_fields = ("email", "date_joined", "last_login", "closed_at")
    filter_horizontal = ("groups",)

    def has_add_permission(self, _request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, _request: HttpRequest, _obj: User | None = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: User, form: ModelForm[User], change: bool) -> None:  # noqa: FBT001 -- Django's signature
        super().save_model(request, obj, form, change)
        if form.changed_data:
            trust = {field: getattr(obj, field) for field in TRUST if field in form.changed_data}
            audit.record(
                actor=cast("User", request.user),
                verb="account-changed",
                subject=obj,
                details={"changed": form.changed_data, **trust},
                at=now(),
            )


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnlyAdmin):
    list_display = ("at", "actor", "verb", "subject_kind", "subject_id", "reason")
    list_filter = ("verb", "subject_kind")
    list_select_related = ("actor",)
    search_fields = ("subject_id", "actor__handle", "reason")
    date_hierarchy = "at"
    show_full_result_count = False


@admin.register(Letter)
class LetterAdmin(ReadOnlyAdmin):
    """What left and what did not. The words are not shown: a letter may hold a sign-in code."""

    list_display = ("written_at", "key", "to", "status", "attempts", "sent_at", "last_error")
    list_filter = ("status",)
    search_fields = ("key", "to")
    fields = ("key", "to", "status", "attempts", "written_at", "next_attempt_at", "sent_at", "last_error")
    show_full_result_count = False
    actions = ("send_again",)

    @admin.action(description=_("Send again what was given up"))
    def send_again(self, request: HttpRequest, letters: QuerySet[Letter]) -> None:
        count = sum(mail.send_again(letter=letter, at=now()) for letter in letters)
        words = ngettext("%d letter goes out again.", "%d letters go out again.", count)
        self.message_user(request, words % count)
