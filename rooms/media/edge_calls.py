"""What may be asked of an edge."""

from typing import Annotated, Final, Literal

from pydantic import Field, TypeAdapter

from rooms.media import calls
from rooms.media.audience import Audience
from rooms.media.calls import Answer, Call, Census, Epoch, Name, Offer


class Listen(Call[Audience]):
    op: Literal["listen"]
    seat: Name
    epoch: Epoch
    offer: Offer

    async def carry_out(self, process: Audience, *, at: float) -> Answer:
        session = process.listen(room=self.room, seat=self.seat, epoch=self.epoch, offer=self.offer, at=at)
        return calls.opened(session)


class Drop(Call[Audience]):
    op: Literal["drop"]
    seat: Name
    epoch: Epoch

    async def carry_out(self, process: Audience, *, at: float) -> Answer:  # noqa: ARG002 -- each call gets it
        process.drop(room=self.room, seat=self.seat, epoch=self.epoch)
        return calls.NOTHING


class TellCensus(Call[Audience]):
    """`at` says when the truth was read; without it, it is taken to be from now."""

    op: Literal["census"]
    seats: Census
    at: float | None = None

    async def carry_out(self, process: Audience, *, at: float) -> Answer:
        read_at = at if self.at is None else min(at, self.at)
        process.census(room=self.room, standings=calls.standings(self.seats), at=read_at)
        return calls.NOTHING


class End(Call[Audience]):
    op: Literal["end"]
    session: Name

    async def carry_out(self, process: Audience, *, at: float) -> Answer:  # noqa: ARG002 -- each call gets it
        process.end(self.session)
        return calls.NOTHING


class Close(Call[Audience]):
    op: Literal["close"]

    async def carry_out(self, process: Audience, *, at: float) -> Answer:  # noqa: ARG002 -- each call gets it
        process.close_room(self.room)
        return calls.NOTHING


class Facts(Call[Audience]):
    op: Literal["facts"]

    async def carry_out(self, process: Audience, *, at: float) -> Answer:
        return {"hearing": process.hearing(self.room, at=at)}


AnyCall = Annotated[Listen | Drop | TellCensus | End | Close | Facts, Field(discriminator="op")]
_reader: Final[TypeAdapter[AnyCall]] = TypeAdapter(AnyCall)


def read(text: str) -> Call[Audience]:
    """Return the call that `text` (JSON) asks for. Raises pydantic.ValidationError."""
    return _reader.validate_json(text)
