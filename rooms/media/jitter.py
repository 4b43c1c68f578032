"""A speaker's packets as they come, and for each tick what is to be decoded, recovered or concealed.

Pure: no clock, no codec. Times are given; what is returned are instructions. Lengths and timestamps are in
samples at 48 kHz (RFC 7587). The *slack* is how long the fastest packet waits here; a little more than nearly
all packets are late is what we aim at. Less makes holes, more is felt by everybody.
"""

from bisect import insort
from collections import deque
from collections.abc import Iterator
from enum import Enum, auto
from typing import Final, NamedTuple

from rooms.media.delays import Delays
from rooms.media.sound import FRAME_SAMPLES, SAMPLE_RATE

_MS: Final = SAMPLE_RATE // 1000
MOST_SLACK: Final = 200 * _MS  # what comes later than that is not waited for
MOST_HELD: Final = 64  # packets; beyond that the oldest go
MOST_CONCEALED: Final = 160 * _MS  # when nothing comes; by then concealment has faded out

_START: Final = 20 * _MS  # least slack before the first packet is played, when nothing is known yet
_MARGIN: Final = 6 * _MS  # for our own clock and loop, which are not quite even either
_SHORT: Final = 3 * _MS  # of slack missing to the target, before a quiet moment is made longer
_GIVE: Final = 1 / 8  # of the target, more either way: on an uneven line each change of mind is heard as well
_PATIENCE: Final = 10 * _MS  # of slack missing to the target, before a hole is waited at
_TOO_MUCH: Final = 25 * _MS  # of slack above the target, before a frame is let go
_FAR_TOO_MUCH: Final = MOST_SLACK + 40 * _MS  # of slack in all, before packets are let go unplayed
_LEAST_OVER: Final = 12  # decisions over which the least slack counts
_QUIET_NEVER_CAME: Final = 50  # decisions in which to wait for a quiet moment to shorten in
_LOSS_SECONDS: Final = 10.0  # after which losses are forgotten
_LOSSES: Final = 2  # so many in that time are worth waiting for the packet that repeats the lost one
_FAR: Final = 3 * SAMPLE_RATE  # a timestamp this far from where it should be is another stream's
_BEHIND, _AHEAD = 100, 3_000  # and so is such a sequence number (RFC 3550, appendix A.1)
_SEEN: Final = (1 << _BEHIND) - 1
_ALL_LATE: Final = 25  # packets in a row that come too late: the sender's timestamps went back
_DTX_BYTES: Final = 2  # a payload so short says: silence from here on
_UNIT: Final = SAMPLE_RATE // 400  # libopus conceals in multiples of 2.5 ms


class Do(Enum):
    """What the decoder is to do."""

    DECODE = auto()  # the payload
    RECOVER = auto()  # what is lost before the payload, from the payload
    CONCEAL = auto()  # guess


class Step(NamedTuple):
    """One call of the decoder, which yields `samples` samples."""

    do: Do
    samples: int
    payload: bytes = b""


class Turn(NamedTuple):
    """What one tick asks for.

    When `plays`, 960 samples or more are there once the steps are done; else what is left goes, unplayed.
    With `shorten` there are 1,920 or more: make them one frame or more, and tell `shortened` by how much.
    """

    steps: tuple[Step, ...]
    plays: bool
    shorten: bool = False


class _Held(NamedTuple):
    timestamp: int  # comes first: it is what they are sorted by
    sequence: int
    samples: int
    payload: bytes
    fec: bool


