"""What may be asked of a mixer."""

import base64
from typing import Annotated, Final, Literal

from pydantic import Field, TypeAdapter

from rooms.media import calls
from rooms.media.calls import Answer, Call, Census, Epoch, Name, Offer
from rooms.media.house import House
from rooms.media.refusals import BadKey
from rooms.media.room import Sound

FrameCount = Annotated[int, Field(ge=1, le=3)]


class _WithSound(Call[House]):
    """A call that also tells how the room wants to sound, so that a new home knows it."""

    frames: FrameCount | None = None
    music: bool | None = None

    def _apply(self, house: House, *, at: float) -> None:
        if self.frames is not None and self.music is not None:
            house.room(self.room, at=at).sounds(Sound(frames=self.frames, music=self.music))


class Open(_WithSound):
    op: Literal["open"]

    async def carry_out(self, process: House, *, at: float) -> Answer:
        process.room(self.room, at=at)
        self._apply(process, at=at)
        return calls.NOTHING


class Settings(_WithSound):
    op: Literal["settings"]

    async def carry_out(self, process: House, *, at: float) -> Answer:
        self._apply(process, at=at)
        return calls.NOTHING


class Speak(_WithSound):
    op: Literal["speak"]
    seat: Name
    epoch: Epoch
    muted: bool
    offer: Offer

    async def carry_out(self, process: House, *, at: float) -> Answer:
        self._apply(process, at=at)
        session = await process.room(self.room, at=at).speak(
            seat=self.seat, epoch=self.epoch, muted=self.muted, offer=self.offer, at=at
        )
        return calls.opened(session)


class Stage(Call[House]):
    op: Literal["stage"]
    seat: Name
    on: bool

    async def carry_out(self, process: House, *, at: float) -> Answer:
        process.room(self.room, at=at).stage(self.seat, on=self.on, at=at)
        return calls.NOTHING


class Mute(Call[House]):
    op: Literal["mute"]
    seat: Name
    muted: bool

    async def carry_out(self, process: House, *, at: float) -> Answer:
        process.room(self.room, at=at).mute(self.seat, muted=self.muted, at=at)
        return calls.NOTHING


class Drop(Call[House]):
    op: Literal["drop"]
    seat: Name
    epoch: Epoch

    async def carry_out(self, process: House, *, at: float) -> Answer:
        process.room(self.room, at=at).drop(self.seat, epoch=self.epoch)
        return calls.NOTHING


class TellCensus(_WithSound):
    """`at` says when the truth was read; without it, it is taken to be from now."""

    op: Literal["census"]
    seats: Census
    at: float | None = None

    async def carry_out(self, process: House, *, at: float) -> Answer:
        self._apply(process, at=at)
        read_at = at if self.at is None else min(at, self.at)
        process.room(self.room, at=at).census(calls.standings(self.seats), at=read_at)
        return calls.NOTHING


class End(Call[House]):
    op: Literal["end"]
    session: Name

    async def carry_out(self, process: House, *, at: float) -> Answer:
        process.room(self.room, at=at).end(self.session)
        return calls.NOTHING


class Close(Call[House]):
    op: Literal["close"]

    async def carry_out(self, process: House, *, at: float) -> Answer:  # noqa: ARG002 -- each call gets it
        process.close_room(self.room)
        return calls.NOTHING


class Facts(Call[House]):
    op: Literal["facts"]

    async def carry_out(self, process: House, *, at: float) -> Answer:
        room = process.room(self.room, at=at)
        return {
            "upstream": room.sending(),
            "speaking": room.speaking(),
            "levels": room.levels(),
            "remembered_octets": room.ring.octets,
        }


class Feed(Call[House]):
    """An edge asks for the room's mix for the coming seconds, at the abstract Unix address `at_name`.

    `moved` tells that another home has fed it until now.
    """

    op: Literal["feed"]
    edge: Name
    at_name: Name
    moved: bool = False

    async def carry_out(self, process: House, *, at: float) -> Answer:
        room = process.room(self.room, at=at)
        if self.moved:
            room.succeed()
        return {"via": room.feeds.renew(self.edge, self.at_name, at=at)}


class Seal(Call[House]):
    """Give the last minutes of the stage, sealed for the holder of an X25519 key (raw, base64)."""

    op: Literal["seal"]
    public_key: Annotated[str, Field(min_length=44, max_length=44)]

    async def carry_out(self, process: House, *, at: float) -> Answer:
        try:
            sealed = process.room(self.room, at=at).ring.seal(
                base64.b64decode(self.public_key, validate=True)
            )
        except ValueError:
            raise BadKey("The key is not an X25519 public key of 32 octets in base64.") from None
        return {"sealed": base64.b64encode(sealed).decode()}


class Forget(Call[House]):
    op: Literal["forget"]

    async def carry_out(self, process: House, *, at: float) -> Answer:
        process.room(self.room, at=at).ring.drop()
        return calls.NOTHING


AnyCall = Annotated[
    Open | Settings | Speak | Stage | Mute | Drop | TellCensus | End | Close | Facts | Feed | Seal | Forget,
    Field(discriminator="op"),
]
_reader: Final[TypeAdapter[AnyCall]] = TypeAdapter(AnyCall)


def read(text: str) -> Call[House]:
    """Return the call that `text` (JSON) asks for. Raises pydantic.ValidationError."""
    return _reader.validate_json(text)
