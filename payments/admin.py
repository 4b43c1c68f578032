"""Money is looked at here and changed nowhere: the trades change it, with their checks and their audit."""

from typing import Any

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest

from payments.models import (
    Approval,
    BalanceLine,
    Case,
    Charge,
    Comparison,
    Dispute,
    FeeQuestion,
    LedgerAccount,
    Payee,
    Payout,
    Refund,
    StripeEvent,
    Subscription,
    Transfer,
)


class ReadOnlyAdmin(admin.ModelAdmin[Any]):
    list_per_page = 50
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        del request
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        del request, obj
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        del request, obj
        return False


@admin.register(Payee)
class PayeeAdmin(ReadOnlyAdmin):
    list_display = ("name", "email", "currency", "stripe_account_id", "transfers_active", "below_zero_since")
    list_filter = ("transfers_active", "currency")
    search_fields = ("name", "email", "stripe_account_id")


@admin.register(Charge)
class ChargeAdmin(ReadOnlyAdmin):
    list_display = ("reference", "payee", "amount", "status", "created_at", "paid_at", "released_at")
    list_filter = ("status", "currency")
    list_select_related = ("payee",)
    search_fields = ("reference", "payment_intent_id", "stripe_charge_id", "checkout_id")


@admin.register(FeeQuestion)
class FeeQuestionAdmin(ReadOnlyAdmin):
    list_display = ("charge", "answered_at", "attempts", "next_attempt_at", "last_error", "given_up_at")
    list_select_related = ("charge",)


@admin.register(Case)
class CaseAdmin(ReadOnlyAdmin):
    list_display = ("opened_at", "kind", "cause", "what", "settled_at", "settled_by")
    list_filter = ("kind",)
    list_select_related = ("settled_by",)
    search_fields = ("cause", "stripe_id", "subject_id")


@admin.register(Refund)
class RefundAdmin(ReadOnlyAdmin):
    list_display = ("id", "charge", "amount", "status", "reason", "failure", "created_at")
    list_filter = ("status",)
    list_select_related = ("charge",)
    search_fields = ("stripe_id", "charge__reference")


@admin.register(Dispute)
class DisputeAdmin(ReadOnlyAdmin):
    list_display = ("stripe_id", "charge", "amount", "stripe_status", "withdrawn_at", "reinstated_at")
    list_select_related = ("charge",)
    search_fields = ("stripe_id", "charge__reference")


@admin.register(Subscription)
class SubscriptionAdmin(ReadOnlyAdmin):
    list_display = ("reference", "payee", "amount", "status", "paid_until", "ends_at_period_end")
    list_filter = ("status",)
    list_select_related = ("payee",)
    search_fields = ("reference", "stripe_id")


@admin.register(Payout)
class PayoutAdmin(ReadOnlyAdmin):
    list_display = ("id", "payee", "amount", "status", "requested_at", "reviewed_by", "paid_at", "attempts")
    list_filter = ("status",)
    list_select_related = ("payee", "reviewed_by")
    search_fields = ("stripe_id", "payee__name")


@admin.register(Approval)
class ApprovalAdmin(ReadOnlyAdmin):
    list_display = ("payout", "by", "destination", "at")
    list_select_related = ("payout", "by")


@admin.register(LedgerAccount)
class LedgerAccountAdmin(ReadOnlyAdmin):
    list_display = ("id", "kind", "currency", "payee")
    list_filter = ("kind", "currency")
    list_select_related = ("payee",)


@admin.register(Transfer)
class TransferAdmin(ReadOnlyAdmin):
    list_display = ("id", "at", "reason", "reference", "source", "target", "amount")
    list_filter = ("reason",)
    list_select_related = ("source", "target")
    search_fields = ("reference",)


@admin.register(StripeEvent)
class StripeEventAdmin(ReadOnlyAdmin):
    list_display = (
        "stripe_id",
        "kind",
        "status",
        "received_at",
        "attempts",
        "next_attempt_at",
        "reason",
        "last_error",
    )
    list_filter = ("status", "kind")
    search_fields = ("stripe_id",)


@admin.register(Comparison)
class ComparisonAdmin(ReadOnlyAdmin):
    list_display = ("started_at", "until", "cursor", "read_at", "finished_at", "differences")


@admin.register(BalanceLine)
class BalanceLineAdmin(ReadOnlyAdmin):
    list_display = ("made_at", "kind", "source", "amount_minor", "fee_minor", "currency")
    list_filter = ("kind", "currency")
    search_fields = ("source", "stripe_id")
