"""One room at its home: who is on stage, how they are mixed, and to which edges the mixes go."""

import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

import numpy as np

from rooms.media import mixer, rtp
from rooms.media.feed import Tick
from rooms.media.feeds import Feeds
from rooms.media.levels import THRESHOLD_DBFS
from rooms.media.loudest import Loudest
from rooms.media.machine import Reach
from rooms.media.opus import HOUSE_EFFORT, STAGE_EFFORT, Encoder
from rooms.media.peer import Speaker
from rooms.media.refusals import Closing, Denied, Full, NotOnStage, Opened, Standing
from rooms.media.ring import Ring
from rooms.media.session import Reason, Session
from rooms.media.sound import Samples
from rooms.media.tally import Tally

MOST_SPEAKERS: Final = 20  # each costs a connection and, unmuted, an encoder of their own
BEGIN_SECONDS: Final = 1.5  # those on stage are asked to move within 0.5 s, and connect in some more

Tell = Callable[[Mapping[str, object]], None]


@dataclass(frozen=True)
class Sound:
    """How a room wants to sound."""

    frames: int = 1  # times 20 ms that a listener's packet lasts: 1, 2 or 3
    music: bool = False


@dataclass
class Mix:
    """One stream of sound on its way out: limited, then encoded."""

    effort: int
    sound: Sound
    limiter: mixer.Limiter = field(default_factory=mixer.Limiter)

    def __post_init__(self) -> None:
        self.encoder = Encoder(frames=self.sound.frames, music=self.sound.music, effort=self.effort)

    def encode(self, frames: Sequence[Samples]) -> bytes:
        """Return the packet for as many frames, each of shape (960,), as the room's packets last."""
        return self.encoder.encode(np.concatenate([self.limiter.limit(frame) for frame in frames]))


@dataclass
class Packet:
    """The packet in the making: the ticks gathered since `begun`, each the sum and its parts."""

    begun: int
    wholes: list[Samples] = field(default_factory=list)
    voices: list[Mapping[str, Samples]] = field(default_factory=list)

    @property
    def next(self) -> int:
        return self.begun + len(self.wholes)

    def without(self, seat: str) -> list[Samples]:
        """Return the frames as `seat` should hear them."""
        return [
            mixer.without(whole, voices.get(seat))
            for whole, voices in zip(self.wholes, self.voices, strict=True)
        ]


@dataclass
class Place:
    """What the room knows of one seat that is, was or may be on stage."""

    muted: bool = False
    off_stage: bool = False
    told_at: float = 0.0  # unix seconds, when stage or mute was last told
    speaking: Speaker | None = None
    own_mix: Mix | None = None  # only while unmuted: everybody but themselves


