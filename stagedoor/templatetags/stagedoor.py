"""What every page may say: money, times, icons, pills, avatars. Loaded as `{% load stagedoor %}`."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django import template
from django.http import HttpRequest, QueryDict
from django.templatetags.static import static
from django.utils import formats, timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from payments.money import Money
from stagedoor.templatetags import voiceprint as drawing

register = template.Library()

FORMATS = {"short": "D j M, H:i", "dated": "D j M Y, H:i", "long": "l j F Y, H:i", "time": "H:i"}
TONES = {
    "success": "paid live active published approved confirmed succeeded available complete valid sent",
    "accent": "on_air now open",
    "warning": "held pending requested confirming sending processing past_due review incomplete proposed",
    "danger": "cancelled canceled failed rejected refunded disputed banned lost",
}
TONE_OF = {status: tone for tone, statuses in TONES.items() for status in statuses.split()}
AVATAR_TONES = 6


@register.filter
def money(amount: Money | None) -> str:
    """Return "€12.00", or "" when there is no amount."""
    return "" if amount is None else amount.shown


@register.filter
def money_or_free(amount: Money | None) -> str:
    """Return "Free" for zero, and nothing when there is no price, because nothing is on sale."""
    return _("Free") if amount is not None and not amount else money(amount)


@register.simple_tag
def local_time(moment: datetime, zone: str | ZoneInfo, style: str = "short") -> SafeString:
    """Return `<time>` in the event's zone, and beside it in the viewer's where the two differ.

    Styles: short, long, time. The viewer's zone is the one they chose in their settings; for everybody else
    stagedoor.js fills the second part in from the browser.
    """
    there = moment.astimezone(ZoneInfo(zone) if isinstance(zone, str) else zone)
    if style == "short" and there.year != timezone.localtime().year:
        style = "dated"
    return format_html(
        '<time class="when" datetime="{}" data-zone="{}">{} {}'
        '<span class="when__yours" data-yours>{}</span></time>',
        machine_time(moment),
        str(there.tzinfo),
        formats.date_format(there, FORMATS[style]),
        _zone_name(there),
        _in_viewers_zone(there),
    )


@register.filter
def machine_time(moment: datetime) -> str:
    """Return the moment for a `datetime` attribute, which has three figures of a second at most."""
    return moment.isoformat(timespec="milliseconds" if moment.microsecond else "auto")


def _zone_name(moment: datetime) -> str:
    """Return "CET", or "UTC+3" for the zones that have no letters of their own."""
    name = moment.strftime("%Z")
    if name.isalpha():
        return name
    hours, minutes = name[1:3].lstrip("0") or "0", name[3:]
    sign = "\N{MINUS SIGN}" if name.startswith("-") else "+"
    return f"UTC{sign}{hours}" + (f":{minutes}" if minutes else "")


def _in_viewers_zone(there: datetime) -> str:
    if timezone.get_current_timezone_name() == timezone.get_default_timezone_name():
        return ""
    here = timezone.localtime(there)
    if here.replace(tzinfo=None) == there.replace(tzinfo=None):
        return ""
    same_day = here.date() == there.date()
    shown = formats.date_format(here, "H:i" if same_day else "D j M, H:i")
    return " · " + _("%(time)s your time") % {"time": shown}


@register.simple_tag
def icon(name: str, label: str = "") -> SafeString:
    """Return the icon. Without a label it is decoration, and screen readers pass over it."""
    spoken = format_html('role="img" aria-label="{}"', label) if label else mark_safe('aria-hidden="true"')
    return format_html(
        '<svg class="icon" {}><use href="{}#{}"></use></svg>', spoken, static("icons.svg"), name
    )


@register.simple_tag
def pill(status: Any, label: str = "", tone: str = "") -> SafeString:
    """Return a status as a pill; tone by its value, words by the label if there is one."""
    value = str(getattr(status, "value", status))
    words = label or getattr(status, "label", "") or capfirst(value.replace("_", " "))
    tone = tone or TONE_OF.get(value.lower(), "")
    return format_html('<span class="pill{}">{}</span>', f" pill--{tone}" if tone else "", words)


@register.simple_tag
def avatar(name: str, size: str = "medium") -> SafeString:
    """Return the initials on a tone of the name's, as stagedoor.js does. Write the name beside it."""
    return format_html(
        '<span class="avatar avatar--{} avatar--tone-{}" aria-hidden="true">{}</span>',
        size,
        _tone(name),
        initials(name),
    )


@register.filter
def initials(name: str) -> str:
    words = name.split() or ["?"]
    ends = [words[0]] if len(words) == 1 else [words[0], words[-1]]
    return "".join(word[0] for word in ends).upper()


def _tone(name: str) -> int:
    units = name.encode("utf-16-le")
    return (sum(units[0::2]) + 256 * sum(units[1::2])) % AVATAR_TONES + 1


@register.simple_tag
def voiceprint(seed: str) -> SafeString:
    """Return the cover of an event or a club: a drawing that always follows from its slug."""
    return drawing.draw(str(seed))


@register.simple_tag(takes_context=True)
def current(context: template.Context, url: str) -> SafeString:
    """Return `aria-current="page"` if the page shown lies at or under this address."""
    request: HttpRequest | None = context.get("request")
    if request is None or not url:
        return SafeString()
    here = request.path == url or (url != "/" and request.path.startswith(url))
    return mark_safe('aria-current="page"') if here else SafeString()


@register.simple_tag(takes_context=True)
def page_url(context: template.Context, number: int) -> str:
    """Return the address of another page of this list, with the other parts of the query kept."""
    request: HttpRequest | None = context.get("request")
    query = request.GET.copy() if request else QueryDict(mutable=True)
    query["page"] = str(number)
    return f"?{query.urlencode()}"
