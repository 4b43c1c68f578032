"""WHIP (RFC 9725) and WHEP (draft-ietf-wish-whep): SDP in, SDP out, by a one-use bearer."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from asgiref.sync import sync_to_async
from channels.db import database_sync_to_async
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import reverse
from django.utils.timezone import now
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt

from rooms import admission, grants, homes, media_calls, placement, remembered, turn
from rooms.models import Grant, Room, Seat

SDP: Final = "application/sdp"
MOST_BYTES: Final = 16 * 1024
ENDPOINT_METHODS: Final = "POST, OPTIONS, HEAD"
SESSION_METHODS: Final = "DELETE, OPTIONS"
STATUS_OF: Final[Mapping[str, HTTPStatus]] = {
    "bad_offer": HTTPStatus.BAD_REQUEST,
    "denied": HTTPStatus.FORBIDDEN,
    "not_on_stage": HTTPStatus.FORBIDDEN,
    "full": HTTPStatus.SERVICE_UNAVAILABLE,
    "closing": HTTPStatus.GONE,
    "failed": HTTPStatus.BAD_GATEWAY,
}


@csrf_exempt
async def whep(request: HttpRequest, slug: str) -> HttpResponse:
    """Listen: the room's mix, or what a speaker should hear."""
    return await _endpoint(request, slug, Grant.Use.LISTEN)


@csrf_exempt
async def whip(request: HttpRequest, slug: str) -> HttpResponse:
    """Speak, while the seat holds the stage."""
    return await _endpoint(request, slug, Grant.Use.SPEAK)


@csrf_exempt
async def session(request: HttpRequest, session_id: str) -> HttpResponse:
    """End a media session. Its address is 128 random bits, told to its owner alone."""
    if request.method == "OPTIONS":
        return _open_to_players(
            HttpResponse(status=HTTPStatus.NO_CONTENT, headers={"Allow": SESSION_METHODS})
        )
    if request.method != "DELETE":
        answer = _problem(HTTPStatus.METHOD_NOT_ALLOWED, "method", _("A session can only be ended."))
        answer["Allow"] = SESSION_METHODS
        return answer
    held = await sync_to_async(remembered.session)(session_id)
    if held is None:
        return _problem(HTTPStatus.NOT_FOUND, "unknown", _("There is no such session."))
    if await sync_to_async(placement.lives)(held.process):
        try:
            await media_calls.end(process=held.process, room=held.room, session=session_id)
        except (media_calls.MediaSilent, media_calls.MediaRefused):
            return _problem(
                HTTPStatus.SERVICE_UNAVAILABLE, "media_away", _("The sound server does not answer.")
            )
    await sync_to_async(remembered.forget_session)(session_id, room_id=held.room)
    return _open_to_players(HttpResponse(status=HTTPStatus.OK))


async def _endpoint(request: HttpRequest, slug: str, use: Grant.Use) -> HttpResponse:
    if request.method == "POST":
        return await _post(request, slug, use)
    if request.method in {"OPTIONS", "HEAD"}:
        headers = {"Allow": ENDPOINT_METHODS, "Accept-Post": SDP, "Content-Type": SDP}
        return _open_to_players(HttpResponse(status=HTTPStatus.NO_CONTENT, headers=headers))
    answer = _problem(HTTPStatus.METHOD_NOT_ALLOWED, "method", _("Post an SDP offer here."))
    answer["Allow"] = ENDPOINT_METHODS
    return answer


async def _post(request: HttpRequest, slug: str, use: Grant.Use) -> HttpResponse:
    if request.content_type != SDP:
        return _problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "not_sdp", _("Send the offer as application/sdp."))
    token = _bearer(request)
    if token is None:
        return _unauthorised(_("Send a grant as a bearer token."))
    offer = _offer(request)
    if offer is None:
        return _problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_large", _("The offer is too long."))
    return await _knock(token, offer, slug, use)


