"""The pages that Stripe hosts: where a buyer pays, and where a payee tells Stripe about themselves."""

import re
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.templating import Jinja2Templates

from payments.sandbox import cards, clock, connect, paying
from payments.sandbox.cards import Declined
from payments.sandbox.expand import session_lines
from payments.sandbox.shapes import Body, priced
from payments.sandbox.state import Row
from payments.sandbox.webhooks import Courier
from payments.sandbox.world import World

_PATIENCE_SECONDS = 10.0  # Checkout waits this long for the webhook's 2xx before it sends the buyer on
_IBAN = re.compile(r"[A-Z]{2}\d{2}[A-Z0-9]{8,30}")
_POLICY = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'",
    "Referrer-Policy": "no-referrer",
}
_COUNTRIES = {
    "AT": "Austria",
    "BE": "Belgium",
    "CH": "Switzerland",
    "DE": "Germany",
    "DK": "Denmark",
    "ES": "Spain",
    "FI": "Finland",
    "FR": "France",
    "GB": "United Kingdom",
    "IE": "Ireland",
    "IT": "Italy",
    "NL": "Netherlands",
    "NO": "Norway",
    "PL": "Poland",
    "PT": "Portugal",
    "SE": "Sweden",
    "US": "United States",
}

templates = Jinja2Templates(Path(__file__).parent / "templates")
templates.env.globals["priced"] = priced


def show(request: Request, template: str, *, status: int = 200, **context: Any) -> Response:
    """Return a page, with a policy under which nothing but our own style sheet loads."""
    return templates.TemplateResponse(request, template, context, status_code=status, headers=_POLICY)


