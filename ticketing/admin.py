"""For support to look things up. What changes money, seats or a status has its own way and its own checks."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from ticketing.models import Event, Order, Ticket, TicketType


class LookOnly:
    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        del request, obj
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        del request, obj
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        del request, obj
        return False


class TicketTypeInline(LookOnly, admin.TabularInline[TicketType, Event]):
    model = TicketType
    fields = ["name", "price_minor", "currency", "capacity", "held", "sold", "members_only", "is_open"]
    extra = 0


class TicketInline(LookOnly, admin.TabularInline[Ticket, Order]):
    model = Ticket
    fields = ["ticket_type", "holder", "status", "price_minor", "currency"]
    extra = 0


@admin.register(Event)
class EventAdmin(LookOnly, admin.ModelAdmin[Event]):
    list_display = ["title", "club", "status", "delivery", "starts_at"]
    list_filter = ["status", "delivery"]
    list_select_related = ["club"]
    search_fields = ["title", "slug", "club__name"]
    inlines = [TicketTypeInline]


@admin.register(Order)
class OrderAdmin(LookOnly, admin.ModelAdmin[Order]):
    list_display = ["code", "event", "buyer", "status", "total_minor", "currency", "placed_at"]
    list_filter = ["status"]
    list_select_related = ["event", "buyer"]
    search_fields = ["code", "buyer__handle", "buyer__email"]
    inlines = [TicketInline]
