"""Every message of the control socket, typed, each with its limit. docs/rooms.md tells the same in words.

A browser sends requests `{op, id, …}`; each gets one `ok` or `err` with its id. Events come by themselves.
"""

import unicodedata
from enum import IntEnum
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter

from core import seen

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
    ASK_AGAIN = 4007
    FULL = 4008
    SERVER_MOVING = 4010
    TOO_MUCH = 1008


# After these a browser does not come back by itself.
FINAL: Final = frozenset({Close.REMOVED, Close.ROOM_CLOSED, Close.TICKET_GONE, Close.TAKEN_OVER})


def _as_typed(text: str) -> str:
    """Return a line as the fields of forms take it. Raise ValueError for what nobody can see."""
    line = " ".join(unicodedata.normalize("NFC", text).split())
    if seen.is_hidden(line):
        raise ValueError("hidden characters")
    return line


Line = Annotated[str, AfterValidator(_as_typed)]
Half = Literal["listen", "speak"]  # of somebody's sound
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
    grant: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{20,64}$")]


class Ping(Request):
    op: Literal["ping"]


class Sync(Request):
    op: Literal["sync"]


class AskGrant(Request):
    op: Literal["grant"]
    use: Half


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
    reason: Annotated[Line, Field(max_length=200)] = ""


class OpenDoors(Request):
    op: Literal["open_doors"]


class CloseRoom(Request):
    op: Literal["close_room"]


class Sound(Request):
    """How the room is to sound: for speech or for music, and how many milliseconds are in one packet."""

    op: Literal["sound"]
    music: Annotated[bool, Field(strict=True)]
    frame_ms: Literal[20, 40, 60]


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
    | Sound
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


class SoundSetting(BaseModel):
    """How the room sounds. Only hosts are told, for only they can change it."""

    music: bool
    frame_ms: int


class View(BaseModel):
    """The room as everybody sees it.

    `hands` is left out for those who do not moderate, `sound` for those who are not hosts.
    """

    status: str
    audience: int
    host_gone: bool
    host_left: bool = False
    hands_up: int
    stage: list[Person]
    hands: list[Hand] | None = None
    sound: SoundSetting | None = None


class You(BaseModel):
    seat: str
    name: str
    role: str
    stage: str
    muted: bool


class IceServer(BaseModel):
    """A STUN or TURN server, as browsers take it (RTCIceServer)."""

    urls: list[str]
    username: str | None = None
    credential: str | None = None


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


class SoundAgain(Event):
    """Connect one half of the sound anew, at a random moment within so many seconds."""

    op: Literal["sound"] = "sound"
    again: Half
    within: float


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
    ice_servers: list[IceServer] | None = None
    you: You | None = None
    room: View | None = None


class Err(Event):
    op: Literal["err"] = "err"
    id: int
    code: str
    words: str
