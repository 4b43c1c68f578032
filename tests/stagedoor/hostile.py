"""A town in which every person writes what would do harm, and a reader who notices if it does."""

from collections.abc import Callable
from datetime import datetime
from html.parser import HTMLParser
from urllib.parse import urlsplit

from accounts.models import User
from clubs.models import Club, Plan
from payments.models import Case, Payee, Payout
from tests import factories
from tests.ticketing import box_office
from ticketing.models import Event

# What a browser would run, open, fetch or turn around if a page took it for its own.
HARM = (
    "\"'><xperson xperson=1><script>xperson()</script><a href=javascript:xperson()>x</a>"
    "<img src=//xperson onerror=xperson()>{{ xperson }}{% xperson %}&lt;xperson&gt;\\u003cxperson"
    "\N{RIGHT-TO-LEFT OVERRIDE}\N{RIGHT-TO-LEFT ISOLATE}"
    "\N{WOMAN}\N{ZERO WIDTH JOINER}\N{WOMAN}\r\nBcc: xperson@example.com\r\n\r\nSee: http://xperson.example/"
)


def harm(label: str, longest: int) -> str:
    """Return harmful text that names its field, as long as the column allows."""
    return f"{label} {HARM}"[:longest]


class Reader(HTMLParser):
    """Reads a page as a browser would, and keeps what came from a person and is more than text."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []
        self.text: list[str] = []
        self._in_script = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = dict(attrs)
        if tag == "xperson" or any("xperson" in name or name.startswith("on") for name in names):
            self.found.append(f"<{tag} {names}>")
        if tag == "script":
            self._in_script = names.get("type") or ("from a file" if names.get("src") else "bare")
            if self._in_script == "bare":
                self.found.append("a bare script")
        for name in ("href", "src", "action", "formaction", "data", "poster", "srcset", "xlink:href"):
            value = names.get(name) or ""
            parts = urlsplit(value.strip())
            if parts.scheme not in {"", "http", "https", "mailto"} or "xperson" in parts.netloc:
                self.found.append(f"{tag} {name}={value}")
        if tag == "meta" and (names.get("http-equiv") or "").lower() == "refresh":
            self.found.append("a page that leads away")

    def handle_endtag(self, tag: str) -> None:
        if tag == "script":
            self._in_script = ""

    def handle_data(self, data: str) -> None:
        if not self._in_script:
            self.text.append(data)

    def handle_comment(self, data: str) -> None:
        if "xperson" in data:
            self.found.append(f"<!-- {data} -->")


def read(page: str) -> tuple[list[str], str]:
    """Return what of a person's became more than text, and all the text that is shown."""
    reader = Reader()
    reader.feed(page)
    reader.close()
    return reader.found, " ".join(reader.text)


def wide(label: str, longest: int) -> str:
    """Return the longest word that the column allows, of the widest letter."""
    return "W" * longest if label else ""


def take_over(
    *, club: Club, event: Event, ada: User, ben: User, at: datetime, write: Callable[[str, int], str] = harm
) -> Payout:
    """Let everybody write such words into every field of theirs. Return a payout that waits."""
    names = {user: write(f"N{user.handle}", 60) for user in (ada, ben)}
    for user, name in names.items():
        User.objects.filter(pk=user.pk).update(name=name)
    club.name, club.tagline = write("CNAME", 80), write("CTAG", 140)
    club.description = write("CDESC", 4000)
    club.save()
    Payee.objects.filter(pk=club.payee_id).update(name=club.name)
    Event.objects.filter(pk=event.pk).update(title=write("ETITLE", 120), description=write("EDESC", 8000))
    for place, kind in enumerate(event.ticket_types.order_by("position")):
        kind.name = write(f"T{place}", 60 - place)
        kind.save()
    factories.PlanFactory.create(club=club, name=write("PNAME", 60), promise=write("PROMISE", 300))
    plan = Plan.objects.get(club=club)
    factories.MembershipFactory.create(plan=plan, member=ben)
    payout = factories.PayoutFactory.create(payee=club.payee, requested_by=ben)
    Payout.objects.filter(pk=payout.pk).update(
        status=Payout.Status.HELD,
        reason=write("PREASON", 1000),
        reviewed_by=factories.UserFactory.create(),
        reviewed_at=at,
    )
    opened = {"kind": Case.Kind.values[0], "what": write("CASE", 900), "opened_at": at}
    Case.objects.create(cause="case-1", subject_kind="payments.payout", subject_id=str(payout.pk), **opened)
    box_office.buy(ben, event.ticket_types.get(price_minor=0), 2, at=at)
    return payout
