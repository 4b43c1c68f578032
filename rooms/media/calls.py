"""What the web side may ask of a media process: one class per call, with what it needs and does."""

from collections.abc import Mapping
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from rooms.media.gate import MOST_BYTES
from rooms.media.house import House
from rooms.media.room import Opened, Standing

Name = Annotated[str, Field(min_length=1, max_length=64)]
Epoch = Annotated[int, Field(ge=0)]
Answer = Mapping[str, object]

_NOTHING: Final[Answer] = {}
_MOST_SEATS: Final = 20_000


class Call(BaseModel):
    """Something to do for one room. After `expires` (unix seconds) nobody waits for it, so it is not done."""

    model_config = ConfigDict(frozen=True)

    id: Name
    room: Name
    expires: float

    async def carry_out(self, house: House, *, at: float) -> Answer:
        """Do it, and return what the caller gets beside `ok`. Raises room.Refused or gate.BadOffer.

        A call that takes something away does so before it first waits, so calls take effect in their order.
        """
        raise NotImplementedError


class Open(Call):
    op: Literal["open"]

    async def carry_out(self, house: House, *, at: float) -> Answer:
        house.room(self.room, at=at)
        return _NOTHING


class Listen(Call):
    op: Literal["listen"]
    seat: Name
    epoch: Epoch
    offer: Annotated[
        str, Field(max_length=MOST_BYTES * 2)
    ]  # the gate says so kindly; this only bounds the work

    async def carry_out(self, house: House, *, at: float) -> Answer:
        room = house.room(self.room, at=at)
        house.check_capacity()
        return _opened(await room.listen(seat=self.seat, epoch=self.epoch, offer=self.offer, at=at))


class Speak(Call):
    op: Literal["speak"]
    seat: Name
    epoch: Epoch
    muted: bool
    offer: Annotated[str, Field(max_length=MOST_BYTES * 2)]

    async def carry_out(self, house: House, *, at: float) -> Answer:
        room = house.room(self.room, at=at)
        opened = await room.speak(seat=self.seat, epoch=self.epoch, muted=self.muted, offer=self.offer, at=at)
        return _opened(opened)


class Stage(Call):
    op: Literal["stage"]
    seat: Name
    on: bool

    async def carry_out(self, house: House, *, at: float) -> Answer:
        house.room(self.room, at=at).stage(self.seat, on=self.on, at=at)
        return _NOTHING


class Mute(Call):
    op: Literal["mute"]
    seat: Name
    muted: bool

    async def carry_out(self, house: House, *, at: float) -> Answer:
        house.room(self.room, at=at).mute(self.seat, muted=self.muted, at=at)
        return _NOTHING


class Drop(Call):
    op: Literal["drop"]
    seat: Name
    epoch: Epoch

    async def carry_out(self, house: House, *, at: float) -> Answer:
        house.room(self.room, at=at).drop(self.seat, epoch=self.epoch)
        return _NOTHING


class SeatOfCensus(BaseModel):
    model_config = ConfigDict(frozen=True)

    epoch: Epoch
    stage: bool
    muted: bool


class Census(Call):
    """`at` says when the truth was read; without it, it is taken to be from now."""

    op: Literal["census"]
    seats: Annotated[dict[Name, SeatOfCensus], Field(max_length=_MOST_SEATS)]
    at: float | None = None

    async def carry_out(self, house: House, *, at: float) -> Answer:
        told = {
            seat: Standing(epoch=one.epoch, stage=one.stage, muted=one.muted)
            for seat, one in self.seats.items()
        }
        house.room(self.room, at=at).census(told, at=at if self.at is None else min(at, self.at))
        return _NOTHING


class End(Call):
    op: Literal["end"]
    session: Name

    async def carry_out(self, house: House, *, at: float) -> Answer:
        house.room(self.room, at=at).end(self.session)
        return _NOTHING


class Close(Call):
    op: Literal["close"]

    async def carry_out(self, house: House, *, at: float) -> Answer:  # noqa: ARG002 -- each call gets it
        house.close_room(self.room)
        return _NOTHING


class Facts(Call):
    op: Literal["facts"]

    async def carry_out(self, house: House, *, at: float) -> Answer:
        room = house.room(self.room, at=at)
        return {"hearing": await room.hearing(at=at), "speaking": room.sending(), "levels": room.levels()}


AnyCall = Annotated[
    Open | Listen | Speak | Stage | Mute | Drop | Census | End | Close | Facts, Field(discriminator="op")
]
_reader: Final[TypeAdapter[AnyCall]] = TypeAdapter(AnyCall)


def read(text: str) -> Call:
    """Return the call that `text` (JSON) asks for. Raises pydantic.ValidationError."""
    return _reader.validate_json(text)


def _opened(opened: Opened) -> Answer:
    return {"answer": opened.answer, "session": opened.session}