async def _knock(token: str, offer: str, slug: str, use: Grant.Use) -> HttpResponse:
    try:
        seat = await database_sync_to_async(_enter)(token, slug, use)
    except grants.BadGrant:
        return _unauthorised(_("This grant is unknown, used or too old. Ask for another."))
    except admission.NotAdmitted as refused:
        verdict = refused.verdict
        return _problem(HTTPStatus.FORBIDDEN, verdict.code.value, str(verdict.code.label))
    except admission.NotOnStage:
        return _problem(HTTPStatus.FORBIDDEN, "not_on_stage", _("Only somebody on stage can speak."))
    return await _open(seat, use, offer)


def _enter(token: str, slug: str, use: Grant.Use) -> Seat:
    """Ask the one door. A grant is for its own room alone."""
    seat = admission.enter(token=token, use=use, at=now())
    if seat.room.event.slug != slug:
        raise grants.BadGrant("The grant is for another room.")
    return seat


async def _open(seat: Seat, use: Grant.Use, offer: str) -> HttpResponse:
    try:
        opened = await _ask_media(seat, use, offer)
    except media_calls.MediaRefused as refused:
        status = STATUS_OF.get(refused.code, HTTPStatus.BAD_GATEWAY)
        return _problem(status, refused.code, str(refused))
    except (media_calls.MediaSilent, placement.NoMediaProcess):
        answer = _problem(
            HTTPStatus.SERVICE_UNAVAILABLE, "media_away", _("The sound server does not answer.")
        )
        answer["Retry-After"] = "3"
        return answer
    await database_sync_to_async(_remember)(opened, seat.room_id)
    answer = HttpResponse(opened.answer, status=HTTPStatus.CREATED, content_type=SDP)
    answer["Location"] = reverse("rooms:media_session", args=[opened.session])
    servers = turn.ice_servers(at=now())
    if servers:
        answer["Link"] = turn.links(servers)
    return _open_to_players(answer)


def _remember(opened: media_calls.Opened, room_id: str) -> None:
    """Remember where the session is. Whoever closes the room meanwhile forgets it, or is seen here."""
    remembered.note_session(opened.session, room_id=room_id, process=opened.process)
    if Room.objects.filter(pk=room_id, status=Room.Status.CLOSED).exists():
        remembered.forget(room_id)


async def _ask_media(seat: Seat, use: Grant.Use, offer: str) -> media_calls.Opened:
    if use == Grant.Use.LISTEN:
        return await media_calls.listen(room=seat.room_id, seat=seat.pk, epoch=seat.epoch, offer=offer)
    return await media_calls.speak(
        home=await database_sync_to_async(homes.carry)(room_id=seat.room_id, at=now()),
        room=seat.room_id,
        seat=seat.pk,
        epoch=seat.epoch,
        muted=seat.muted,
        sound=media_calls.Sound(frames=seat.room.frames, music=seat.room.music),
        offer=offer,
    )


def _bearer(request: HttpRequest) -> str | None:
    scheme, _space, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token.strip() else None


def _offer(request: HttpRequest) -> str | None:
    """Return the offer, or None if it is longer than any browser's. What is no text, the gate refuses."""
    body = request.body
    return body.decode(errors="replace") if len(body) <= MOST_BYTES else None


def _unauthorised(detail: str) -> HttpResponse:
    answer = _problem(HTTPStatus.UNAUTHORIZED, "bad_grant", detail)
    answer["WWW-Authenticate"] = "Bearer"
    return answer


def _problem(status: HTTPStatus, code: str, detail: str) -> HttpResponse:
    """Return an error as RFC 9457 tells it."""
    body: dict[str, Any] = {"title": status.phrase, "status": status.value, "code": code, "detail": detail}
    return _open_to_players(JsonResponse(body, status=status, content_type="application/problem+json"))


def _open_to_players(answer: HttpResponse) -> HttpResponse:
    """Let players on other pages in: they bring a grant of their own, and no cookie counts here."""
    answer["Access-Control-Allow-Origin"] = "*"
    answer["Access-Control-Allow-Headers"] = "Authorization, Content-Type"
    answer["Access-Control-Allow-Methods"] = "POST, DELETE, OPTIONS, HEAD"
    answer["Access-Control-Expose-Headers"] = "Location, Link"
    answer["Cache-Control"] = "no-store"
    return answer
