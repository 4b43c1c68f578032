from datetime import datetime
from http import HTTPStatus
from typing import Any, Final

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import formats
from django.utils.timezone import now
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from accounts import limits
from rooms import admission, delivery, turn, words
from rooms import doors as house_doors
from rooms import stage as stage_machine
from rooms.admission import Admitted, Code, Verdict
from rooms.models import Room, Seat
from rooms.throttle import TooOften, knock
from ticketing import programme
from ticketing.models import Event

RESUME_COOKIE: Final = "resume"
RESUME_SECONDS: Final = 12 * 3600
POLLED: Final = {Code.CONFIRMING, Code.DOORS_SHUT, Code.FULL}  # these resolve by themselves
REFUSED: Final = {Code.SIGN_IN: HTTPStatus.UNAUTHORIZED, Code.CLOSED: HTTPStatus.GONE}


class SeatWish(BaseModel):
    """What a page says when it asks for a seat. It makes `tab` up, and keeps it while it lives."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tab: str = Field(pattern=r"^[0-9a-f]{32}$")
    take_over: bool = False


@require_GET
@never_cache
def room(request: HttpRequest, slug: str) -> HttpResponse:
    """Show the room to those whom the door lets in, and the way there to everybody else."""
    event = _event(slug)
    at = now()
    verdict = admission.may_enter(user=request.user, event=event, at=at)
    status = HTTPStatus.OK if verdict.is_ok or verdict.code in POLLED else HTTPStatus.FORBIDDEN
    status = REFUSED.get(verdict.code, status)
    return render(request, "rooms/room.html", _page(event, verdict, at=at), status=status)


@require_GET
@never_cache
def state(request: HttpRequest, slug: str) -> HttpResponse:
    """Answer the waiting page, which asks every few seconds; it loads anew when the answer changes."""
    event = _event(slug)
    verdict = admission.may_enter(user=request.user, event=event, at=now())
    if request.GET.get("was") != verdict.code:
        # Without scripts somebody sees the answer: they get the room's page.
        answer = HttpResponse() if request.headers.get("HX-Request") == "true" else room(request, slug)
        answer.headers["HX-Refresh"] = "true"
        return answer
    return HttpResponse(status=HTTPStatus.NO_CONTENT)


@require_POST
@never_cache
def seat(request: HttpRequest, slug: str) -> JsonResponse:
    """Take a seat, or come back to one's own. The answer holds what the page needs to connect."""
    event = _event(slug)
    try:
        knock(f"{event.pk}:{request.user.pk or limits.network(request)}")
        wish = SeatWish.model_validate_json(request.body)
        admitted = _seat_for(request, event, wish)
    except TooOften:
        return _refusal(HTTPStatus.TOO_MANY_REQUESTS, "too_often", _("Wait a minute, then try again."))
    except ValidationError:
        return _refusal(HTTPStatus.BAD_REQUEST, "bad_request", _("Reload the page and try again."))
    except admission.SeatedElsewhere:
        return _refusal(HTTPStatus.CONFLICT, "elsewhere", _("You are in this room on another page."))
    except admission.NotAdmitted as refused:
        code = refused.verdict.code
        return _refusal(REFUSED.get(code, HTTPStatus.FORBIDDEN), code.value, str(code.label))
    answer = JsonResponse(_connection(event, admitted))
    answer.set_cookie(
        RESUME_COOKIE,
        admitted.resume,
        max_age=RESUME_SECONDS,
        path=reverse("rooms:room", args=[slug]),
        httponly=True,
        secure=settings.SESSION_COOKIE_SECURE,
        samesite="Strict",
    )
    return answer


@require_GET
@never_cache
def cost(request: HttpRequest, slug: str) -> JsonResponse:
    """Tell a host beforehand what closing the room, or leaving it, would cost."""
    event = _event(slug)
    verdict = admission.may_enter(user=request.user, event=event, at=now())
    if not verdict.is_ok or verdict.role != Seat.Role.HOST:
        return _refusal(HTTPStatus.FORBIDDEN, "not_allowed", _("You are not allowed to do that."))
    return JsonResponse(_cost(event, at=now()))


