"""Connected accounts and the links by which their owners tell Stripe about themselves."""

from payments.sandbox import lists
from payments.sandbox.errors import Refusal
from payments.sandbox.events import emit, emit_about
from payments.sandbox.parameters import (
    EXPAND,
    PAGE,
    Choice,
    Flag,
    Group,
    Labels,
    Spec,
    Text,
    Whole,
    merged,
    one_of,
)
from payments.sandbox.shapes import Body, as_list, new, new_id
from payments.sandbox.state import Row
from payments.sandbox.world import Call, Route, World

LINK_SECONDS = 300
_NEEDED = ["business_type", "external_account", "individual.first_name", "tos_acceptance.date"]
_COUNTRY_CURRENCY = {
    "CH": "chf",
    "DK": "dkk",
    "GB": "gbp",
    "JP": "jpy",
    "NO": "nok",
    "PL": "pln",
    "SE": "sek",
    "US": "usd",
}


class LinkSpent(Exception):
    """The account link was used before, has expired, or never was."""


def _create(world: World, call: Call) -> Body:
    given, at = call.params, world.state.now()
    one_of(given, "type", "controller")
    identity, country = new_id("acct", 16), given.get("country", "IE").upper()
    wanted = {name for name, asked in given.get("capabilities", {}).items() if asked.get("requested")}
    body = new(
        "account",
        id=identity,
        business_type=given.get("business_type"),
        capabilities=dict.fromkeys(sorted(wanted), "inactive"),
        country=country,
        created=at,
        default_currency=given.get("default_currency", _COUNTRY_CURRENCY.get(country, "eur")),
        email=given.get("email"),
        external_accounts=as_list([], f"/v1/accounts/{identity}/external_accounts"),
        metadata=merged({}, given.get("metadata")),
    )
    body["type"] = given.get("type") or _type_for(given.get("controller", {}))
    body["controller"] = _controller(body["controller"], given.get("controller", {}))
    body["business_profile"] |= given.get("business_profile", {})
    body["requirements"] |= {
        "currently_due": _NEEDED,
        "eventually_due": _NEEDED,
        "past_due": _NEEDED,
        "disabled_reason": "requirements.past_due",
    }
    _set_schedule(body, given)
    return world.state.add("account", body).body


def _type_for(controller: Body) -> str:
    dashboard = controller.get("stripe_dashboard", {}).get("type", "full")
    return {"express": "express", "full": "standard"}.get(dashboard, "none")


def _controller(default: Body, given: Body) -> Body:
    return {
        name: value | given[name] if isinstance(value, dict) and name in given else given.get(name, value)
        for name, value in default.items()
    }


def _set_schedule(body: Body, given: Body) -> None:
    payouts = given.get("settings", {}).get("payouts", {})
    body["settings"]["payouts"]["schedule"] |= payouts.get("schedule", {})


def ours(world: World, identity: str) -> Row:
    """Return a connected account; refuse one that is not, or no longer, connected to the platform."""
    row = world.state.find(identity)
    if row is None or row.kind != "account" or row.hidden.get("gone"):
        raise Refusal(
            f"The provided key does not have access to account '{identity}' (or that account does not "
            "exist). Application access may have been revoked.",
            status=403,
            code="account_invalid",
            executed=False,
        )
    return row


def _retrieve(world: World, call: Call) -> Body:
    return ours(world, call.ids["id"]).body


def _list(world: World, call: Call) -> Body:
    return lists.page(call, [row for row in world.state.of("account") if not row.hidden.get("gone")])


def _update(world: World, call: Call) -> Body:
    account, given = ours(world, call.ids["id"]), call.params
    body = account.body
    settings = {**body["settings"], "payouts": {**body["settings"]["payouts"]}}
    settings["payouts"]["schedule"] = dict(settings["payouts"]["schedule"])
    changed: Body = {"settings": settings}
    _set_schedule(changed, given)
    for name in ("business_type", "default_currency", "email"):
        if name in given:
            changed[name] = given[name]
    if "metadata" in given:
        changed["metadata"] = merged(body["metadata"], given["metadata"])
    if "business_profile" in given:
        changed["business_profile"] = body["business_profile"] | given["business_profile"]
    if "capabilities" in given:
        state = "active" if body["details_submitted"] else "inactive"
        asked = {name for name, wish in given["capabilities"].items() if wish.get("requested")}
        changed["capabilities"] = dict.fromkeys(asked, state) | body["capabilities"]
    before = world.state.update(account, **changed)
    if before:
        emit(world, "account.updated", account, before=before)
    return body


def _link(world: World, call: Call) -> Body:
    given, at = call.params, world.state.now()
    account = ours(world, given["account"])
    if given["type"] == "account_update":
        raise Refusal(
            "You cannot create `account_update` type Account Links for this account. You can only create "
            "Account Links of this type for accounts where your platform is responsible for collecting "
            "requirements.",
            param="type",
        )
    token = new_id("lnk")
    url = f"{world.base_url}/onboard/{account.id}/{token}"
    world.state.add(
        "_link",
        {"id": token, "account": account.id, "expires_at": at + LINK_SECONDS, "used": False},
        return_url=given["return_url"],
        refresh_url=given["refresh_url"],
    )
    return new("account_link", created=at, expires_at=at + LINK_SECONDS, url=url)


