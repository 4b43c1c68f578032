"""The developer's desk at /_stand_in/: what Stripe knows, and the switches."""

import datetime as dt
import json
import re
from typing import Any

from markupsafe import Markup, escape
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from payments.sandbox import by_hand, clock
from payments.sandbox.errors import Refusal
from payments.sandbox.pages import show, templates
from payments.sandbox.shapes import Body, priced
from payments.sandbox.switches import Failure, Switches, UnknownSwitch
from payments.sandbox.webhooks import Courier
from payments.sandbox.world import World

_PAGE = 25
_SHORT = 8  # on the desk itself, so that the switches stay in reach


def _moment(seconds: int) -> str:
    return f"{dt.datetime.fromtimestamp(seconds, dt.UTC):%Y-%m-%d %H:%M:%S} UTC"


def _words(name: str) -> str:
    return name.replace("_", " ").replace(".", " ").capitalize().replace("Api ", "API ")


def _shortened(identity: str) -> str:
    return identity if len(identity) <= 18 else f"{identity[:10]}…{identity[-6:]}"


def _worth(body: Body) -> str:
    amount = body.get("amount", body.get("amount_total", body.get("unit_amount", body.get("total"))))
    return "—" if amount is None or not body.get("currency") else priced(amount, body["currency"])


templates.env.filters |= {"moment": _moment, "shortened": _shortened, "words": _words, "worth": _worth}


class Desk:
    def __init__(self, world: World, courier: Courier) -> None:
        self.world = world
        self.courier = courier

    def routes(self) -> list[BaseRoute]:
        """Return where the desk stands."""
        return [
            Route("/", self.home, methods=["GET"]),
            Route("/_stand_in/", self.home, methods=["GET"]),
            Route("/_stand_in/kinds/{kind}", self.kind, methods=["GET"]),
            Route("/_stand_in/objects/{id}", self.thing, methods=["GET"]),
            Route("/_stand_in/switches", self.switches, methods=["GET", "POST"]),
            Route("/_stand_in/clock", self.clock, methods=["POST"]),
            Route("/_stand_in/deliver", self.deliver, methods=["POST"]),
            Route("/_stand_in/acts/{act}", self.act, methods=["POST"]),
        ]

    async def home(self, request: Request) -> Response:
        """Show how much there is of each kind, what waits to be delivered, the switches and the clock."""
        kinds = {name: count for name, count in self.world.state.kinds().items() if not name.startswith("_")}
        undelivered = [row for row in self.world.state.all("_delivery") if row.body["status"] != "delivered"]
        events = [(row, self.world.state.find(row.body["event"])) for row in undelivered[:_SHORT]]
        return show(
            request,
            "desk.html",
            kinds=sorted(kinds.items()),
            events=events,
            undelivered=len(undelivered),
            switches=self.world.switches.as_dict(),
            now=self.world.state.now(),
        )

    async def kind(self, request: Request) -> Response:
        """Show the objects of one kind, newest first."""
        kind = request.path_params["kind"]
        rows = [] if kind.startswith("_") else self.world.state.all(kind)
        number = _page_number(request)
        pages = max(1, -(-len(rows) // _PAGE))
        shown = rows[(number - 1) * _PAGE : number * _PAGE]
        return show(request, "kind.html", kind=kind, rows=shown, number=number, pages=pages, count=len(rows))

    async def thing(self, request: Request) -> Response:
        """Show one object as the API gives it, and the events about it."""
        row = self.world.state.find(request.path_params["id"])
        if row is None or row.kind.startswith("_"):
            return show(request, "missing.html", status=404)
        events = [
            event
            for event in self.world.state.all("event")
            if event.body["data"]["object"].get("id") == row.id
        ]
        return show(request, "object.html", row=row, text=self._linked(row.body), events=events[:_PAGE])

    def _linked(self, body: Body) -> Markup:
        """Return an object as JSON in which the id of every other object is a link to it."""

        def link(found: re.Match[str]) -> str:
            other = self.world.state.find(found[1])
            is_shown = other and not other.kind.startswith("_") and found[1] != body.get("id")
            return f'"<a href="/_stand_in/objects/{found[1]}">{found[1]}</a>"' if is_shown else found[0]

        plain = str(escape(json.dumps(body, indent=2, ensure_ascii=False))).replace("&#34;", '"')
        return Markup(re.sub(r'"(\w+_\w+)"', link, plain))  # noqa: S704 -- escaped above; links are ours

    async def switches(self, request: Request) -> Response:
        """Tell the switches, or turn some: from JSON, or from the desk's form."""
        if request.method == "GET":
            return JSONResponse(self.world.switches.as_dict())
        is_form = not request.headers.get("Content-Type", "").startswith("application/json")
        try:
            self.world.switches.turn(await self._form_settings(request) if is_form else await request.json())
        except (UnknownSwitch, ValueError) as error:
            return JSONResponse({"error": str(error)}, 400)
        return _back() if is_form else JSONResponse(self.world.switches.as_dict())

    async def _form_settings(self, request: Request) -> dict[str, Any]:
        form = await request.form()
        settings: dict[str, Any] = {}
        for name, standard in Switches().as_dict().items():
            if isinstance(standard, bool):
                settings[name] = name in form
            elif isinstance(standard, str):
                settings[name] = str(form.get(name, standard))
            elif isinstance(standard, (int, float)):
                settings[name] = type(standard)(str(form.get(name, standard)))
        if form.get("fail_status"):
            coming = Failure(
                method=str(form.get("fail_method", "POST")),
                path_prefix=str(form.get("fail_path", "/v1/")),
                status=int(str(form["fail_status"])),
                after="fail_after" in form,
            )
            settings["fail_next"] = [*self.world.switches.fail_next, coming]
        return settings

    async def clock(self, request: Request) -> Response:
        """Put the clock forward."""
        is_form = not request.headers.get("Content-Type", "").startswith("application/json")
        given = (await request.form()) if is_form else (await request.json())
        try:
            seconds = int(str(given.get("advance_seconds", "")))
        except ValueError:
            seconds = 0
        if seconds <= 0:
            return JSONResponse({"error": "advance_seconds takes a whole number of seconds above 0."}, 400)
        clock.advance(self.world, seconds, alone=True)
        return _back() if is_form else JSONResponse({"now": self.world.state.now()})

    async def act(self, request: Request) -> Response:
        """Do what people do at Stripe by hand: its arguments as JSON, what it made or changed as answer."""
        clock.catch_up(self.world)
        try:
            made = by_hand.do(self.world, request.path_params["act"], await request.json())
        except (by_hand.UnknownAct, ValueError) as error:
            return JSONResponse({"error": str(error)}, 400)
        except Refusal as refusal:
            return JSONResponse({"error": refusal.error}, refusal.status)
        return JSONResponse(made)

    async def deliver(self, request: Request) -> Response:
        """Send what waits, and what was given up, now."""
        for row in self.world.state.all("_delivery"):
            if row.body["status"] == "given up":
                self.courier.retry(row)
        accepted = await self.courier.deliver()
        is_form = not request.headers.get("Content-Type", "").startswith("application/json")
        return _back() if is_form else JSONResponse({"accepted": accepted})


def _back() -> Response:
    return RedirectResponse("/_stand_in/", 303)


def _page_number(request: Request) -> int:
    number = request.query_params.get("page", "1")
    return max(1, int(number)) if number.isdecimal() else 1