class Buffer:
    """Between one speaker's network and the room's clock: bounded, in order, never later and later.

    A hole between packets is loss: recovered from the next packet if it is here, else concealed. Silence that
    the sender left out (timestamps jump, sequence numbers do not) is silence. When nothing is here, sound is
    concealed while time stands still, so that what is merely late is not lost; after 160 ms it stops.
    """

    _next: int | None  # timestamp of what is to be decoded next
    _decoded: int  # samples decoded and not yet played

    def __init__(self) -> None:
        self.received = 0
        self.malformed = 0
        self.duplicated = 0
        self.late = 0  # came when their time was over
        self.skipped = 0  # let go unplayed, to be on time again
        self.lost = 0
        self.recovered = 0
        self.concealed_samples = 0
        self.waiting_samples = 0  # slack, and what is decoded already, as of the last tick that played
        self.delays = Delays()
        self.restart()

    def __len__(self) -> int:
        """Return how many packets wait."""
        return len(self._held)

    @property
    def target(self) -> float:
        """The slack we aim at, in samples."""
        wanted = self.delays.nearly_most + _MARGIN + max(0, FRAME_SAMPLES - self._length)
        if self._fec and len(self._losses) >= _LOSSES:
            wanted += self._length
        return min(wanted, MOST_SLACK)

    def restart(self) -> None:
        """Begin with a stream of which nothing is known."""
        self._held: list[_Held] = []
        self._newest: tuple[int, int] | None = None  # sequence and timestamp, unwrapped
        self._seen = 0  # bit n: the packet n before the newest has come
        self._stray: int | None = None
        self._late_in_a_row = 0
        self._length = FRAME_SAMPLES  # of the last packet
        self._fec = False
        self._losses: deque[float] = deque(maxlen=_LOSSES)
        self._next = None
        self._last_sequence = 0  # of what was decoded last
        self._aim = self.target  # as of the last tick
        self._least: deque[float] = deque(maxlen=_LEAST_OVER)
        self._decoded = 0
        self.delays.forget()
        self._stop()

    def hush(self) -> None:
        """Drop what waits: what was said before a mute is not heard after it."""
        self._held.clear()
        self._stop()
        if self._newest is not None:
            self._next = self._newest[1] + self._length

    def put(
        self,
        *,
        sequence: int,
        timestamp: int,
        samples: int,
        payload: bytes,
        at: float,
        fec: bool = False,
        hold: bool = True,
    ) -> None:
        """Take a packet that came at `at`, in seconds of the clock that `take` uses.

        `sequence` and `timestamp` are RTP's, of 16 and 32 bits. `samples` is the packet's length, 0 if it is
        none. `fec` tells that it can recover the one before it. Without `hold` it is only counted.
        """
        self.received += 1
        if not samples:
            self.malformed += 1
            return
        last = self._newest or (sequence, timestamp)
        packet = _Held(
            timestamp=_unwrapped(timestamp, last[1], bits=32),
            sequence=_unwrapped(sequence, last[0], bits=16),
            samples=samples,
            payload=payload,
            fec=fec,
        )
        transit = at * SAMPLE_RATE - packet.timestamp
        if self._strays(packet, transit) or self._repeats(packet):
            return
        self.delays.note(transit, at=at)
        if hold:
            self._hold(packet)

    def take(self, *, at: float, quiet: bool) -> Turn:
        """Return what to do for the tick at `at`. `quiet` tells whether the last frame played was."""
        while self._losses and self._losses[0] < at - _LOSS_SECONDS:
            self._losses.popleft()
        self._aim = self.target
        self._catch_up(at)
        if not self._playing and not self._starts(at):
            self._decoded = 0
            return Turn((), plays=False)
        shorten = self._decoded < FRAME_SAMPLES and self._should_shorten(at, quiet=quiet)
        steps = tuple(self._steps(FRAME_SAMPLES * 2 if shorten else FRAME_SAMPLES, at, quiet=quiet))
        plays = self._decoded >= FRAME_SAMPLES
        if plays:
            self.waiting_samples = max(0, round(self._slack(at)) + self._decoded)
        self._decoded = self._decoded - FRAME_SAMPLES if plays else 0
        return Turn(steps, plays=plays, shorten=shorten)

    def shortened(self, by: int) -> None:
        """Note that the last turn's sound was made shorter by `by` samples, at most what was left of it."""
        self._decoded = max(0, self._decoded - by)

    # Packets come in.

    def _strays(self, packet: _Held, transit: float) -> bool:
        """Return whether a packet is of another stream. Two of them in a row are our stream from then on."""
        if self._newest is None:
            return False
        ahead = packet.sequence - self._newest[0]
        away = 0.0 if self.delays.fastest is None else abs(transit - self.delays.fastest)
        if -_BEHIND < ahead < _AHEAD and away < _FAR:
            self._stray = None
            return False
        if self._stray is not None and (packet.sequence - self._stray) & 0xFFFF == 1:
            self.restart()
            return False
        self._stray = packet.sequence
        return True

    def _repeats(self, packet: _Held) -> bool:
        """Note a packet as come, and return whether it had come before."""
        ahead = packet.sequence - self._newest[0] if self._newest is not None else 1
        if ahead > 0:
            self._seen = (self._seen << ahead | 1) & _SEEN if ahead < _BEHIND else 1
            self._newest = (packet.sequence, packet.timestamp)
            return False
        if self._seen >> -ahead & 1:
            self.duplicated += 1
            return True
        self._seen |= 1 << -ahead
        return False

    def _hold(self, packet: _Held) -> None:
        if self._next is not None and packet.timestamp < self._next:
            self.late += 1
            self._late_in_a_row += 1
            if self._late_in_a_row >= _ALL_LATE:
                self.restart()
            return
        self._late_in_a_row = 0
        self._length, self._fec = packet.samples, packet.fec or self._fec
        insort(self._held, packet)
        if len(self._held) > MOST_HELD:
            self._skip()

    def _skip(self) -> None:
        """Let the oldest packet go unplayed."""
        oldest = self._held.pop(0)
        self._next = max(self._next or 0, oldest.timestamp + oldest.samples)
        self._last_sequence = oldest.sequence
        self.skipped += 1

    # Time goes by.

    def _slack_of(self, timestamp: int, at: float) -> float:
        return at * SAMPLE_RATE - timestamp - (self.delays.fastest or 0.0)

    def _slack(self, at: float) -> float:
        return self._slack_of(self._next or 0, at)

    def _stop(self) -> None:
        self._playing = False
        self._dtx = False  # whether what was decoded last said that silence follows
        self._stood_still = 0  # samples concealed since, while time stood still
        self._waited_for_quiet = 0

    def _starts(self, at: float) -> bool:
        """Begin with the first packet held, if it has waited long enough."""
        if not self._held:
            return False
        first = self._held[0]
        least = self._aim if self.delays.known else max(self._aim, _START)
        if self._slack_of(first.timestamp, at) < least:
            return False
        self._stop()
        self._playing = True
        self._next, self._last_sequence = first.timestamp, first.sequence - 1
        return True

    def _catch_up(self, at: float) -> None:
        """Let go what has waited for more than anybody should wait."""
        while self._held and self._slack_of(self._held[0].timestamp, at) > _FAR_TOO_MUCH:
            self._skip()
        if self._playing and self._held and self._slack(at) > _FAR_TOO_MUCH:
            # What is missing before the first packet would only keep it waiting.
            self._next, self._last_sequence = self._held[0].timestamp, self._held[0].sequence - 1

    def _should_shorten(self, at: float, *, quiet: bool) -> bool:
        """Return whether a frame's time is to be gained now: in a quiet moment, or when none has come."""
        self._least.append(self._slack(at))
        if len(self._least) < _LEAST_OVER or min(self._least) < self._aim * (1 + _GIVE) + _TOO_MUCH:
            self._waited_for_quiet = 0
            return False
        self._waited_for_quiet += 1
        if not quiet and self._waited_for_quiet < _QUIET_NEVER_CAME:
            return False
        if self._decoded + self._unbroken() < FRAME_SAMPLES * 2:
            return False
        self._least.clear()
        return True

    def _unbroken(self) -> int:
        """Return how many samples could be decoded now without a hole."""
        end = self._next or 0
        for packet in self._held:
            if packet.timestamp != end:
                break
            end += packet.samples
        return end - (self._next or 0)

    def _steps(self, needed: int, at: float, *, quiet: bool) -> Iterator[Step]:
        while self._decoded < needed:
            step = self._step(at, quiet=quiet)
            if step is None:
                return
            self._decoded += step.samples
            yield step

    def _step(self, at: float, *, quiet: bool) -> Step | None:
        """Return what to decode next, or None when playing stops."""
        while self._held and self._held[0].timestamp < (self._next or 0):
            self._held.pop(0)  # overlaps with one before it
            self.skipped += 1
        if not self._held:
            if self._dtx or self._stood_still >= MOST_CONCEALED:
                self._stop()
                return None
            return self._stand_still()
        first = self._held[0]
        if first.timestamp == self._next:
            give = 0 if self._stood_still else _GIVE  # who stands still already goes on with the whole of it
            if quiet and self._slack(at) < self._aim * (1 - give) - _SHORT:
                return self._stand_still()
            return self._decode(first)
        if first.sequence - self._last_sequence <= 1:
            # Silence that was not sent. It may become longer or shorter than it was, to begin on target.
            self._playing = False
            return self._step(at, quiet=quiet) if self._starts(at) else None
        return self._bridge(first, at)

    def _decode(self, first: _Held) -> Step:
        self._held.pop(0)
        self._next, self._last_sequence = first.timestamp + first.samples, first.sequence
        self._dtx = len(first.payload) <= _DTX_BYTES
        self._stood_still = 0
        return Step(Do.DECODE, first.samples, first.payload)

    def _stand_still(self) -> Step:
        self._stood_still += FRAME_SAMPLES
        self.concealed_samples += FRAME_SAMPLES
        return Step(Do.CONCEAL, FRAME_SAMPLES)

    def _bridge(self, first: _Held, at: float) -> Step:
        """Return a step over the hole before `first`, or one that waits for what may still come."""
        next_ = self._next or 0
        gap = first.timestamp - next_
        already = min(self._stood_still, gap)
        if already and self._slack(at) - already >= self._aim - _PATIENCE:
            # What stood in for it while nothing had come was the hole.
            self._stood_still = 0
            next_ += already
            gap -= already
            self._next = next_
        elif self._slack(at) < self._aim - _PATIENCE:
            return self._stand_still()
        if gap < _UNIT:
            self._pass_hole(first, at)
            return self._decode(first)
        if gap > first.samples:
            piece = min(FRAME_SAMPLES, gap - first.samples)
        else:
            piece = gap - gap % _UNIT
            self._pass_hole(first, at)
            if first.fec:
                self.recovered += 1
                return Step(Do.RECOVER, piece, first.payload)
            self.concealed_samples += piece
            return Step(Do.CONCEAL, piece)
        piece = max(piece - piece % _UNIT, _UNIT)
        self._next = next_ + piece
        self.concealed_samples += piece
        return Step(Do.CONCEAL, piece)

    def _pass_hole(self, first: _Held, at: float) -> None:
        self.lost += first.sequence - self._last_sequence - 1
        self._losses.append(at)
        self._next, self._last_sequence = first.timestamp, first.sequence - 1


def _unwrapped(number: int, near: int, *, bits: int) -> int:
    """Return the number that has these lowest bits and is nearest to `near`."""
    half = 1 << bits - 1
    return near + (number - near + half & (1 << bits) - 1) - half