def find_link(world: World, account: str, token: str) -> Row:
    """Return the link with this token."""
    row = world.state.find(token)
    if row is None or row.kind != "_link" or row.body["account"] != account:
        raise LinkSpent("There is no such link.")
    return row


def open_link(world: World, link: Row) -> None:
    """Use a link up, as visiting it does; raise LinkSpent if it was visited before or is too old."""
    if link.body["used"] or link.body["expires_at"] <= world.state.now():
        raise LinkSpent("This link has been used or has expired.")
    with world.state.transaction():
        world.state.update(link, used=True)


def finish(world: World, account: Row, *, name: str, country: str, iban: str) -> None:
    """Submit what Stripe wanted to know: the account can receive transfers and be paid out from now on."""
    number = "".join(iban.split()).upper()
    currency = _COUNTRY_CURRENCY.get(country, "eur")
    bank = new(
        "bank_account",
        id=new_id("ba"),
        account=account.id,
        account_holder_name=name,
        country=country,
        currency=currency,
        last4=number[-4:],
    )
    with world.state.transaction():
        world.state.add("bank_account", bank, account=account.id)
        nothing: Body = {"currently_due": [], "eventually_due": [], "past_due": [], "disabled_reason": None}
        accounts = account.body["external_accounts"] | {"data": [bank]}
        before = world.state.update(
            account,
            business_profile=account.body["business_profile"] | {"name": name},
            business_type=account.body["business_type"] or "individual",
            capabilities=dict.fromkeys(account.body["capabilities"], "active"),
            charges_enabled="card_payments" in account.body["capabilities"],
            country=country,
            default_currency=currency,
            details_submitted=True,
            external_accounts=accounts,
            payouts_enabled=True,
            requirements=account.body["requirements"] | nothing,
            tos_acceptance=account.body["tos_acceptance"] | {"date": world.state.now()},
        )
        emit(world, "account.updated", account, before=before)


def restrict(world: World, account: Row) -> None:
    """Take an account's rights away, as Stripe does when it wants to know more."""
    with world.state.transaction():
        due = ["individual.verification.document"]
        before = world.state.update(
            account,
            capabilities=dict.fromkeys(account.body["capabilities"], "inactive"),
            charges_enabled=False,
            payouts_enabled=False,
            requirements=account.body["requirements"]
            | {"currently_due": due, "past_due": due, "disabled_reason": "requirements.past_due"},
        )
        emit(world, "account.updated", account, before=before)


def stop_payouts(world: World, account: Row) -> None:
    """Stop what Stripe pays out to the account's bank; transfers to it still arrive."""
    with world.state.transaction():
        due = ["external_account"]
        before = world.state.update(
            account,
            payouts_enabled=False,
            requirements=account.body["requirements"] | {"currently_due": due, "past_due": due},
        )
        emit(world, "account.updated", account, before=before)


def leave(world: World, account: Row) -> None:
    """Part an account from the platform: its owner took the access back, or staff deleted it."""
    application: Body = {"id": "ca_stand_in", "name": "Stagedoor", "object": "application"}
    with world.state.transaction():
        world.state.remember(account, gone=True)
        emit_about(world, "account.application.deauthorized", application, account=account.id)


_WISH = Group({"requested": Flag()})
_SCHEDULE: Spec = {
    "delay_days": Whole(least=0, most=31),
    "interval": Choice(("daily", "manual", "monthly", "weekly")),
    "monthly_anchor": Whole(least=1, most=31),
    "weekly_anchor": Choice(("friday", "monday", "saturday", "sunday", "thursday", "tuesday", "wednesday")),
}
_BUSINESS_PROFILE: Spec = {
    name: Text(clears=True)
    for name in ("mcc", "name", "product_description", "support_email", "support_phone", "support_url", "url")
}
_CHANGE: Spec = EXPAND | {
    "business_profile": Group(_BUSINESS_PROFILE),
    "business_type": Choice(("company", "government_entity", "individual", "non_profit")),
    "capabilities": Group({"card_payments": _WISH, "transfers": _WISH}),
    "default_currency": Text(),
    "email": Text(is_email=True),
    "metadata": Labels(),
    "settings": Group({"payouts": Group({"schedule": Group(_SCHEDULE)})}),
}
_CONTROLLER: Spec = {
    "fees": Group({"payer": Choice(("account", "application"))}),
    "losses": Group({"payments": Choice(("application", "stripe"))}),
    "requirement_collection": Choice(("application", "stripe")),
    "stripe_dashboard": Group({"type": Choice(("express", "full", "none"))}),
}
_CREATE: Spec = _CHANGE | {
    "controller": Group(_CONTROLLER),
    "country": Text(longest=2),
    "type": Choice(("custom", "express", "standard")),
}
_LINK: Spec = EXPAND | {
    "account": Text(required=True),
    "collection_options": Group(
        {
            "fields": Choice(("currently_due", "eventually_due")),
            "future_requirements": Choice(("include", "omit")),
        }
    ),
    "refresh_url": Text(required=True, is_url=True),
    "return_url": Text(required=True, is_url=True),
    "type": Choice(("account_onboarding", "account_update"), required=True),
}
ROUTES = [
    Route("POST", "/v1/accounts", _create, _CREATE),
    Route("GET", "/v1/accounts", _list, PAGE),
    Route("GET", "/v1/accounts/{id}", _retrieve, EXPAND),
    Route("POST", "/v1/accounts/{id}", _update, _CHANGE),
    Route("POST", "/v1/account_links", _link, _LINK),
]
