"""Subscriptions: begun by a checkout, renewed by the clock, ended by request or by a card that fails."""

import calendar
import datetime as dt
from typing import Any

from payments.sandbox import cards, invoices, lists, money_in
from payments.sandbox.cards import Declined
from payments.sandbox.errors import Refusal
from payments.sandbox.events import emit
from payments.sandbox.parameters import EXPAND, PAGE, Choice, Flag, Group, Labels, Spec, Text, merged
from payments.sandbox.shapes import Body, as_list, new, new_id
from payments.sandbox.state import Row
from payments.sandbox.world import Call, Route, World

_RETRY_SECONDS = 3 * 86_400  # between the attempts to charge a failing card
_MOST_ATTEMPTS = 4
_COMMENTS = ("comment", "feedback", "feedback_option", "reason")


def begin(world: World, session: Row, intent: Row, *, at: int) -> tuple[Row, Row]:
    """Return the subscription that a paid checkout begins, and its first invoice."""
    data, lines = session.hidden["subscription_data"], session.hidden["lines"]
    identity = new_id("sub")
    items = [_item(identity, line, at) for line in lines if line["price"]["type"] == "recurring"]
    body = new(
        "subscription",
        id=identity,
        billing_cycle_anchor=at,
        created=at,
        currency=session.body["currency"],
        customer=session.body["customer"],
        default_payment_method=intent.body["payment_method"],
        description=data.get("description"),
        items=as_list(items, f"/v1/subscription_items?subscription={identity}"),
        metadata=merged({}, data.get("metadata")),
        start_date=at,
    )
    if data.get("billing_mode", {}).get("type") == "classic":
        body["billing_mode"] = {"flexible": None, "type": "classic", "updated_at": None}
    payer = session.hidden["payer"]
    subscription = world.state.add("subscription", body, number=session.hidden["number"], payer=payer)
    emit(world, "customer.subscription.created", subscription, at=at)
    invoice = invoices.draw_up(world, subscription, lines, reason="subscription_create", since=at, at=at)
    world.state.update(subscription, latest_invoice=invoice.id)
    invoices.settle(world, invoice, intent, at=at)
    return subscription, invoice


def _item(subscription: str, line: Body, at: int) -> Body:
    price = line["price"]
    recurring = price["recurring"]
    plan = new(
        "plan",
        id=price["id"],
        active=price["active"],
        amount=price["unit_amount"],
        amount_decimal=price["unit_amount_decimal"],
        created=price["created"],
        currency=price["currency"],
        interval=recurring["interval"],
        interval_count=recurring["interval_count"],
        product=price["product"],
    )
    return new(
        "subscription_item",
        id=new_id("si", 14),
        created=at,
        current_period_end=period_end(at, at, recurring),
        current_period_start=at,
        plan=plan,
        price=price,
        quantity=line["quantity"],
        subscription=subscription,
    )


def period_end(start: int, anchor: int, recurring: Body) -> int:
    """Return when the period that starts at `start` ends; months keep the anchor's day where they have it."""
    count: int = recurring["interval_count"]
    begins = dt.datetime.fromtimestamp(start, dt.UTC)
    match recurring["interval"]:
        case "day":
            return start + count * 86_400
        case "week":
            return start + count * 7 * 86_400
        case "year":
            count *= 12
    year, month = divmod(begins.year * 12 + begins.month - 1 + count, 12)
    day = min(dt.datetime.fromtimestamp(anchor, dt.UTC).day, calendar.monthrange(year, month + 1)[1])
    return int(begins.replace(year=year, month=month + 1, day=day).timestamp())


def renew_due(world: World, at: int) -> None:
    """Renew, end or charge again every subscription whose time has come, in the order of those times."""
    while due := min(_due(world, at), default=None, key=lambda pair: pair[0]):
        moment, identity = due
        _renew(world, world.state.get("subscription", identity), moment)


