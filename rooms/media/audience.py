"""Who listens in which room of one edge. What is taken away here is taken when the call returns."""

import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Protocol

from rooms.media import gate, pipe
from rooms.media.counters import Counters
from rooms.media.listener_sdp import Answers
from rooms.media.paths import Path, Paths
from rooms.media.refusals import Closing, Denied, Full, Opened, Standing

HEARD_BACK_SECONDS: Final = 15.0  # browsers report at least every 7.5 s; two missing is a listener gone
IDLE_SECONDS: Final = 600.0  # a room without people or calls for so long was closed by one who could not say
MOST_DENIED: Final = 10_000  # seats of one room; the oldest are forgotten, and the web side still knows
KIND: Final = gate.Purpose.LISTEN.value

Tell = Callable[[Mapping[str, object]], None]


class Reason(StrEnum):
    """Why a session ended, as told in `session_ended`."""

    LEFT = "left"  # the other side hung up
    LOST = "lost"  # it never connected, or fell silent
    DROPPED = "dropped"  # revoked, removed, or unknown to the census
    CLOSED = "closed"  # the room or the process ended, or a newer session of the seat took over


class Wire(Protocol):
    """What the audience needs of the edge."""

    def tell_sender(self, message: pipe.Message) -> None:
        """Have the sender do this before it sends anything more."""

    def name_of(self, path: Path) -> bytes:
        """Return the path's address as the kernel reads it."""


@dataclass(slots=True, eq=False)
class Session:
    """One connection of one seat."""

    id: str
    room: "Room"
    seat: str
    epoch: int
    opened_at: float  # unix seconds
    payload_type: int
    path: Path
    is_sent_to: bool = False


@dataclass(slots=True)
class Place:
    """One seat. `coming` takes over from `hearing` when its first packet has been sent."""

    hearing: Session | None = None
    coming: Session | None = None

    @property
    def sessions(self) -> list[Session]:
        return [one for one in (self.hearing, self.coming) if one is not None]


@dataclass(eq=False)
class Room:
    """What one edge knows of a room. `ssrc` and `cname` mark its sound for as long as it is known here."""

    number: int
    name: str
    touched_at: float  # unix seconds
    ssrc: int = field(default_factory=lambda: secrets.randbits(32) or 1)
    cname: str = field(default_factory=lambda: secrets.token_hex(8))
    places: dict[str, Place] = field(default_factory=dict)
    denied: dict[str, int] = field(default_factory=dict)  # seat -> the epoch up to which it is refused
    fed_at: float = 0.0  # unix seconds

    @property
    def sessions(self) -> list[Session]:
        return [session for place in self.places.values() for session in place.sessions]


