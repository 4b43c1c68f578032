"""The few pages that belong to no single app."""

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from stagedoor.styleguide import sample
from ticketing.models import Event

MOST_LIVE = 12
MOST_COMING = 24


def home(request: HttpRequest) -> HttpResponse:
    context = {
        "live_events": Event.objects.live()[:MOST_LIVE],
        "coming_events": Event.objects.coming(timezone.now())[:MOST_COMING],
    }
    return render(request, "home.html", context)


def styleguide(request: HttpRequest) -> HttpResponse:
    """Show every part of the design to those who build pages; production has no such page."""
    if not settings.DEBUG:
        raise Http404
    return render(request, "styleguide.html", sample())
