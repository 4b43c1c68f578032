"""Events: what Stripe writes down when something happens, and the deliveries that it thereby owes."""

import copy

from payments.sandbox import lists
from payments.sandbox.fields import as_sent
from payments.sandbox.parameters import EXPAND, PAGE, Flag, Several, Text
from payments.sandbox.shapes import Body, new, new_id
from payments.sandbox.state import Row
from payments.sandbox.world import API_VERSION, Call, Route, World


def emit(world: World, name: str, row: Row, *, before: Body | None = None, at: int | None = None) -> Row:
    """Write down that `name` happened to the row, as it is now, and owe it to each endpoint concerned.

    `before` holds the former values of the fields that changed, for events whose name ends in `updated`.
    """
    account = row.id if row.kind == "account" else row.account
    return emit_about(world, name, row.body, account=account, before=before, at=at)


def emit_about(
    world: World,
    name: str,
    thing: Body,
    *,
    account: str | None,
    before: Body | None = None,
    at: int | None = None,
) -> Row:
    """Write down that `name` happened to an object that no row holds."""
    data: Body = {"object": as_sent(thing, bare=world.switches.leave_out_optional)}
    if before is not None:
        data["previous_attributes"] = copy.deepcopy(before)
    asking = world.asking
    endpoints = [
        place for place in world.endpoints if place.connect == (account is not None) and place.wants(name)
    ]
    body = new(
        "event",
        id=new_id("evt"),
        api_version=world.switches.event_version or API_VERSION,
        created=world.state.now() if at is None else at,
        data=data,
        pending_webhooks=len(endpoints),
        request={
            "id": asking.request_id if asking else None,
            "idempotency_key": asking.idempotency_key if asking else None,
        },
        type=name,
    )
    if account is not None:
        body["account"] = account
    event = world.state.add("event", body, account=account)
    for place in [] if world.switches.named_in("lose", name) else endpoints:
        owed = {"id": new_id("_whd"), "event": event.id, "connect": place.connect}
        world.state.add("_delivery", owed | {"attempts": 0, "status": "waiting", "answer": ""})
    return event


def _is_type(row: Row, wanted: str) -> bool:
    name = str(row.body["type"])
    return name.startswith(wanted[:-1]) if wanted.endswith("*") else name == wanted


def _list(world: World, call: Call) -> Body:
    rows = world.state.of("event", account=call.account)
    if "type" in call.params:
        rows = [row for row in rows if _is_type(row, call.params["type"])]
    if "types" in call.params:
        rows = [row for row in rows if any(_is_type(row, name) for name in call.params["types"])]
    if "delivery_success" in call.params:
        rows = [row for row in rows if (row.body["pending_webhooks"] == 0) == call.params["delivery_success"]]
    return lists.page(call, rows)


ROUTES = [
    Route(
        "GET",
        "/v1/events",
        _list,
        PAGE | {"type": Text(), "types": Several(Text()), "delivery_success": Flag()},
    ),
    Route("GET", "/v1/events/{id}", lists.retrieve("event"), EXPAND),
]