def _due(world: World, at: int) -> list[tuple[int, str]]:
    moments = []
    for row in world.state.all("subscription"):
        if row.body["status"] == "active":
            moments.append((_ends(row), row.id))
        elif row.body["status"] == "past_due":
            moments.append((row.hidden["retry_at"], row.id))
    return [pair for pair in moments if pair[0] <= at]


def _ends(row: Row) -> int:
    return min(int(item["current_period_end"]) for item in row.body["items"]["data"])


def _renew(world: World, subscription: Row, at: int) -> None:
    if subscription.body["status"] == "past_due":
        invoice = world.state.get("invoice", subscription.body["latest_invoice"])
        _charge(world, subscription, invoice, at)
    elif subscription.body["cancel_at_period_end"]:
        end(world, subscription, at=at)
    else:
        since = min(item["current_period_start"] for item in _items(subscription))
        before = _begin_next_period(world, subscription)
        lines = [{"price": item["price"], "quantity": item["quantity"]} for item in _items(subscription)]
        invoice = invoices.draw_up(
            world, subscription, lines, reason="subscription_cycle", since=since, at=at
        )
        before |= world.state.update(subscription, latest_invoice=invoice.id)
        emit(world, "customer.subscription.updated", subscription, before=before, at=at)
        _charge(world, subscription, invoice, at)


def _items(subscription: Row) -> list[Body]:
    items: list[Body] = subscription.body["items"]["data"]
    return items


def _begin_next_period(world: World, subscription: Row) -> Body:
    anchor = subscription.body["billing_cycle_anchor"]
    items = []
    for item in _items(subscription):
        start = item["current_period_end"]
        end_of_it = period_end(start, anchor, item["price"]["recurring"])
        items.append(item | {"current_period_start": start, "current_period_end": end_of_it})
    return world.state.update(subscription, items=subscription.body["items"] | {"data": items})


def _charge(world: World, subscription: Row, invoice: Row, at: int) -> None:
    """Charge the card on file for an invoice; a refused card makes the subscription past due."""
    body, payer = subscription.body, subscription.hidden["payer"]
    card, intent = cards.read(subscription.hidden["number"]), invoices.intent_of(world, invoice, at)
    try:
        if world.switches.decline_renewals:
            refused = Declined("Your card was declined.", decline_code="generic_decline")
            invoices.attach(world, intent, body["default_payment_method"])
            money_in.fail(world, intent, card, payer, refused, at=at)
            raise refused
        money_in.confirm(world, intent, card, payer, at=at, confirmed=True)
    except Declined:
        _fall_behind(world, subscription, invoice, at)
        return
    invoices.settle(world, invoice, intent, at=at)
    if before := world.state.update(subscription, status="active"):
        emit(world, "customer.subscription.updated", subscription, before=before, at=at)


def catch_up(world: World, invoice: Row, *, at: int) -> None:
    """Let the subscription of an invoice that was paid elsewhere run on."""
    subscription = world.state.get(
        "subscription", invoice.body["parent"]["subscription_details"]["subscription"]
    )
    if subscription.body["status"] == "past_due":
        before = world.state.update(subscription, status="active")
        emit(world, "customer.subscription.updated", subscription, before=before, at=at)


def _fall_behind(world: World, subscription: Row, invoice: Row, at: int) -> None:
    is_last = invoice.body["attempt_count"] + 1 >= _MOST_ATTEMPTS
    next_attempt = None if is_last else at + _RETRY_SECONDS
    invoices.note_failure(world, invoice, next_attempt=next_attempt, at=at)
    if is_last:
        end(world, subscription, at=at, reason="payment_failed")
        return
    world.state.remember(subscription, retry_at=next_attempt)
    if before := world.state.update(subscription, status="past_due"):
        emit(world, "customer.subscription.updated", subscription, before=before, at=at)


def end(world: World, subscription: Row, *, at: int, reason: str | None = None) -> None:
    """End a subscription for good."""
    details = subscription.body["cancellation_details"]
    world.state.update(
        subscription,
        canceled_at=subscription.body["canceled_at"] or at,
        cancellation_details=details | ({"reason": reason} if reason else {}),
        ended_at=at,
        status="canceled",
    )
    emit(world, "customer.subscription.deleted", subscription, at=at)


