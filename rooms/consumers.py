"""One WebSocket: parse, check, call, reply. docs/rooms.md tells the protocol.

Handlers run one after the other for each socket, so a browser that floods waits for itself.
"""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from django.utils.timezone import now
from django.utils.translation import gettext_lazy as _
from pydantic import ValidationError

from rooms import (
    admission,
    callboard,
    doors,
    grants,
    presence,
    protocol,
    remembered,
    rounds,
    soundcheck,
    stage,
    turn,
)
from rooms.models import Grant, Room, Seat
from rooms.protocol import Close
from rooms.throttle import Bucket

Refusal = tuple[str, Any]

REFUSALS: Final[Mapping[type[Exception], Refusal]] = {
    stage.NotAllowed: ("not_allowed", _("You are not allowed to do that.")),
    stage.NotNow: ("not_now", _("That is not possible at the moment.")),
    stage.NotSeated: ("not_here", _("That person is no longer here.")),
    stage.StageFull: ("stage_full", _("The stage is full. Somebody has to step down first.")),
    doors.TooEarly: ("too_early", _("Doors open at most two hours before the start.")),
    doors.DoorsHaveMoved: ("not_now", _("The doors have been moved already.")),
    admission.NotOnStage: ("not_on_stage", _("Only somebody on stage can speak.")),
}
CLOSE_OF: Final[Mapping[admission.Code, Close]] = {
    admission.Code.NO_TICKET: Close.TICKET_GONE,
    admission.Code.CONFIRMING: Close.TICKET_GONE,
    admission.Code.BANNED: Close.REMOVED,
    admission.Code.FULL: Close.FULL,
    admission.Code.CLOSED: Close.ROOM_CLOSED,
}