class Room:
    """Every method that takes something away has taken effect, in sound, when it returns."""

    def __init__(self, name: str, *, reach: Reach, tell: Tell, feeds: Feeds, tally: Tally) -> None:
        self.name = name
        self.feeds = feeds
        self.ring = Ring()
        self._reach = reach
        self._tell = tell
        self._tally = tally
        self._places: dict[str, Place] = {}
        self._denied: dict[str, int] = {}
        self._source = secrets.randbits(64)
        self._sound = Sound()
        self._house = Mix(HOUSE_EFFORT, self._sound)
        self._loudest = Loudest()
        self._packet = Packet(0)
        self._begun = False  # whether a packet has been sent
        self._holds_until = 0.0  # seconds of the monotonic clock; 0 for not at all
        self._closed = False

    async def speak(self, *, seat: str, epoch: int, muted: bool, offer: str, at: float) -> Opened:
        """Answer a speaker. An older upstream of the seat ends: two microphones of one seat never overlap."""
        self._check_welcome(seat, epoch)
        self._check_stage(seat)
        place = self._place(seat)
        place.muted = muted
        session = Speaker(seat=seat, epoch=epoch, reach=self._reach, at=at, ended=self._ended, muted=muted)
        session.on_packet = partial(self._remember, seat)
        answer = await self._answer(session, offer)
        place = self._place(seat)
        if place.speaking is not None:
            place.speaking.stop(Reason.CLOSED)
        place.speaking = session
        place.own_mix = None
        self._let_sound(place, muted=place.muted)  # it may have been told while the answer was made
        return Opened(answer=answer, session=session.id)

    def sounds(self, sound: Sound) -> None:
        """Sound like this from the next packet on."""
        if sound == self._sound:
            return
        self._sound = sound
        self._packet = Packet(self._packet.next)
        self._house = Mix(HOUSE_EFFORT, sound)
        for place in self._places.values():
            if place.own_mix is not None:
                place.own_mix = Mix(STAGE_EFFORT, sound)

    def stage(self, seat: str, *, on: bool, at: float) -> None:
        """Let the seat have an upstream, or end the one it has; it then hears the house mix again."""
        place = self._place(seat)
        place.told_at = at
        self._put_on_stage(place, on=on)

    def mute(self, seat: str, *, muted: bool, at: float) -> None:
        """Drop the seat's sound before it is decoded, or let it through."""
        place = self._place(seat)
        place.told_at = at
        self._put_mute(place, muted=muted)

    def drop(self, seat: str, *, epoch: int) -> None:
        """Put the seat out and refuse it at this epoch and below for as long as the room lives."""
        self._denied[seat] = max(epoch, self._denied.get(seat, epoch))
        place = self._places.get(seat)
        if place is not None and place.speaking is not None and place.speaking.epoch <= epoch:
            place.speaking.stop(Reason.DROPPED)

    def census(self, standings: Mapping[str, Standing], *, at: float) -> None:
        """Make the stage agree with the whole truth, as it was at `at` (unix seconds).

        What was opened or told after `at` is newer than this truth, and is left to the next census.
        """
        for seat in list(self._places):
            place, standing = self._places[seat], standings.get(seat)
            session = place.speaking
            gone = standing is None or (session is not None and session.epoch < standing.epoch)
            if session is not None and gone and session.opened_at <= at:
                session.stop(Reason.DROPPED)
            if standing is None and place.speaking is None and place.told_at <= at:
                del self._places[seat]
        for seat, standing in standings.items():
            if not standing.stage and seat not in self._places:
                continue  # a listener: no business of the stage
            place = self._place(seat)
            if place.told_at <= at:
                self._put_on_stage(place, on=standing.stage)
                self._put_mute(place, muted=standing.muted)

    def end(self, session_id: str) -> None:
        """End one session, as its owner asked. One that is not here has ended already."""
        for _, speaker in self._speakers():
            if speaker.id == session_id:
                speaker.stop(Reason.LEFT)
                return

    def close(self) -> None:
        """Put everybody off the stage and forget them, and what they said."""
        self._closed = True
        for _, speaker in self._speakers():
            speaker.stop(Reason.CLOSED)
        self._places.clear()
        self._denied.clear()
        self.ring.drop()

    def succeed(self) -> None:
        """Send nothing until somebody is heard, 1.5 s at most.

        Whoever sends last has the edges. The home that the room had before may still live, and those who have
        not moved yet are heard there meanwhile.
        """
        if not self._begun and not self._holds_until:
            self._holds_until = time.monotonic() + BEGIN_SECONDS

    def tick(self, number: int) -> None:
        """Mix the 20 ms that bear this number on the house's clock, and send the packet they complete.

        A packet whose ticks are not all there would be heard as a leap, so after a hole one begins anew.
        """
        voices = self._voices()
        if not len(self.feeds) or self._holds_back():
            return
        self._begun = True
        if self._packet.next != number:
            self._packet = Packet(number)
        self._packet.wholes.append(mixer.total(voices))
        self._packet.voices.append(voices)
        if len(self._packet.wholes) == self._sound.frames:
            self.feeds.send(self._finished(self._packet))
            self._packet = Packet(number + 1)

    def _finished(self, packet: Packet) -> Tick:
        own = {
            seat: place.own_mix.encode(packet.without(seat))
            for seat, place in self._places.items()
            if place.own_mix is not None
        }
        house = self._house.encode(packet.wholes)
        return Tick(self.name, self._source, packet.begun, self._sound.frames, house, own)

    def speaking(self) -> list[str]:
        """Return the seats that are audibly speaking, sorted."""
        return sorted(seat for seat, speaker in self._speakers() if speaker.meter.speaking)

    def sending(self) -> list[str]:
        """Return the seats whose microphone's packets arrive, muted or not, sorted."""
        return sorted(seat for seat, speaker in self._speakers() if speaker.sending)

    def levels(self) -> dict[str, float]:
        """Return the level of each seat on an upstream, in dBFS of the last frame."""
        return {seat: round(speaker.meter.dbfs, 1) for seat, speaker in self._speakers()}

    @property
    def speakers(self) -> list[Speaker]:
        """All upstreams that are connected or about to be."""
        return [speaker for _, speaker in self._speakers()]

    @property
    def seats_on_stage(self) -> list[str]:
        """The seats that have an upstream, sorted."""
        return sorted(seat for seat, _ in self._speakers())

    def _remember(self, seat: str, packet: rtp.Packet, _: float) -> None:
        """Keep what somebody on stage has said for the next minutes. What the muted say never comes here."""
        self.ring.put(seat, packet.payload, timestamp=packet.timestamp, at=time.time())

    def _speakers(self) -> list[tuple[str, Speaker]]:
        return [(seat, place.speaking) for seat, place in self._places.items() if place.speaking is not None]

    def _holds_back(self) -> bool:
        if not self._begun and time.monotonic() < self._holds_until:
            return all(speaker.loudness <= THRESHOLD_DBFS for speaker in self.speakers)
        return False

    def _voices(self) -> dict[str, Samples]:
        speakers = dict(self._speakers())
        chosen = self._loudest.choose({seat: speaker.loudness for seat, speaker in speakers.items()})
        frames = ((seat, speaker.take(decode=seat in chosen)) for seat, speaker in speakers.items())
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

    async def _answer(self, session: Speaker, offer: str) -> str:
        """Return the answer, having looked again at what may have changed while it was made."""
        try:
            answer = await session.answer(offer)
            self._check_welcome(session.seat, session.epoch)
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
        if place.muted != muted:
            place.muted = muted
            self._let_sound(place, muted=muted)

    def _let_sound(self, place: Place, *, muted: bool) -> None:
        """Whoever is muted hears what everybody hears, so only the unmuted cost an encoder of their own."""
        if place.speaking is None:
            return
        place.speaking.mute(muted=muted)
        place.own_mix = None if muted else Mix(STAGE_EFFORT, self._sound)

    def _ended(self, session: Session, reason: Reason) -> None:
        place = self._places.get(session.seat)
        if place is None or place.speaking is not session:
            return
        self._tally.add(place.speaking.figures)
        place.speaking = place.own_mix = None
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