def _live(world: World, call: Call) -> Row:
    subscription = world.state.get("subscription", call.ids["id"], account=call.account)
    if subscription.body["status"] == "canceled":
        raise Refusal(
            "A canceled subscription can only update its cancellation_details and metadata.", param="id"
        )
    return subscription


def cancel_at_period_end(world: World, subscription: Row, *, cancel: bool, **changes: Any) -> None:
    """Let a subscription end with its paid period, or go on after all; `changes` are set along with it."""
    at, details = world.state.now(), changes.pop("cancellation_details", {})
    reason = {"reason": "cancellation_requested" if cancel else None}
    _change(
        world,
        subscription,
        cancel_at=_ends(subscription) if cancel else None,
        cancel_at_period_end=cancel,
        canceled_at=at if cancel else None,
        cancellation_details=subscription.body["cancellation_details"] | details | reason,
        **changes,
    )


def _change(world: World, subscription: Row, **changes: Any) -> None:
    before = world.state.update(subscription, **changes)
    if before:
        emit(world, "customer.subscription.updated", subscription, before=before)


def _update(world: World, call: Call) -> Body:
    subscription = _live(world, call)
    changes = {name: value for name, value in call.params.items() if name != "expand"}
    if "metadata" in changes:
        changes["metadata"] = merged(subscription.body["metadata"], changes["metadata"])
    if "cancel_at_period_end" in changes:
        cancel_at_period_end(world, subscription, cancel=changes.pop("cancel_at_period_end"), **changes)
    else:
        if "cancellation_details" in changes:
            details = subscription.body["cancellation_details"]
            changes["cancellation_details"] = details | changes["cancellation_details"]
        _change(world, subscription, **changes)
    return subscription.body


def _cancel(world: World, call: Call) -> Body:
    subscription = _live(world, call)
    comments = call.params.get("cancellation_details", {})
    details = dict.fromkeys(_COMMENTS) | subscription.body["cancellation_details"] | comments
    world.state.update(subscription, cancellation_details=details)
    end(world, subscription, at=world.state.now(), reason="cancellation_requested")
    return subscription.body


def _list(world: World, call: Call) -> Body:
    rows = world.state.of("subscription", account=call.account)
    wanted = call.params.get("status")
    if wanted is None:
        rows = [row for row in rows if row.body["status"] != "canceled"]
    elif wanted not in {"all", "ended"}:
        rows = [row for row in rows if row.body["status"] == wanted]
    elif wanted == "ended":
        rows = [row for row in rows if row.body["ended_at"] is not None]
    if "customer" in call.params:
        rows = [row for row in rows if row.body["customer"] == call.params["customer"]]
    if "price" in call.params:
        price = call.params["price"]
        rows = [row for row in rows if price in {item["price"]["id"] for item in _items(row)}]
    return lists.page(call, rows)


_FEEDBACK = (
    "customer_service",
    "low_quality",
    "missing_features",
    "other",
    "switched_service",
    "too_complex",
    "too_expensive",
    "unused",
)
_DETAILS: Spec = {
    "cancellation_details": Group({"comment": Text(clears=True), "feedback": Choice(_FEEDBACK)}),
}
_STATUSES = ("active", "all", "canceled", "ended", "past_due")
ROUTES = [
    Route(
        "GET",
        "/v1/subscriptions",
        _list,
        PAGE | {"customer": Text(), "price": Text(), "status": Choice(_STATUSES)},
    ),
    Route("GET", "/v1/subscriptions/{id}", lists.retrieve("subscription"), EXPAND),
    Route(
        "POST",
        "/v1/subscriptions/{id}",
        _update,
        EXPAND
        | _DETAILS
        | {"cancel_at_period_end": Flag(), "description": Text(clears=True), "metadata": Labels()},
    ),
    Route(
        "DELETE",
        "/v1/subscriptions/{id}",
        _cancel,
        EXPAND | _DETAILS | {"invoice_now": Flag(), "prorate": Flag()},
    ),
]