class RoomConsumer(AsyncWebsocketConsumer):  # type: ignore[misc]  # channels publishes no types
    """The control socket of one seat. Without a hello within five seconds it closes."""

    seat: Seat | None = None

    async def connect(self) -> None:
        self.over = False
        self.groups_joined: list[str] = []
        loop = asyncio.get_running_loop()
        self.bucket = Bucket(burst=protocol.BURST, per_second=protocol.PER_SECOND, at=loop.time())
        self.impatience = asyncio.create_task(self._wait_for_hello())
        await self.accept()

    async def disconnect(self, code: int) -> None:  # noqa: ARG002 -- every way of going counts the same
        self.over = True
        self.impatience.cancel()
        for group in self.groups_joined:
            await self.channel_layer.group_discard(group, self.channel_name)
        if self.seat is not None:
            await database_sync_to_async(presence.away)(seat=self.seat, at=now())

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        if self.over:
            return
        if bytes_data is not None or text_data is None or len(text_data) > protocol.MOST_BYTES:
            await self._end(Close.TOO_MUCH)
            return
        if not self.bucket.takes(at=asyncio.get_running_loop().time()):
            await self._end(Close.TOO_MUCH)
            return
        try:
            request = protocol.read(text_data)
        except ValidationError:
            await self._say(
                protocol.Err(id=0, code="bad_message", words=str(_("The server did not understand that.")))
            )
            return
        try:
            await self._answer(request)
        except presence.Gone as gone:
            await self._end(gone.code)

    # ---- What a browser asks

    async def _answer(self, request: protocol.AnyRequest) -> None:
        if isinstance(request, protocol.Hello):
            await self._hello(request)
        elif self.seat is None:
            await self._end(Close.BAD_GRANT)
        elif isinstance(request, protocol.Leave):
            await database_sync_to_async(presence.leave)(seat=self.seat, at=now())
            self.over = True
            await self._say(protocol.Ok(id=request.id))
            await self.close(code=1000)
        else:
            await self._say(await database_sync_to_async(self._carry_out)(self.seat, request))

    async def _hello(self, hello: protocol.Hello) -> None:
        if self.seat is not None:
            return
        try:
            seat = await database_sync_to_async(admission.enter)(
                token=hello.grant, use=Grant.Use.SOCKET, at=now()
            )
        except grants.BadGrant:
            await self._end(Close.BAD_GRANT)
            return
        except admission.NotAdmitted as refused:
            await self._end(
                CLOSE_OF.get(refused.verdict.code, Close.BAD_GRANT), str(refused.verdict.code.label)
            )
            return
        self.impatience.cancel()
        # Listening to the groups comes first, so that no change falls between the two.
        for group in (callboard.seat_group(seat.pk), callboard.room_group(seat.room_id)):
            await self.channel_layer.group_add(group, self.channel_name)
            self.groups_joined.append(group)
        self.seat = await database_sync_to_async(presence.connect)(seat=seat, at=now())
        await self._say(await database_sync_to_async(self._welcome)(self.seat))

    def _carry_out(self, seat: Seat, request: protocol.AnyRequest) -> protocol.Event:
        seq = presence.touch(seat=seat, at=now())
        match request:
            case protocol.Ping():
                return protocol.Ok(id=request.id, seq=seq)
            case protocol.Sync():
                whole = self._welcome(seat)
                return protocol.Ok(id=request.id, seq=whole.seq, you=whole.you, room=whole.room)
        try:
            if isinstance(request, protocol.AskGrant):
                grant = admission.grant(seat=seat, use=Grant.Use(request.use), at=now())
                return protocol.Ok(id=request.id, grant=grant, ice_servers=turn.ice_servers(at=now()))
            self._act(seat, request)
        except (admission.StandsNoMore, admission.NotAdmitted) as gone:
            rounds.look_at(person=seat.user_id, at=now())
            raise presence.Gone(presence.why_gone(seat)) from gone
        except tuple(REFUSALS) as refusal:
            code, words = REFUSALS[type(refusal)]
            return protocol.Err(id=request.id, code=code, words=str(words))
        return protocol.Ok(id=request.id)

    def _act(self, me: Seat, request: protocol.AnyRequest) -> None:  # noqa: C901, PLR0912 -- a line for each
        match request:
            case protocol.RaiseHand():
                stage.raise_hand(by=me, at=now())
            case protocol.LowerHand(seat=seat):
                stage.lower_hand(by=me, seat=self._other(me, seat))
            case protocol.LowerHands():
                stage.lower_hands(by=me)
            case protocol.Invite(seat=seat):
                stage.invite(by=me, seat=self._other(me, seat), at=now())
            case protocol.StepUp():
                stage.step_up(by=me)
            case protocol.StepDown():
                stage.step_down(by=me)
            case protocol.Mute(seat=seat):
                stage.mute(by=me, seat=self._other(me, seat))
            case protocol.Unmute():
                stage.unmute(by=me)
            case protocol.Demote(seat=seat):
                stage.demote(by=me, seat=self._other(me, seat))
            case protocol.Remove(seat=seat, reason=reason):
                stage.remove(by=me, seat=self._other(me, seat), reason=reason, at=now())
            case protocol.OpenDoors():
                doors.open_doors(by=me, at=now())
            case protocol.CloseRoom():
                doors.close_room(by=me, at=now())
            case protocol.Sound(music=music, frame_ms=frame_ms):
                soundcheck.tune(by=me, music=music, frame_ms=frame_ms)

    def _other(self, me: Seat, seat_id: str | None) -> Seat:
        if seat_id is None:
            return me
        seat = Seat.objects.filter(room_id=me.room_id, pk=seat_id).first()
        if seat is None:
            raise stage.NotSeated("Nobody here has this seat.")
        return seat

    def _welcome(self, seat: Seat) -> protocol.Welcome:
        room = Room.objects.get(pk=seat.room_id)
        self.seat = self._look_up(seat)
        seen = callboard.for_eyes_of(self.seat, callboard.view(room))
        return protocol.Welcome(
            you=callboard.you(self.seat), room=seen, speaking=remembered.speaking(room.pk), seq=room.seq
        )

    def _look_up(self, seat: Seat) -> Seat:
        """Return the seat as it is now. Raise presence.Gone."""
        fresh = Seat.objects.seated().select_related("user").filter(pk=seat.pk, epoch=seat.epoch).first()
        if fresh is None:
            raise presence.Gone(presence.why_gone(seat))
        return fresh

    # ---- What the house says

    async def room_changed(self, message: Mapping[str, Any]) -> None:
        if self.seat is None or self.over:
            return
        try:
            if self.seat.pk in message["touched"]:
                self.seat = await database_sync_to_async(self._look_up)(self.seat)
                await self._say(protocol.YouChanged(you=callboard.you(self.seat)))
        except presence.Gone as gone:
            await self._end(gone.code)
            return
        seen = callboard.for_eyes_of(self.seat, protocol.View.model_validate(message["view"]))
        await self._say(protocol.RoomChanged(seq=message["seq"], room=seen))

    async def room_speaking(self, message: Mapping[str, Any]) -> None:
        if self.seat is not None and not self.over:
            await self._say(protocol.Speaking(seats=message["seats"]))

    async def room_audience(self, message: Mapping[str, Any]) -> None:
        if self.seat is not None and not self.over:
            await self._say(protocol.Audience(count=message["count"]))

    async def room_over(self, message: Mapping[str, Any]) -> None:
        await self._end(Close(message["code"]))

    async def seat_sound(self, message: Mapping[str, Any]) -> None:
        if self.seat is not None and not self.over:
            await self._say(protocol.SoundAgain(again=message["again"], within=message["within"]))

    async def seat_over(self, message: Mapping[str, Any]) -> None:
        if self.seat is not None and self.seat.connection <= message["upto"]:
            await self._end(Close(message["code"]))

    # ---- Small things

    async def _say(self, event: protocol.Event) -> None:
        await self.send(text_data=event.text())

    async def _end(self, code: Close, words: str = "") -> None:
        """Say goodbye with words for the person, and close."""
        if self.over:
            return
        self.over = True
        self.impatience.cancel()
        said = words or callboard.WORDS[code]()
        await self._say(protocol.Bye(code=code, text_=said, final=code in protocol.FINAL))
        await self.close(code=int(code))

    async def _wait_for_hello(self) -> None:
        await asyncio.sleep(protocol.HELLO_SECONDS)
        await self._end(Close.BAD_GRANT)
