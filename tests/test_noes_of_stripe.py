"""Stripe says no in two ways: it refuses, or nobody knows. Whoever asks understands both.

The list of those who ask is read from the source, so that a new one has to be tried here.
"""

import ast
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.test import Client

from accounts import personal_data
from accounts.models import User
from clubs import memberships
from clubs.models import Club, Membership, Plan
from payments import stripe_gateway, tasks
from payments.models import Payee, Refund, StripeEvent
from payments.stripe_gateway import StripeRefused, StripeUnavailable
from tests import factories
from tests.accounts.factors import sign_in_with_factor
from tests.ticketing import box_office
from ticketing import aftersales
from ticketing import tasks as ticketing_tasks
from ticketing.models import Event, Order, Ticket

if TYPE_CHECKING:
    from payments.sandbox.serve import StandIn

pytestmark = pytest.mark.django_db
APPS = ("accounts", "clubs", "core", "payments", "rooms", "stagedoor", "ticketing")
GATEWAY = "payments.stripe_gateway"
NO_PEOPLE = {
    "payments.tasks.check_books",  # books.check() asks only if told to, which the comparison's task is
    "stagedoor.management.commands.demo.Command._start",  # plays an evening in development
    "stagedoor.management.commands.live.Command._play",
    "stagedoor.management.commands.town.Command.handle",  # fills a town in development
}
NOES = {
    "refused": StripeRefused("No.", "email_invalid"),
    "refused-otherwise": StripeRefused("No.", "a_code_of_tomorrow"),
    "unavailable": StripeUnavailable("…"),
}


# Who asks: every function from which a question of the gateway can be reached, and which nobody else calls.


@dataclass
class Source:
    """What one function, or one value of a module, names."""

    names: set[str]
    is_function: bool


@cache
def sources() -> dict[str, Source]:
    found: dict[str, Source] = {}
    for app in APPS:
        for path in sorted((Path(settings.BASE_DIR) / app).rglob("*.py")):
            if not {"migrations", "sandbox", "urls.py"} & set(path.parts):
                name = ".".join(path.relative_to(settings.BASE_DIR).with_suffix("").parts)
                found.update(read(name, ast.parse(path.read_text(encoding="utf-8"))))
    return found


def read(module: str, tree: ast.Module) -> Iterator[tuple[str, Source]]:
    imported = {
        alias.asname or alias.name: f"{node.module}.{alias.name}"
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    for name, node in named_parts(tree, ""):
        yield (
            f"{module}.{name}",
            Source(
                set(names_in(node, module, imported)),
                isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)),
            ),
        )


