"""Lists and single objects: what most GET endpoints share."""

from collections.abc import Callable
from typing import Any

from payments.sandbox.errors import no_such
from payments.sandbox.shapes import Body, as_list
from payments.sandbox.state import Row
from payments.sandbox.world import Call, Handler, World

_COMPARE: dict[str, Callable[[int, int], bool]] = {
    "gt": lambda at, bound: at > bound,
    "gte": lambda at, bound: at >= bound,
    "lt": lambda at, bound: at < bound,
    "lte": lambda at, bound: at <= bound,
}


def retrieve(kind: str) -> Handler:
    """Return the handler that answers with one object of the caller's account."""

    def handler(world: World, call: Call) -> Body:
        return world.state.get(kind, call.ids["id"], account=call.account).body

    return handler


def listing(kind: str, *filters: str) -> Handler:
    """Return the handler that lists the caller's objects; each filter is a parameter named like its field."""

    def handler(world: World, call: Call) -> Body:
        rows = world.state.of(kind, account=call.account)
        wanted = {name: call.params[name] for name in filters if name in call.params}
        return page(call, [row for row in rows if _fits(row, wanted)])

    return handler


def _fits(row: Row, wanted: dict[str, Any]) -> bool:
    return all(row.body[name] == value for name, value in wanted.items())


def page(call: Call, rows: list[Row]) -> Body:
    """Return Stripe's list of these rows, newest first, cut by `created`, `starting_after` and `limit`."""
    if "created" in call.params:
        rows = [row for row in rows if is_within(row.body["created"], call.params["created"])]
    limit = call.params.get("limit", 10)
    if "ending_before" in call.params:
        newer = rows[: _place(rows, call, "ending_before")]
        shown, has_more = newer[-limit:], len(newer) > limit
    else:
        start = _place(rows, call, "starting_after") + 1 if "starting_after" in call.params else 0
        shown, has_more = rows[start : start + limit], len(rows) > start + limit
    return as_list([row.body for row in shown], call.path, has_more=has_more)


def _place(rows: list[Row], call: Call, param: str) -> int:
    identity = call.params[param]
    for place, row in enumerate(rows):
        if row.id == identity:
            return place
    raise no_such("object", identity, param=param, status=400)


def is_within(at: int, bounds: int | dict[str, int]) -> bool:
    """Say whether a time is the one asked for, or lies within the range asked for."""
    if isinstance(bounds, int):
        return at == bounds
    return all(_COMPARE[name](at, bound) for name, bound in bounds.items())
