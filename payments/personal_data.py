"""What the books hold about a person: what they paid and asked for stays, without saying who they were."""

from typing import Any

from django.db.models import F, Func, Model, Value
from django.db.models.fields.json import JSONField

from accounts.models import User
from accounts.personal_data import LONGEST_LIST, Traces, exports, forgets
from payments.models import Approval, Case, Charge, Interest, Payout, Refund, Reply, Subscription


def _rows(model: type[Model], *fields: str, **whose: User) -> list[dict[str, Any]]:
    found = model._default_manager.filter(**whose).order_by("pk").values(*fields)  # noqa: SLF001 -- Django's name
    return [dict(row) for row in found[:LONGEST_LIST]]


@exports("payments")
def _payments(*, user: User) -> list[dict[str, Any]]:
    fields = ("description", "amount_minor", "currency", "status", "created_at", "paid_at")
    return _rows(Charge, *fields, buyer=user)


@exports("subscriptions")
def _subscriptions(*, user: User) -> list[dict[str, Any]]:
    fields = ("description", "amount_minor", "currency", "status", "created_at", "paid_until", "ended_at")
    return _rows(Subscription, *fields, buyer=user)


@exports("payouts_asked_for")
def _payouts(*, user: User) -> list[dict[str, Any]]:
    return _rows(Payout, "amount_minor", "currency", "status", "requested_at", requested_by=user)


@exports("payouts_reviewed")
def _reviews(*, user: User) -> dict[str, Any]:
    return {
        "decided": _rows(Payout, "status", "reason", "requested_at", reviewed_by=user),
        "approved": _rows(Approval, "payout_id", "at", by=user),
        "cases_settled": _rows(Case, "kind", "what", "note", settled_by=user),
    }


@exports("payouts_answered")
def _replies(*, user: User) -> list[dict[str, Any]]:
    return _rows(Reply, "payout_id", "text", "document_name", "at", by=user)


@exports("interests")
def _interests(*, user: User) -> list[dict[str, Any]]:
    return _rows(Interest, "payee__name", "since", "until", user=user)


@exports("refunds_asked_for")
def _refunds(*, user: User) -> list[dict[str, Any]]:
    return _rows(Refund, "amount_minor", "currency", "reason", "status", "created_at", asked_by=user)


@forgets
def _forget(*, user: User, traces: Traces) -> None:
    """Take the person out of what Stripe was asked and of the words beside their payments."""
    without_address = Func(
        F("checkout_request"), Value("customer_email"), template="%(expressions)s", arg_joiner=" - ",
        output_field=JSONField(),
    )  # fmt: skip
    for bought in (Charge, Subscription):
        bought._default_manager.filter(buyer=user).update(checkout_request=without_address)  # noqa: SLF001 -- as above
    for words in ("last_error", "checkout_url"):
        for bought in (Charge, Subscription):
            named = bought._default_manager.filter(traces.in_text(words), buyer=user)  # noqa: SLF001 -- as above
            named.update(**{words: ""})
    Refund.objects.filter(traces.in_text("reason")).update(reason=traces.left_out("reason"))
    Payout.objects.filter(traces.in_text("reason")).update(reason=traces.left_out("reason"))
    for words in ("what", "note"):
        Case.objects.filter(traces.in_text(words)).update(**{words: traces.left_out(words)})