def named_parts(node: ast.AST, above: str) -> Iterator[tuple[str, ast.AST]]:
    for each in ast.iter_child_nodes(node):
        if isinstance(each, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield above + each.name, each
        elif isinstance(each, ast.ClassDef):
            yield from named_parts(each, f"{above}{each.name}.")
        elif isinstance(each, (ast.Assign, ast.AnnAssign)):
            for target in each.targets if isinstance(each, ast.Assign) else [each.target]:
                if isinstance(target, ast.Name):
                    yield above + target.id, each


def names_in(node: ast.AST, module: str, imported: dict[str, str]) -> Iterator[str]:
    for each in ast.walk(node):
        if isinstance(each, ast.Attribute) and isinstance(each.value, ast.Name) and each.value.id in imported:
            yield f"{imported[each.value.id]}.{each.attr}"
        elif isinstance(each, ast.Name):
            yield imported.get(each.id, f"{module}.{each.id}")


def who_asks() -> set[str]:
    asking = {f"{GATEWAY}._ask"}
    while more := {
        name for name, source in sources().items() if source.names & asking and name not in asking
    }:
        asking |= more
    called = {named for name in asking - {f"{GATEWAY}._ask"} for named in sources()[name].names - {name}}
    return {name for name in asking - called if sources()[name].is_function}


# What each of them asks for.


@dataclass
class Scene:
    """A sold evening, a member, a payee at Stripe; from now on Stripe says no."""

    client: Client
    club: Club
    event: Event
    order: Order
    membership: Membership
    refund: Refund
    told: StripeEvent
    payout: Any
    ada: User
    ben: User
    at: datetime

    def as_ben(self, path: str, data: dict[str, Any] | None = None, *, get: bool = False) -> str:
        self.client.force_login(self.ben)
        return self._page(path, data, get=get)

    def as_ada(self, path: str, *, get: bool = False) -> str:
        sign_in_with_factor(self.client, self.ada)
        return self._page(path, None if get else {"country": "DE"}, get=get)

    def _page(self, path: str, data: dict[str, Any] | None, *, get: bool) -> str:
        send = self.client.get if get else self.client.post
        answer = send(path, data or {}, follow=True)
        assert answer.status_code == 200
        return str(answer.content.decode())


def buy(scene: Scene) -> str:
    seat = scene.event.ticket_types.get(name="Seat")
    return scene.as_ben(f"/events/{scene.event.slug}/buy/", {f"seats_{seat.pk.hex}": "1"})


def join(scene: Scene) -> str:
    Membership.objects.filter(pk=scene.membership.pk).update(status="ended", ended_at=scene.at)
    return scene.as_ben(f"/clubs/{scene.club.slug}/join/")


def come_back(scene: Scene) -> str:
    return scene.as_ben(f"/orders/{scene.order.pk}/state/", {"back": "paid"}, get=True)


def close_account(scene: Scene) -> str:
    Order.objects.exclude(pk=scene.order.pk).update(status=Order.Status.EXPIRED)
    Ticket.objects.exclude(order=scene.order).update(status=Ticket.Status.DEAD)
    with suppress(personal_data.NotNow):
        personal_data.close(user=scene.ben, at=scene.at)
        return "closed"
    return "not now"


def close_account_of_a_buyer(scene: Scene) -> str:
    Membership.objects.all().update(status="ended", ended_at=scene.at)
    return close_account(scene)


def check_books(_scene: Scene) -> str:
    with pytest.raises(CommandError) as trouble:
        call_command("check_books")
    return str(trouble.value)


def handle_event(scene: Scene) -> str:
    with pytest.raises((StripeRefused, StripeUnavailable)):  # which its row keeps, to be tried again
        tasks.handle_event(scene.told.pk)
    scene.told.refresh_from_db()
    return scene.told.last_error


def compare_at_night(_scene: Scene) -> str:
    with pytest.raises((StripeRefused, StripeUnavailable)):  # a night without the comparison is a failed task
        tasks.compare_with_stripe()
    return ""


def release_stale_holds(scene: Scene) -> None:
    Order.objects.filter(pk=scene.order.pk).update(held_until=scene.at - timedelta(minutes=1))
    ticketing_tasks.release_stale_holds()


def give_money_back(scene: Scene) -> None:
    aftersales.cancel_event(event=scene.event, reason="The voice is gone.", by=scene.ada, at=scene.at)
    ticketing_tasks.give_money_back()


def club_page(scene: Scene) -> str:
    return f"/clubs/{scene.club.slug}/membership/"


ASKS_FOR: dict[str, Callable[[Scene], Any]] = {
    "ticketing.views.buy": buy,
    "ticketing.views.pay": lambda scene: scene.as_ben(f"/orders/{scene.order.pk}/pay/"),
    "ticketing.views.let_go": lambda scene: scene.as_ben(f"/orders/{scene.order.pk}/let-go/"),
    "ticketing.views.order_state": come_back,
    "clubs.views.join": join,
    "clubs.views.cancel_membership": lambda scene: scene.as_ben(f"{club_page(scene)}cancel/"),
    "clubs.views.resume_membership": lambda scene: scene.as_ben(f"{club_page(scene)}resume/"),
    "payments.views.onboard": lambda scene: scene.as_ada(f"/payments/payees/{scene.club.payee_id}/stripe/"),
    "payments.views.onboard_again": lambda scene: scene.as_ada(
        f"/payments/payees/{scene.club.payee_id}/stripe/again/", get=True
    ),
    "payments.views.onboarded": lambda scene: scene.as_ada(
        f"/payments/payees/{scene.club.payee_id}/stripe/back/", get=True
    ),
    "clubs.personal_data._end_what_runs": close_account,
    "ticketing.personal_data._let_go_of_what_is_held": close_account_of_a_buyer,
    "payments.management.commands.check_books.Command.handle": check_books,
    "payments.tasks.handle_event": handle_event,
    "payments.tasks.handle_due": lambda _: tasks.handle_due(),
    "payments.tasks.send_refund": lambda scene: tasks.send_refund(str(scene.refund.pk)),
    "payments.tasks.send_payout": lambda scene: tasks.send_payout(str(scene.payout.pk)),
    "payments.tasks.send_due": lambda _: tasks.send_due(),
    "payments.tasks.ask_about_the_unknown": lambda _: tasks.ask_about_the_unknown(),
    "payments.tasks.compare_with_stripe": compare_at_night,
    "ticketing.tasks.give_money_back": give_money_back,
    "ticketing.tasks.release_stale_holds": release_stale_holds,
}
# What the person reads: of a no that is definite, and of one that is not.
SAYS: dict[str, tuple[str, str]] = {
    "ticketing.views.buy": (
        "does not accept your e-mail address ben@example.com",
        "Please try again in a few",
    ),
    "ticketing.views.pay": (
        "does not accept your e-mail address ben@example.com",
        "Please try again in a few",
    ),
    "ticketing.views.let_go": ("stays as it is. Please tell the host", "Try again in a minute"),
    "ticketing.views.order_state": ("", ""),  # it goes on asking
    "clubs.views.join": ("does not accept your e-mail address ben@example.com", "Please try again in a few"),
    "clubs.views.cancel_membership": ("refused this, and nothing has changed", "Please try again in a few"),
    "clubs.views.resume_membership": ("refused this, and nothing has changed", "Please try again in a few"),
    "payments.views.onboard": ("Stripe does not accept the e-mail address", "Try again in a few minutes"),
    "payments.views.onboard_again": (
        "Stripe does not accept the e-mail address",
        "Try again in a few minutes",
    ),
    "payments.views.onboarded": ("Stripe does not accept the e-mail address", "Try again in a few minutes"),
    "clubs.personal_data._end_what_runs": ("not now", "not now"),
    "ticketing.personal_data._let_go_of_what_is_held": ("not now", "not now"),
    "payments.management.commands.check_books.Command.handle": ("refused to tell", "did not answer"),
    "payments.tasks.handle_event": ("StripeRefused", "StripeUnavailable"),
}


def test_whoever_asks_stripe_is_tried_here() -> None:
    assert who_asks() - NO_PEOPLE == ASKS_FOR.keys()


@pytest.fixture
def membership(
    stand_in: "StandIn", club: Club, ben: User, deliver: Callable[[], int], at: datetime
) -> Membership:
    """Return Ben's membership, paid at Stripe."""
    plan = Plan.objects.create(club=club, name="Friends", price_minor=500, currency="EUR", created_at=at)
    membership = memberships.join(plan=plan, member=ben, at=at)
    page = {"success_url": "http://testserver/a", "cancel_url": "http://testserver/b"}
    memberships.start_checkout(membership=membership, **page, at=at)
    assert membership.subscription is not None
    membership.subscription.refresh_from_db()
    stand_in.pay(membership.subscription.checkout_id or "")
    deliver()
    membership.refresh_from_db()
    return membership


@pytest.fixture
def scene(client: Client, event: Event, membership: Membership, ada: User, rae: User, at: datetime) -> Scene:
    club, ben = membership.club, membership.member
    Payee.objects.filter(pk=club.payee_id).update(transfers_active=True, stripe_account_id="acct_ada")
    seat = event.ticket_types.get(name="Seat")
    sold = box_office.buy(ben, seat, at=at)
    refund = Refund.objects.create(
        charge=box_office.charge(sold),
        amount_minor=100,
        fee_minor=8,
        currency="EUR",
        created_at=at,
        next_attempt_at=at,
    )
    payout = factories.PayoutFactory.create(
        payee=club.payee, status="approved", reviewed_by=rae, reviewed_at=at, destination="acct_ada"
    )
    order = box_office.hold(ben, seat, at=at)
    box_office.checkout(order, at=at)
    told = StripeEvent.objects.create(
        stripe_id="evt_told",
        kind="checkout.session.expired",
        api_version=stripe_gateway.API_VERSION,
        body={"data": {"object": {"id": box_office.charge(order).checkout_id}}},
        received_at=at,
        next_attempt_at=at - timedelta(minutes=1),
    )
    return Scene(client, club, event, order, membership, refund, told, payout, ada, ben, at)


@pytest.mark.broken_books  # the scene is put together from rows, without the postings behind them
@pytest.mark.parametrize("no", sorted(NOES))
@pytest.mark.parametrize("name", sorted(ASKS_FOR))
def test_both_kinds_of_no_are_understood(
    scene: Scene, name: str, no: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def refuse(_question: Any) -> None:
        asked.append(1)
        raise NOES[no]

    monkeypatch.setattr(stripe_gateway, "_ask", refuse)
    heard = ASKS_FOR[name](scene)
    assert asked != []
    if no != "refused-otherwise" and name in SAYS:
        assert SAYS[name][no == "unavailable"] in heard
