"""One room's sound: who is heard, who hears, and what is done when somebody is no longer welcome."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from rooms.media import mixer
from rooms.media.listener import Listener
from rooms.media.opus import HOUSE_EFFORT, STAGE_EFFORT, Encoder, OpusPacket, packet
from rooms.media.peer import Speaker
from rooms.media.session import Reason, Session
from rooms.media.sound import FRAME_SAMPLES, Samples

MOST_SPEAKERS: Final = 20  # each costs a decoder thread and an encoder of their own

Tell = Callable[[Mapping[str, object]], None]


class Refused(Exception):
    """The room does not do what was asked. `code` is told to the caller beside the sentence."""

    code = "refused"


class Denied(Refused):
    """This seat, at this epoch, was dropped."""

    code = "denied"


class NotOnStage(Refused):
    """The seat does not hold the stage."""

    code = "not_on_stage"


class Full(Refused):
    """No more connections of this kind fit."""

    code = "full"


class Closing(Refused):
    """The room is being closed."""

    code = "closing"


@dataclass(frozen=True)
class Opened:
    """A session that has been answered."""

    answer: str
    session: str


@dataclass(frozen=True)
class Standing:
    """What the web side says is true of a seat."""

    epoch: int
    stage: bool
    muted: bool


@dataclass
class Mix:
    """One stream of sound on its way out: limited, then encoded. Its listeners share each packet."""

    effort: int
    limiter: mixer.Limiter = field(default_factory=mixer.Limiter)

    def __post_init__(self) -> None:
        self.encoder = Encoder(effort=self.effort)

    def encode(self, frame: Samples, *, pts: int) -> OpusPacket:
        return packet(self.encoder.encode(self.limiter.limit(frame)), pts=pts)


@dataclass
class Place:
    """What the room knows of one seat."""

    muted: bool = False
    off_stage: bool = False
    told_at: float = 0.0  # unix seconds, when stage or mute was last told
    hearing: Listener | None = None
    coming: Listener | None = None  # takes over from `hearing` when its first packet can flow
    speaking: Speaker | None = None
    own_mix: Mix | None = None  # only while on an upstream: everybody but themselves

    @property
    def sessions(self) -> list[Session]:
        return [one for one in (self.hearing, self.coming, self.speaking) if one is not None]


class Room:
    """Every method that takes something away has taken effect, in sound, when it returns."""

    def __init__(self, name: str, *, addresses: Sequence[str], tell: Tell) -> None:
        self.name = name
        self._addresses = addresses
        self._tell = tell
        self._places: dict[str, Place] = {}
        self._denied: dict[str, int] = {}
        self._house = Mix(HOUSE_EFFORT)
        self._closed = False

    async def listen(self, *, seat: str, epoch: int, offer: str, at: float) -> Opened:
        """Answer a listener. An older session of the seat is heard until this one carries packets."""
        self._check_welcome(seat, epoch)
        session = Listener(
            seat=seat,
            epoch=epoch,
            addresses=self._addresses,
            at=at,
            ended=self._ended,
            flowing=self._take_over,
        )
        answer = await self._answer(session, offer)
        place = self._place(seat)
        if place.coming is not None:
            place.coming.stop(Reason.CLOSED)
        place.coming = session
        return Opened(answer=answer, session=session.id)

    async def speak(self, *, seat: str, epoch: int, muted: bool, offer: str, at: float) -> Opened:
        """Answer a speaker. An older upstream of the seat ends: two microphones of one seat never overlap."""
        self._check_welcome(seat, epoch)
        self._check_stage(seat)
        place = self._place(seat)
        place.muted = muted
        session = Speaker(
            seat=seat, epoch=epoch, addresses=self._addresses, at=at, ended=self._ended, muted=muted
        )
        answer = await self._answer(session, offer)
        place = self._place(seat)
        if place.speaking is not None:
            place.speaking.stop(Reason.CLOSED)
        session.mute(muted=place.muted)  # it may have been told while the answer was made
        place.speaking, place.own_mix = session, Mix(STAGE_EFFORT)
        return Opened(answer=answer, session=session.id)

    def stage(self, seat: str, *, on: bool, at: float) -> None:
        """Let the seat have an upstream, or end the one it has; it then hears the house mix again."""
        place = self._place(seat)
        place.told_at = at
        self._put_on_stage(place, on=on)

    def mute(self, seat: str, *, muted: bool, at: float) -> None:
        """Drop the seat's sound before the mixer, or let it through."""
        place = self._place(seat)
        place.told_at = at
        self._put_mute(place, muted=muted)

    def drop(self, seat: str, *, epoch: int) -> None:
        """Put the seat out and refuse it at this epoch and below for as long as the room lives."""
        self._denied[seat] = max(epoch, self._denied.get(seat, epoch))
        self._put_out(seat, epoch=epoch)

    def census(self, standings: Mapping[str, Standing], *, at: float) -> None:
        """Make the room agree with the whole truth, as it was at `at` (unix seconds).

        What was opened or told after `at` is newer than this truth, and is left to the next census.
        """
        for seat in list(self._places):
            place = self._places[seat]
            standing = standings.get(seat)
            for session in place.sessions:
                if session.opened_at <= at and (standing is None or session.epoch < standing.epoch):
                    session.stop(Reason.DROPPED)
            if standing is None and not place.sessions and place.told_at <= at:
                self._places.pop(seat, None)
        for seat, standing in standings.items():
            place = self._place(seat)
            if place.told_at <= at:
                self._put_on_stage(place, on=standing.stage)
                self._put_mute(place, muted=standing.muted)

    def end(self, session_id: str) -> None:
        """End one session, as its owner asked. One that is not here has ended already."""
        for place in self._places.values():
            for session in place.sessions:
                if session.id == session_id:
                    session.stop(Reason.LEFT)
                    return

    def close(self) -> None:
        """Put everybody out and forget them."""
        self._closed = True
        for session in self.sessions:
            session.stop(Reason.CLOSED)
        self._places.clear()
        self._denied.clear()

    def tick(self, number: int) -> None:
        """Mix and send the 20 ms that bear this number on the house's clock."""
        voices = self._voices()
        ears = [place for place in self._places.values() if place.hearing is not None]
        if not ears:
            return
        whole = mixer.total(voices)
        pts = number * FRAME_SAMPLES
        house = None
        for place in ears:
            if place.hearing is None:
                continue
            if place.own_mix is not None:
                own = voices.get(place.hearing.seat)
                place.hearing.play(place.own_mix.encode(mixer.without(whole, own), pts=pts))
                continue
            if house is None:
                house = self._house.encode(whole, pts=pts)
            place.hearing.play(house)

    def speaking(self) -> list[str]:
        """Return the seats that are audibly speaking, sorted."""
        return sorted(seat for seat, speaker in self._speakers() if speaker.meter.speaking)

    def sending(self) -> list[str]:
        """Return the seats whose microphone's packets arrive, muted or not, sorted."""
        return sorted(seat for seat, speaker in self._speakers() if speaker.sending)

    def levels(self) -> dict[str, float]:
        """Return the level of each seat on an upstream, in dBFS of the last frame."""
        return {seat: round(speaker.meter.dbfs, 1) for seat, speaker in self._speakers()}

    async def hearing(self, *, at: float) -> list[str]:
        """Return the seats to whom packets flow and who say that they arrive, sorted."""
        ears = [(seat, place.hearing) for seat, place in self._places.items() if place.hearing is not None]
        return sorted([seat for seat, listener in ears if await listener.hears(at=at)])

    @property
    def sessions(self) -> list[Session]:
        """All that is connected or about to be."""
        return [session for place in self._places.values() for session in place.sessions]

    @property
    def listeners(self) -> int:
        """How many sessions listen or are about to."""
        return sum(isinstance(session, Listener) for session in self.sessions)

    def _speakers(self) -> list[tuple[str, Speaker]]:
        return [(seat, place.speaking) for seat, place in self._places.items() if place.speaking is not None]

    def _voices(self) -> dict[str, Samples]:
        frames = ((seat, speaker.take()) for seat, speaker in self._speakers())
        return {seat: frame for seat, frame in frames if frame is not None}

    def _place(self, seat: str) -> Place:
        return self._places.setdefault(seat, Place())

    def _check_welcome(self, seat: str, epoch: int) -> None:
        if self._closed:
            raise Closing("The room is closed.")
        if epoch <= self._denied.get(seat, epoch - 1):
            raise Denied("This seat is no longer welcome in the room.")

    def _check_stage(self, seat: str) -> None:
        place = self._places.get(seat)
        if place is not None and place.off_stage:
            raise NotOnStage("Only somebody on stage can speak.")
        others = sum(one != seat for one, _ in self._speakers())
        if others >= MOST_SPEAKERS:
            raise Full(f"A stage holds {MOST_SPEAKERS} microphones.")

    async def _answer(self, session: Session, offer: str) -> str:
        """Return the answer, having looked again at what may have changed while it was made."""
        try:
            answer = await session.answer(offer)
            self._check_welcome(session.seat, session.epoch)
            if isinstance(session, Speaker):
                self._check_stage(session.seat)
        except BaseException:
            session.stop(Reason.DROPPED)
            raise
        return answer

    def _put_on_stage(self, place: Place, *, on: bool) -> None:
        place.off_stage = not on
        if not on and place.speaking is not None:
            place.speaking.stop(Reason.DROPPED)

    def _put_mute(self, place: Place, *, muted: bool) -> None:
        if place.muted == muted:
            return
        place.muted = muted
        if place.speaking is not None:
            place.speaking.mute(muted=muted)

    def _put_out(self, seat: str, *, epoch: int) -> None:
        for session in self._places[seat].sessions if seat in self._places else []:
            if session.epoch <= epoch:
                session.stop(Reason.DROPPED)

    def _take_over(self, listener: Listener) -> None:
        place = self._place(listener.seat)
        if place.hearing is not None:
            place.hearing.stop(Reason.CLOSED)
        place.hearing, place.coming = listener, None

    def _ended(self, session: Session, reason: Reason) -> None:
        place = self._places.get(session.seat)
        known = place is not None and session in place.sessions
        if place is not None:
            _forget(place, session)
        if known:
            self._tell(
                {
                    "event": "session_ended",
                    "room": self.name,
                    "seat": session.seat,
                    "session": session.id,
                    "kind": session.purpose.value,
                    "reason": reason.value,
                }
            )


def _forget(place: Place, session: Session) -> None:
    if place.hearing is session:
        place.hearing = None
    if place.coming is session:
        place.coming = None
    if place.speaking is session:
        place.speaking = place.own_mix = None