@require_POST
def doors(request: HttpRequest, slug: str) -> HttpResponse:
    """Open the doors without the room's script, as `open` or `close`. A host sits down for it."""
    event = _event(slug)
    try:
        host = admission.seat_of(user=request.user, event=event, at=now(), session=_session(request))
        if request.POST.get("do") == "close":
            house_doors.close_room(by=host, at=now())
        else:
            house_doors.open_doors(by=host, at=now())
    except (admission.NotAdmitted, stage_machine.NotAllowed, stage_machine.NotSeated):
        return HttpResponse(status=HTTPStatus.FORBIDDEN)
    except house_doors.TooEarly:
        messages.error(request, _("Doors open at most two hours before the start."))
    except house_doors.DoorsHaveMoved:
        messages.info(request, _("The doors have been moved already."))
    return redirect("rooms:room", slug=slug)


def _event(slug: str) -> Event:
    """Return the event, drafts excepted: those are nobody's yet, and look like no event at all."""
    events = Event.objects.exclude(status=Event.Status.DRAFT).select_related("club")
    return get_object_or_404(events, slug=slug)


def _seat_for(request: HttpRequest, event: Event, wish: SeatWish) -> Admitted:
    """Give the page its own seat back if its browser holds the secret; else a seat as to anybody."""
    secret = request.COOKIES.get(RESUME_COOKIE)
    at, session = now(), _session(request)
    if secret and not wish.take_over:
        try:
            return admission.resume(
                user=request.user, event=event, secret=secret, tab=wish.tab, session=session, at=at
            )
        except admission.NoSeatToResume:
            pass  # given up since: the person may sit down anew
    return admission.admit(
        user=request.user, event=event, tab=wish.tab, take_over=wish.take_over, session=session, at=at
    )


def _session(request: HttpRequest) -> str:
    return request.session.session_key or ""


def _connection(event: Event, admitted: Admitted) -> dict[str, Any]:
    return {
        "seat": admitted.seat.pk,
        "role": admitted.seat.role,
        "grants": {"socket": admitted.socket_grant, "listen": admitted.listen_grant},
        "ice_servers": [server.model_dump(exclude_none=True) for server in turn.ice_servers(at=now())],
        **{name: url for name, url in _addresses(event).items() if name != "cost_url"},
    }


def _addresses(event: Event) -> dict[str, str]:
    page = reverse("rooms:room", args=[event.slug])
    return {
        "seat_url": reverse("rooms:seat", args=[event.slug]),
        "socket_url": f"{page}socket",
        "whep_url": reverse("rooms:whep", args=[event.slug]),
        "whip_url": reverse("rooms:whip", args=[event.slug]),
        "cost_url": reverse("rooms:cost", args=[event.slug]),
    }


def _cost(event: Event, *, at: datetime) -> dict[str, Any]:
    _start, minutes = programme.promise(event)
    heard, needed = delivery.stage_seconds(event) // 60, -(-delivery.enough(minutes) // 60)
    if delivery.is_enough(event):
        words = _(
            "Enough has been heard: the evening counts, and its money is released after the holding days."
        )
        return {"counts": True, "close": words, "leave": words}
    so_far = _("%(heard)s of the %(needed)s minutes that make it count have been heard since the start.")
    so_far %= {"heard": heard, "needed": needed}
    close = _("If you close now, nothing that was paid is released, and all who paid get their money back.")
    until = formats.date_format(event.ends_at.astimezone(event.zone), "H:i")
    leave = _("You can open the doors again until %(until)s. After that, all who paid get their money back.")
    leave %= {"until": until}
    if at >= event.ends_at:
        leave = close
    return {"counts": False, "close": f"{so_far} {close}", "leave": f"{so_far} {leave}"}


def _refusal(status: HTTPStatus, code: str, text: str) -> JsonResponse:
    return JsonResponse({"code": code, "text": text}, status=status)


def _page(event: Event, verdict: Verdict, *, at: datetime) -> dict[str, Any]:
    shut_again = Room.objects.filter(event=event, status=Room.Status.SHUT, shut_again_at__isnull=False)
    waits = verdict.code == Code.DOORS_SHUT
    return {
        "is_late": at >= event.starts_at,
        "is_shut_again": waits and shut_again.exists(),
        "event": event,
        "verdict": verdict,
        "is_polled": verdict.code in POLLED,
        "is_host": verdict.is_ok and verdict.role == Seat.Role.HOST,
        "moderates": verdict.is_ok and verdict.role != Seat.Role.LISTENER,
        "addresses": _addresses(event),
        "words": words.for_page(),
    }
