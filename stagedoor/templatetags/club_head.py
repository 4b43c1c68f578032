"""The head of the pages on which a club is run, though they lie in three apps. `{% load club_head %}`."""

from typing import Any

from django import template

from clubs import officers
from clubs.models import Club

register = template.Library()


@register.inclusion_tag("parts/club_head.html", takes_context=True)
def club_head(context: template.Context, club: Club) -> dict[str, Any]:
    """Show the club's name and the tabs that this person may open. One query where the page has not asked."""
    request = context["request"]
    powers = context.get("powers")
    return {
        "request": request,
        "club": club,
        "powers": officers.powers(request.user, club) if powers is None else powers,
    }
