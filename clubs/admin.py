from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from clubs.models import Club, Invitation, Membership, Officer, Plan


class LookOnly:
    """Clubs are run by their officers, on their own pages and under audit. Staff look."""

    def has_add_permission(self, _request: HttpRequest, _obj: Any = None) -> bool:
        return False

    def has_change_permission(self, _request: HttpRequest, _obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, _request: HttpRequest, _obj: Any = None) -> bool:
        return False


class OfficerInline(LookOnly, admin.TabularInline[Officer, Club]):
    model = Officer
    fields = ("user", "role", "since")


class PlanInline(LookOnly, admin.TabularInline[Plan, Club]):
    model = Plan
    fields = ("name", "price_minor", "currency", "is_open", "created_at")


@admin.register(Club)
class ClubAdmin(LookOnly, admin.ModelAdmin[Club]):
    list_display = ("name", "slug", "currency", "timezone", "created_at")
    list_filter = ("currency",)
    search_fields = ("name", "slug")
    inlines = (OfficerInline, PlanInline)


@admin.register(Membership)
class MembershipAdmin(LookOnly, admin.ModelAdmin[Membership]):
    list_display = ("member", "club", "plan", "status", "paid_until", "ends_at_period_end", "created_at")
    list_filter = ("status", "ends_at_period_end")
    list_select_related = ("member", "club", "plan")
    search_fields = ("member__handle", "member__email", "club__name")
    show_full_result_count = False


@admin.register(Invitation)
class InvitationAdmin(LookOnly, admin.ModelAdmin[Invitation]):
    list_display = ("club", "role", "invited_by", "created_at", "expires_at", "accepted_by", "withdrawn_at")
    list_filter = ("role",)
    list_select_related = ("club", "invited_by", "accepted_by")
    search_fields = ("club__name", "invited_by__handle", "accepted_by__handle")
    exclude = ("token_hash",)
    show_full_result_count = False