class Pages:
    def __init__(self, world: World, courier: Courier) -> None:
        self.world = world
        self.courier = courier

    def routes(self) -> list[BaseRoute]:
        """Return where the pages stand."""
        return [
            Route("/pay/{id}", self.checkout, methods=["GET"]),
            Route("/pay/{id}", self.pay, methods=["POST"]),
            Route("/pay/{id}/confirm", self.confirmation, methods=["GET"]),
            Route("/pay/{id}/confirm", self.confirm, methods=["POST"]),
            Route("/onboard/{account}/{token}", self.onboarding, methods=["GET"]),
            Route("/onboard/{account}/{token}", self.onboard, methods=["POST"]),
        ]

    def _session(self, request: Request) -> Row | None:
        clock.catch_up(self.world)
        row = self.world.state.find(request.path_params["id"])
        return row if row and row.kind == "checkout.session" else None

    async def checkout(self, request: Request) -> Response:
        """Show what is sold, and ask for a card."""
        session = self._session(request)
        if session is None:
            return show(request, "missing.html", status=404)
        return self._checkout_page(request, session)

    def _checkout_page(
        self, request: Request, session: Row, *, email: str = "", name: str = "", error: str = ""
    ) -> Response:
        body = session.body
        if body["status"] != "open":
            return show(request, "closed.html", session=body, onward=_success_url(body), status=410)
        lines = session_lines(self.world.state, body)["data"]
        return show(
            request,
            "checkout.html",
            status=402 if error else 200,
            session=body,
            lines=lines,
            total=priced(body["amount_total"], body["currency"]),
            every=_rhythm(lines),
            known_email=(body["customer_details"] or {}).get("email"),
            email=email,
            name=name,
            error=error,
            takes_debits="sepa_debit" in body["payment_method_types"],
            test_cards=[card for card in cards.CARDS.values() if card.type in body["payment_method_types"]],
        )

    async def pay(self, request: Request) -> Response:
        """Take the card, and send the buyer on."""
        session = self._session(request)
        if session is None:
            return show(request, "missing.html", status=404)
        form = await request.form()
        known = (session.body["customer_details"] or {}).get("email")
        email, name = known or str(form.get("email", "")).strip(), str(form.get("name", "")).strip()
        if "@" not in email:
            return self._checkout_page(
                request, session, email=email, name=name, error="Enter your e-mail address."
            )
        number = str(form.get("number", ""))
        try:
            must_confirm = paying.pay(self.world, session, number=number, email=email, name=name or None)
        except Declined as declined:
            return self._checkout_page(request, session, email=email, name=name, error=str(declined))
        except paying.NotOpen:
            return self._checkout_page(request, session)
        if must_confirm:
            return RedirectResponse(f"/pay/{session.id}/confirm", 303)
        return await self._onward(session)

    async def confirmation(self, request: Request) -> Response:
        """Ask the buyer to confirm, as the bank's page would."""
        session = self._session(request)
        if session is None or "payer" not in session.hidden:
            return show(request, "missing.html", status=404)
        body = session.body
        if body["status"] != "open":
            return self._checkout_page(request, session)
        return show(
            request, "confirm.html", session=body, total=priced(body["amount_total"], body["currency"])
        )

    async def confirm(self, request: Request) -> Response:
        """Take the buyer's answer to the bank."""
        session = self._session(request)
        if session is None or "payer" not in session.hidden:
            return show(request, "missing.html", status=404)
        authenticated = (await request.form()).get("answer") == "complete"
        payer = session.hidden["payer"]
        try:
            paying.answer_confirmation(self.world, session, authenticated=authenticated)
        except Declined as declined:
            return self._checkout_page(
                request, session, email=payer["email"], name=payer["name"] or "", error=str(declined)
            )
        except paying.NotOpen:
            return self._checkout_page(request, session)
        return await self._onward(session)

    async def _onward(self, session: Row) -> Response:
        """Send the buyer to the shop once it has heard of the payment, or after ten seconds."""
        event = next(
            row
            for row in self.world.state.all("event")
            if row.body["type"] == "checkout.session.completed"
            and row.body["data"]["object"]["id"] == session.id
        )
        if self.courier.is_sending:
            await self.courier.wait_for(event.id, _PATIENCE_SECONDS)
        return RedirectResponse(_success_url(session.body), 303)

    async def onboarding(self, request: Request) -> Response:
        """Ask the payee who they are; a link works once."""
        account, token = request.path_params["account"], request.path_params["token"]
        try:
            link = connect.find_link(self.world, account, token)
        except connect.LinkSpent:
            return show(request, "missing.html", status=404)
        try:
            connect.open_link(self.world, link)
        except connect.LinkSpent:
            return RedirectResponse(link.hidden["refresh_url"], 303)
        return self._onboarding_page(request, link, {}, {})

    def _onboarding_page(self, request: Request, link: Row, given: Body, errors: Body) -> Response:
        account = self.world.state.get("account", link.body["account"]).body
        return show(
            request,
            "onboard.html",
            status=422 if errors else 200,
            account=account,
            countries=_COUNTRIES,
            given={"country": account["country"], "name": account["business_profile"]["name"]} | given,
            errors=errors,
        )

    async def onboard(self, request: Request) -> Response:
        """Take what the payee wrote, or let them go on later."""
        try:
            link = connect.find_link(self.world, request.path_params["account"], request.path_params["token"])
        except connect.LinkSpent:
            return show(request, "missing.html", status=404)
        form = await request.form()
        if form.get("answer") != "later":
            given = {name: str(form.get(name, "")).strip() for name in ("name", "country", "iban")}
            if errors := _mistakes(given):
                return self._onboarding_page(request, link, given, errors)
            connect.finish(self.world, self.world.state.get("account", link.body["account"]), **given)
        return RedirectResponse(link.hidden["return_url"], 303)


def _mistakes(given: Body) -> dict[str, str]:
    errors = {}
    if not given["name"]:
        errors["name"] = "Enter your full name."
    if given["country"] not in _COUNTRIES:
        errors["country"] = "Choose your country."
    if _IBAN.fullmatch("".join(given["iban"].split()).upper()) is None:
        errors["iban"] = "Enter an IBAN, for example DE89 3704 0044 0532 0130 00."
    return errors


def _success_url(body: Body) -> str:
    url = str(body["success_url"])
    for placeholder in ("{CHECKOUT_SESSION_ID}", "%7BCHECKOUT_SESSION_ID%7D"):
        url = url.replace(placeholder, body["id"])
    return url


def _rhythm(lines: list[Body]) -> str:
    """Return "per month" or the like, if anything here comes again."""
    for line in lines:
        if recurring := line["price"]["recurring"]:
            count, interval = recurring["interval_count"], recurring["interval"]
            return f"per {interval}" if count == 1 else f"every {count} {interval}s"
    return ""
