"""Staff see that a room was open and what was delivered. Who sits where is not theirs to see."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from rooms.models import DeliveryFact, Room


class LookOnly:
    """Rooms move by their own rules; staff look."""

    def has_add_permission(self, _request: HttpRequest, _obj: Any = None) -> bool:
        return False

    def has_change_permission(self, _request: HttpRequest, _obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, _request: HttpRequest, _obj: Any = None) -> bool:
        return False


@admin.register(Room)
class RoomAdmin(LookOnly, admin.ModelAdmin[Room]):
    list_display = ("event", "status", "opened_at", "closed_at", "host_gone_at", "frame_ms", "music")
    list_filter = ("status",)
    list_select_related = ("event",)
    search_fields = ("event__title", "event__slug")


@admin.register(DeliveryFact)
class DeliveryFactAdmin(LookOnly, admin.ModelAdmin[DeliveryFact]):
    list_display = ("event", "kind", "seconds", "first_at", "last_at")
    list_filter = ("kind",)
    list_select_related = ("event",)
    search_fields = ("event__title", "event__slug")
