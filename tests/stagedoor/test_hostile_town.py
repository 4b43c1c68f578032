"""Whatever people write stays text: in every page, every letter and every message of a socket."""

import json
import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from django.apps import apps
from django.conf import settings
from django.db import models
from django.template import engines
from django.test import Client

from accounts.models import Letter, User
from clubs.models import Club
from payments import letters as payment_letters
from payments.models import Payout
from rooms import callboard
from tests.accounts.factors import sign_in_with_factor
from tests.rooms import people
from tests.stagedoor import hostile
from tests.stagedoor.test_hostile_requests import routes
from tests.ticketing import box_office
from ticketing import aftersales, letters, passing
from ticketing.models import Event, Order

pytestmark = [pytest.mark.django_db, pytest.mark.broken_books]  # the payout comes out of nowhere

# Every column of text that a person fills, and every other one: a new column has to say which it is.
WRITTEN_BY_PEOPLE = {
    "accounts.User": {"email", "handle", "name"},
    "accounts.KeptHandle": {"handle"},
    "accounts.AddressChange": {"old", "new"},
    "accounts.AuditEntry": {"reason"},
    "accounts.Letter": {"to", "subject", "text", "html"},
    "clubs.Club": {"name", "tagline", "description"},
    "clubs.Plan": {"name", "promise"},
    "payments.Payee": {"name", "email"},
    "payments.Payout": {"reason"},
    "payments.Refund": {"reason"},
    "payments.Charge": {"description"},
    "payments.Subscription": {"description"},
    "payments.Case": {"what", "note"},
    "payments.Reply": {"text", "document_name"},
    "ticketing.Event": {"title", "description", "refunding_because"},
    "ticketing.TicketType": {"name"},
    "ticketing.Ticket": {"sold_as"},
    "rooms.Ban": {"reason"},
}
OURS_BY_NAME = re.compile(
    r"(.+_)?(id|key|code|cause|currency|kind|timezone|locale|slug|hash|url|request|status|reference|version|tab)|"
    r"password|verb|cursor|bank_failure|accounts_left|country|seen|source|details|last_error|seen_name|failure|destination|account|body|requirements|network|session"
)
STRIPES = {"payments.Dispute.reason", "payments.StripeEvent.reason", "payments.Transfer.reason"}


@pytest.fixture
def payout(club: Club, event: Event, ada: User, ben: User, rae: User, at: datetime) -> Payout:
    """Let everybody write harm, and return the payout that waits."""
    User.objects.filter(pk=rae.pk).update(is_staff=True, is_superuser=True)
    return hostile.take_over(club=club, event=event, ada=ada, ben=ben, at=at)


def parts(path: str, payout: Payout, event: Event, buyer: User) -> str:
    """Return a route with its parts filled in; one that still has parts is a secret's, met elsewhere."""
    slug = event.club.slug if path.startswith(("/clubs/", "/manage/<slug:club")) else event.slug
    order = Order.objects.get(buyer=buyer)
    pk = payout.payee_id if "payees" in path else payout.pk if "review" in path else order.pk
    path = path.replace("<slug:slug>", slug).replace("<slug:club_slug>", event.club.slug)
    return path.replace("<uuid:pk>", str(pk)).replace("<path:object_id>", str(payout.pk))


def pages(payout: Payout, event: Event, who: dict[str, User]) -> Iterator[tuple[str, str, str]]:
    """Return (person, path, page) of every page that answers a GET with HTML."""
    for name, user in who.items():
        client = Client()
        if user.is_finance:
            sign_in_with_factor(client, user)
        else:
            client.force_login(user)
        for route in routes():
            path = parts("/" + route, payout, event, who["ben"])
            if "<" in path or "(?P" in path or "logout" in path:
                continue
            answer = client.get(path)
            if answer.status_code == 200 and answer.headers["Content-Type"].startswith("text/html"):
                yield name, path, answer.content.decode()


def test_every_column_of_text_says_whose_words_it_holds() -> None:
    unexplained = {
        f"{model._meta.label}.{field.name}"
        for model in apps.get_models()
        if model.__module__.partition(".")[0] in {"accounts", "clubs", "payments", "rooms", "ticketing"}
        for field in model._meta.get_fields()
        if isinstance(field, models.CharField | models.TextField | models.JSONField) and not field.choices
        if field.name not in WRITTEN_BY_PEOPLE.get(model._meta.label, set())
        if not OURS_BY_NAME.fullmatch(field.name)
    }
    assert unexplained - STRIPES == set()