class Audience:
    """Every session of an edge, by room and seat."""

    def __init__(
        self,
        wire: Wire,
        *,
        paths: Paths,
        answers: Answers,
        tell: Tell,
        most_listeners: int,
        counters: Counters,
    ) -> None:
        self._wire = wire
        self._paths = paths
        self._answers = answers
        self._tell = tell
        self._most_listeners = most_listeners
        self._counters = counters
        self._rooms: dict[str, Room] = {}
        self._sessions: dict[int, Session] = {}  # by the number of their path
        self._by_id: dict[str, Session] = {}
        self._draining = False
        self._last_room = 0

    @property
    def rooms(self) -> list[str]:
        """The rooms in which somebody listens or is about to, and which are therefore to be fed."""
        return [room.name for room in self._rooms.values() if room.places]

    @property
    def listeners(self) -> int:
        """How many sessions listen or are about to."""
        return len(self._sessions)

    def seats(self, room: str) -> list[str]:
        """Return the seats that listen in `room` or are about to, sorted."""
        known = self._rooms.get(room)
        return sorted(known.places) if known is not None else []

    def listen(self, *, room: str, seat: str, epoch: int, offer: str, at: float) -> Opened:
        """Answer a listener. An older session of the seat is heard until this one is sent packets.

        `at` is unix seconds. Raises gate.BadOffer, Denied, Full, and Closing.
        """
        if self._draining:
            raise Closing("This server is being replaced. Connect again in a moment.")
        here = self._room(room, at=at)
        if epoch <= here.denied.get(seat, epoch - 1):
            raise Denied("This seat is no longer welcome in the room.")
        if len(self._sessions) >= self._most_listeners:
            raise Full("This server has no room for another listener.")
        read = gate.read(offer, gate.Purpose.LISTEN)
        path = self._paths.open(read, ssrc=here.ssrc, now=time.monotonic())
        session = Session(secrets.token_urlsafe(16), here, seat, epoch, at, read.payload_type, path)
        answer = self._answers.write(
            read, name=path.name, password=path.password.decode(), ssrc=here.ssrc, cname=here.cname
        )
        self._let_come(session)
        return Opened(answer=answer, session=session.id)

    def drop(self, *, room: str, seat: str, epoch: int) -> None:
        """Put the seat out and refuse it at this epoch and below for as long as the room lives."""
        here = self._room(room, at=time.time())
        here.denied[seat] = max(epoch, here.denied.pop(seat, epoch))
        if len(here.denied) > MOST_DENIED:
            del here.denied[next(iter(here.denied))]
        for session in here.places.get(seat, Place()).sessions:
            if session.epoch <= epoch:
                self._stop(session, Reason.DROPPED)

    def census(self, *, room: str, standings: Mapping[str, Standing], at: float) -> None:
        """Make the room agree with the whole truth, as it was at `at`; what came later is left alone."""
        here = self._rooms.get(room)
        if here is None:
            return
        here.touched_at = max(here.touched_at, at)
        for session in here.sessions:
            standing = standings.get(session.seat)
            if session.opened_at <= at and (standing is None or session.epoch < standing.epoch):
                self._stop(session, Reason.DROPPED)

    def end(self, session_id: str) -> None:
        """End one session, as its owner asked. One that is not here has ended already."""
        session = self._by_id.get(session_id)
        if session is not None:
            self._stop(session, Reason.LEFT)

    def close_room(self, room: str) -> None:
        """Put everybody out of the room and forget it. One that is not here is closed already."""
        here = self._rooms.get(room)
        if here is not None:
            self._stop_all(here.sessions, Reason.CLOSED)
            self._rooms.pop(room, None)

    def taken_over(self, *, room: str, seat: str, session: str, epoch: int) -> None:
        """End what is left here of a seat that another edge's `session` carries by now."""
        here = self._rooms.get(room)
        place = here.places.get(seat) if here is not None else None
        for ours in place.sessions if place is not None else []:
            if ours.epoch <= epoch and ours.id != session:
                self._stop(ours, Reason.CLOSED)

    def hearing(self, room: str, *, at: float) -> list[str]:
        """Return, sorted, the seats to whom the mix is sent and who say that it comes. `at` is unix time."""
        here = self._rooms.get(room)
        if here is None:
            return []
        fed = at - here.fed_at < HEARD_BACK_SECONDS
        ears = ((seat, place.hearing) for seat, place in here.places.items())
        return sorted(seat for seat, one in ears if one is not None and _hears(one, fed=fed, at=at))

    def draining(self) -> None:
        """Let nobody in any more."""
        self._draining = True

    def close(self) -> None:
        """Put everybody out and let nobody in any more."""
        self._draining = True
        for room in list(self._rooms):
            self.close_room(room)

    def forget_idle(self, *, at: float) -> None:
        """Forget the rooms that nobody is in and nobody has spoken of for ten minutes."""
        for room in list(self._rooms.values()):
            if not room.places and at - room.touched_at > IDLE_SECONDS:
                del self._rooms[room.name]

    def connected(self, path: Path) -> None:
        """Have packets sent to the listener at the end of `path`."""
        session = self._sessions[path.id]
        if path.keys is None:
            raise ValueError("A path without keys is not connected.")
        session.is_sent_to = True
        self._wire.tell_sender(
            pipe.Add(
                listener=path.id,
                room=session.room.number,
                ssrc=session.room.ssrc,
                payload_type=session.payload_type,
                profile=path.keys.profile.number,
                secret=path.keys.ours,
                name=self._wire.name_of(path),
                room_name=session.room.name,
                seat=session.seat,
                cname=session.room.cname,
            )
        )

    def moved(self, path: Path) -> None:
        """Have the listener's packets sent to where it is now."""
        if self._sessions[path.id].is_sent_to:
            self._wire.tell_sender(pipe.Move(path.id, self._wire.name_of(path)))

    def left(self, path: Path) -> None:
        """End the session of a listener who has hung up."""
        self._stop(self._sessions[path.id], Reason.LEFT)

    def lost(self, path: Path) -> None:
        """End the session of a listener who never came or has fallen silent."""
        self._stop(self._sessions[path.id], Reason.LOST)

    def flowing(self, numbers: Sequence[int], *, at: float) -> None:
        """Note whose first packet has been sent: each takes over from its seat's older session."""
        for session in [self._sessions[number] for number in numbers if number in self._sessions]:
            self._counters.joined(at - session.opened_at)
            self._take_over(session)

    def broken(self, numbers: Sequence[int]) -> None:
        """End sessions whose packets the sender cannot protect."""
        self._stop_all(
            [self._sessions[number] for number in numbers if number in self._sessions], Reason.LOST
        )

    def fed(self, numbers: Sequence[int], *, at: float) -> None:
        """Note in which rooms a mix is being sent."""
        fed = set(numbers)
        for room in self._rooms.values():
            if room.number in fed:
                room.fed_at = at

    def _room(self, name: str, *, at: float) -> Room:
        if name not in self._rooms:
            self._last_room += 1
            self._rooms[name] = Room(self._last_room, name, at)
        room = self._rooms[name]
        room.touched_at = max(room.touched_at, at)
        return room

    def _let_come(self, session: Session) -> None:
        self._sessions[session.path.id] = self._by_id[session.id] = session
        self._counters.joins += 1
        self._counters.listeners = len(self._sessions)
        place = session.room.places.setdefault(session.seat, Place())
        before, place.coming = place.coming, session
        if before is not None:
            self._stop(before, Reason.CLOSED)

    def _take_over(self, session: Session) -> None:
        place = session.room.places[session.seat]
        if place.coming is not session:
            return
        before, place.hearing, place.coming = place.hearing, session, None
        if before is not None:
            self._stop(before, Reason.CLOSED)
        self._tell({"event": "took_over", **_named(session), "epoch": session.epoch})

    def _stop_all(self, sessions: Sequence[Session], reason: Reason) -> None:
        for session in sessions:
            self._stop(session, reason)

    def _stop(self, session: Session, reason: Reason) -> None:
        """End a session: when this returns, the sender has been told."""
        del self._sessions[session.path.id], self._by_id[session.id]
        self._counters.listeners = len(self._sessions)
        last_words = self._paths.close(session.path)
        if session.is_sent_to:
            self._wire.tell_sender(pipe.Remove(session.path.id, last_words))
        place = session.room.places.get(session.seat, Place())
        if place.hearing is session:
            place.hearing = None
        if place.coming is session:
            place.coming = None
        if not place.sessions:
            session.room.places.pop(session.seat, None)
        self._tell({"event": "session_ended", **_named(session), "kind": KIND, "reason": reason.value})


def _named(session: Session) -> dict[str, object]:
    return {"room": session.room.name, "seat": session.seat, "session": session.id}


def _hears(session: Session, *, fed: bool, at: float) -> bool:
    if at - session.opened_at < HEARD_BACK_SECONDS:
        return True
    return fed and at - session.path.arrived_at < HEARD_BACK_SECONDS
