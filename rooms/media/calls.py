"""What a call to a media process is. mixer_calls.py and edge_calls.py say which there are."""

from collections.abc import Mapping
from typing import Annotated, Final, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from rooms.media.gate import MOST_BYTES
from rooms.media.refusals import Opened, Standing

MOST_SEATS: Final = 20_000
NOTHING: Final[Mapping[str, object]] = {}

Name = Annotated[str, Field(min_length=1, max_length=64)]
Epoch = Annotated[int, Field(ge=0)]
Offer = Annotated[str, Field(max_length=MOST_BYTES * 2)]  # the gate says so kindly; this only bounds the work
Answer = Mapping[str, object]

Process = TypeVar("Process")


class Call(BaseModel, Generic[Process]):
    """Something to do for one room. After `expires` (unix seconds) nobody waits for it, so it is not done."""

    model_config = ConfigDict(frozen=True)

    id: Name
    room: Name
    expires: float

    async def carry_out(self, process: Process, *, at: float) -> Answer:
        """Do it, and return what the caller gets beside `ok`. Raises Refused or gate.BadOffer.

        A call that takes something away does so before it first waits, so calls take effect in their order.
        """
        raise NotImplementedError


class SeatOfCensus(BaseModel):
    model_config = ConfigDict(frozen=True)

    epoch: Epoch
    stage: bool
    muted: bool


Census = Annotated[dict[Name, SeatOfCensus], Field(max_length=MOST_SEATS)]


def standings(told: Mapping[str, SeatOfCensus]) -> dict[str, Standing]:
    return {seat: Standing(epoch=one.epoch, stage=one.stage, muted=one.muted) for seat, one in told.items()}


def opened(session: Opened) -> Answer:
    return {"answer": session.answer, "session": session.session}
