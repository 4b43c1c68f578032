"""Every message of the control socket, typed, each with its limit. docs/rooms.md tells the same in words.

A browser sends requests `{op, id, …}`; each gets one `ok` or `err` with its id. Events come by themselves.
"""

from enum import IntEnum
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

VERSION: Final = 1
MOST_BYTES: Final = 4096  # of one message from a browser
HELLO_SECONDS: Final = 5
PING_SECONDS: Final = 10
GRACE_SECONDS: Final = 45  # a seat whose socket is lost keeps its place for so long
BURST: Final = 30  # messages a socket may send at once …
PER_SECOND: Final = 3  # … and for good
MOST_HANDS_SHOWN: Final = 100


class Close(IntEnum):
    """Why the server ends a socket. See FINAL."""

    BAD_GRANT = 4001
    REMOVED = 4003
    ROOM_CLOSED = 4004
    TICKET_GONE = 4005
    TAKEN_OVER = 4006
    FULL = 4008
    SERVER_MOVING = 4010
    TOO_MUCH = 1008


# After these a browser does not come back by itself.
FINAL: Final = frozenset({Close.REMOVED, Close.ROOM_CLOSED, Close.TICKET_GONE, Close.TAKEN_OVER})

SeatId = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]


class Request(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    id: Annotated[int, Field(ge=0, le=2**31)] = 0


class OnSeat(Request):
    """A request about somebody."""

    seat: SeatId


class OnAnySeat(Request):
    """A request about somebody, or about oneself where nobody is named."""

    seat: SeatId | None = None


class Hello(Request):
    op: Literal["hello"]
    v: Literal[1]
    grant: Annotated[str, Field(min_length=20, max_length=64)]


class Ping(Request):
    op: Literal["ping"]


class Sync(Request):
    op: Literal["sync"]


class AskGrant(Request):
    op: Literal["grant"]
    use: Literal["listen", "speak"]


class RaiseHand(Request):
    op: Literal["raise_hand"]


class LowerHand(OnAnySeat):
    op: Literal["lower_hand"]


class LowerHands(Request):
    op: Literal["lower_hands"]


class Invite(OnSeat):
    op: Literal["invite"]


class StepUp(Request):
    op: Literal["step_up"]


class StepDown(Request):
    op: Literal["step_down"]


class Mute(OnAnySeat):
    op: Literal["mute"]


class Unmute(Request):
    op: Literal["unmute"]


class Demote(OnSeat):
    op: Literal["demote"]


class Remove(OnSeat):
    op: Literal["remove"]
    reason: Annotated[str, Field(max_length=200)] = ""


class OpenDoors(Request):
    op: Literal["open_doors"]


class CloseRoom(Request):
    op: Literal["close_room"]


class Leave(Request):
    op: Literal["leave"]


AnyRequest = Annotated[
    Hello
    | Ping
    | Sync
    | AskGrant
    | RaiseHand
    | LowerHand
    | LowerHands
    | Invite
    | StepUp
    | StepDown
    | Mute
    | Unmute
    | Demote
    | Remove
    | OpenDoors
    | CloseRoom
    | Leave,
    Field(discriminator="op"),
]
_reader: Final[TypeAdapter[AnyRequest]] = TypeAdapter(AnyRequest)


def read(text: str) -> AnyRequest:
    """Return the request that a frame holds. Raise pydantic.ValidationError."""
    return _reader.validate_json(text)


class Person(BaseModel):
    """Somebody on stage."""

    seat: str
    name: str
    handle: str
    role: str
    muted: bool
    away: bool


class Hand(BaseModel):
    """Somebody who asks for the stage, or was asked. Only hosts and moderators are told who."""

    seat: str
    name: str
    handle: str
    stage: Literal["hand", "invited"]
    since: str


class View(BaseModel):
    """The room as everybody sees it; `hands` is left out for those who do not moderate."""

    status: str
    audience: int
    host_gone: bool
    hands_up: int
    stage: list[Person]
    hands: list[Hand] | None = None


class You(BaseModel):
    seat: str
    name: str
    role: str
    stage: str
    muted: bool


class Event(BaseModel):
    """What the server says by itself, or answers."""

    def text(self) -> str:
        return self.model_dump_json(exclude_none=True)


class Welcome(Event):
    op: Literal["welcome"] = "welcome"
    v: int = VERSION
    you: You
    room: View
    speaking: list[str]
    seq: int
    ping: int = PING_SECONDS
    grace: int = GRACE_SECONDS


class RoomChanged(Event):
    op: Literal["room"] = "room"
    seq: int
    room: View


class YouChanged(Event):
    op: Literal["you"] = "you"
    you: You


class Audience(Event):
    op: Literal["audience"] = "audience"
    count: int


class Speaking(Event):
    op: Literal["speaking"] = "speaking"
    seats: list[str]


class Bye(Event):
    """The last message before a close: the code again, and words for the person."""

    op: Literal["bye"] = "bye"
    code: int
    text_: str = Field(serialization_alias="text")
    final: bool

    def text(self) -> str:
        return self.model_dump_json(by_alias=True)


class Ok(Event):
    op: Literal["ok"] = "ok"
    id: int
    seq: int | None = None
    grant: str | None = None
    you: You | None = None
    room: View | None = None


class Err(Event):
    op: Literal["err"] = "err"
    id: int
    code: str
    words: str