def test_on_no_page_does_a_persons_text_become_more(
    payout: Payout, event: Event, ada: User, ben: User, rae: User
) -> None:
    found, shown, seen = [], "", set()
    for name, path, page in pages(payout, event, {"ada": ada, "ben": ben, "rae": rae}):
        harmful, text = hostile.read(page)
        found += [(name, path, *harmful)] if harmful else []
        shown += text
        seen.add(path)
    assert found == []
    assert len(seen) > 40
    labels = [
        "CNAME",
        "CTAG",
        "CDESC",
        "ETITLE",
        "EDESC",
        "T0",
        "PNAME",
        "PROMISE",
        "PREASON",
        "CASE",
        "Nada",
        "Nben",
    ]
    assert [label for label in labels if label not in shown] == []


MUTANTS = [
    ("ticketing/event.html", "event.description|linebreaks", "event.description|safe"),
    ("ticketing/event.html", "event.description|linebreaks", "event.description|linebreaks|safe"),
    ("ticketing/event.html", "{{ event.club.name }}", "{{ event.club.name|safe }}"),
    ("clubs/club.html", "club.description|linebreaks", "club.description|safe"),
]


@pytest.mark.parametrize(("name", "old", "new"), MUTANTS)
def test_a_page_that_takes_text_for_its_own_is_noticed(
    client: Client, payout: Payout, event: Event, name: str, old: str, new: str
) -> None:
    """The reader has eyes: with one filter spoilt it finds what the page lets through."""
    engine = engines["django"]
    source = Path(engine.get_template(name).origin.name).read_text()  # type: ignore[attr-defined]
    assert old in source
    spoilt = engine.from_string(source.replace(old, new))
    address = event.club.get_absolute_url() if name.startswith("clubs") else event.get_absolute_url()
    honest = client.get(address)
    assert hostile.read(honest.content.decode())[0] == []
    context = {key: honest.context[key] for key in honest.context.keys()}  # noqa: SIM118 -- no mapping
    page = spoilt.render(context, honest.wsgi_request)
    is_still_escaped = "linebreaks|safe" in new  # linebreaks escapes by itself
    assert bool(hostile.read(page)[0]) is not is_still_escaped


def written() -> list[Letter]:
    return list(Letter.objects.order_by("written_at", "pk"))


def assert_harmless(letter: Letter) -> None:
    harmful, text = hostile.read(letter.html)
    assert harmful == []
    assert "\n" not in letter.subject
    assert "\r" not in letter.subject
    assert "xperson.example" not in re.findall(r"href=\"https?://([^/\"]+)", letter.html)
    assert len(letter.html.encode()) < 100_000
    assert len(letter.text.encode()) < 100_000
    assert text


def test_in_no_letter_does_a_persons_text_become_more(
    payout: Payout, event: Event, ada: User, ben: User, max: User, at: datetime
) -> None:
    order = Order.objects.get(buyer=ben)
    passed = order.tickets.get(holder=None)
    passing.take(ticket=passed, by=max, at=at)
    late = box_office.hold(max, event.ticket_types.get(price_minor=1200), at=at)
    letters.paid_too_late(order=late, refund=None, at=at)
    letters.left_out(order=order, reason=hostile.harm("LREASON", 200), at=at)
    aftersales.refund(order=order, by=ada, reason=hostile.harm("RREASON", 200), at=at)
    payment_letters.payout_decided(payout=payout, at=at)
    keys = {re.sub(r"-[0-9a-f]{8}-.*", "", letter.key) for letter in written()}
    assert {
        "order-paid",
        "ticket-taken",
        "ticket-lost",
        "order-refunded",
        "order-too-late",
        "left-out",
    } <= keys
    for letter in written():
        assert_harmless(letter)


def test_what_a_socket_says_of_people_is_data(payout: Payout, event: Event, ada: User, at: datetime) -> None:
    """Names travel as JSON, and the scripts set them as text: no script of ours writes HTML from data."""
    seat = people.open_room(event, User.objects.get(pk=ada.pk), at)
    person = json.loads(callboard._person(seat).model_dump_json())
    assert person["name"] == hostile.harm("Nada", 60)
    assert json.loads(callboard.view(seat.room).model_dump_json())
    scripts = [
        path for path in Path(settings.BASE_DIR).glob("**/static/**/*.js") if ".venv" not in path.parts
    ]
    writes = re.compile(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function")
    writers = {path.name for path in scripts if writes.search(path.read_text()) and "htmx" not in path.name}
    assert writers <= {"rows.js"}  # copies the blank row of a form, which holds nothing of anybody's
