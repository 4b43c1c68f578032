"""All listeners of a swarm on one epoll loop."""

import heapq
import select
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, Final

from benchmarks.swarm.doors import Door
from benchmarks.swarm.ear import Tally
from benchmarks.swarm.handshake import Papers
from benchmarks.swarm.listener import Listener, Stage

_LONGEST_WAIT: Final = 0.5  # seconds
_MOST_EVENTS: Final = 512  # one turn of the loop, so that new joins are not starved


class Crowd:
    """Listeners join at a given pace; each `sample_every`-th decrypts all it hears."""

    def __init__(self, door: Door, *, host: str, sample_every: int) -> None:
        self._door = door
        self._host = host
        self._sample_every = sample_every
        self._papers = Papers()
        self._listeners: dict[int, Listener] = {}
        self._by_socket: dict[int, Listener] = {}
        self._gone: list[Listener] = []
        self._others: dict[int, Callable[[], None]] = {}
        self._timers: list[tuple[float, int]] = []
        self._epoll = select.epoll()
        self._numbers = 0
        self._to_join = 0
        self._next_join = 0.0
        self._pause = 0.0
        self._joining: list[Listener] = []
        self._when_joined: Callable[[dict[str, object]], None] | None = None
        self._before: dict[int, int] = {}
        self.watch(door.fileno(), self._take_answers)

    def watch(self, descriptor: int, read: Callable[[], None]) -> None:
        """Call `read` whenever `descriptor` can be read."""
        self._others[descriptor] = read
        self._epoll.register(descriptor, select.EPOLLIN)

    def join(self, count: int, *, per_second: float, then: Callable[[dict[str, object]], None]) -> None:
        """Let `count` more join, `per_second` of them or (at 0) all at once; `then` gets the figures."""
        self._joining = []
        self._to_join, self._when_joined = count, then
        self._pause = 1 / per_second if per_second else 0.0
        self._next_join = time.time()

    def leave(self, count: int) -> None:
        """Let those who came last leave.

        They keep their ports until the next time, so that no goodbye to them reaches somebody new.
        """
        for listener in self._gone:
            listener.close()
        self._gone = []
        for number in sorted(self._listeners)[len(self._listeners) - count :]:
            listener = self._listeners.pop(number)
            self._door.leave(number)
            del self._by_socket[listener.sock.fileno()]
            self._epoll.unregister(listener.sock.fileno())
            self._gone.append(listener)

    def mark(self) -> dict[str, object]:
        """Count from here on."""
        self._before = {one.number: one.delivered for one in self._hearing()}
        for one in self._hearing():
            if one.ear is not None:
                one.ear.mark()
        return {"marked": len(self._before)}

    def count(self, *, expected: int) -> dict[str, object]:
        """Return what came since the mark to those who were there; `expected` packets each, 0: not known."""
        now = {
            number: self._listeners[number].delivered for number in self._before if number in self._listeners
        }
        came = [delivered - self._before[number] for number, delivered in now.items()]
        sample = Tally()
        ears = [ear for number in now if (ear := self._listeners[number].ear) is not None]
        for ear in ears:
            sample.add(ear.tally)
        figures: dict[str, object] = {
            "listeners": len(came),
            "failed": dict(Counter(one.why for one in self._listeners.values() if one.stage is Stage.FAILED)),
            "packets": sum(came),
            "packets_each": _spread(came),
            "sample": {"ears": len(ears), **sample.as_figures()},
        }
        if expected:
            arrived = sum(min(one, expected) for one in came)
            figures["expected_each"] = expected
            figures["delivered_share"] = round(arrived / max(expected * len(came), 1), 6)
            figures["complete"] = sum(one >= expected for one in came)
        return figures

    def turn(self) -> None:
        """Go once round the loop."""
        self._let_join()
        for descriptor, _ in self._epoll.poll(self._patience(), _MOST_EVENTS):
            listener = self._by_socket.get(descriptor)
            if listener is not None:
                listener.readable(self._papers, at=time.time())
            elif descriptor in self._others:
                self._others[descriptor]()
        self._wake_those_due()
        if self._when_joined and not self._to_join and not any(one.is_waiting for one in self._joining):
            then, self._when_joined = self._when_joined, None
            then(_figures_of(self._joining))

    def _hearing(self) -> Iterable[Listener]:
        return [one for one in self._listeners.values() if one.stage is Stage.HEARING]

    def _patience(self) -> float:
        until = [time.time() + _LONGEST_WAIT]
        if self._to_join:
            until.append(self._next_join)
        if self._timers:
            until.append(self._timers[0][0])
        return max(min(until) - time.time(), 0.0)

    def _let_join(self) -> None:
        at = time.time()
        while self._to_join and self._next_join <= at:
            self._to_join -= 1
            self._next_join += self._pause
            self._numbers += 1
            listener = Listener(
                self._numbers,
                host=self._host,
                sampled=self._numbers % self._sample_every == 1 % self._sample_every,
            )
            self._listeners[listener.number] = self._by_socket[listener.sock.fileno()] = listener
            self._joining.append(listener)
            self._epoll.register(listener.sock.fileno(), select.EPOLLIN)
            self._door.ask(
                listener.number, listener.offer(self._papers, setup=self._door.setup, at=time.time())
            )
            heapq.heappush(self._timers, (time.time() + 1.0, listener.number))

    def _take_answers(self) -> None:
        for number, answer in self._door.answers():
            listener = self._listeners.get(number)
            if listener is None or listener.stage is not Stage.OFFERED:
                continue
            if answer is None:
                listener.fail("refused at the door")
            else:
                listener.answered(answer)

    def _wake_those_due(self) -> None:
        at = time.time()
        while self._timers and self._timers[0][0] <= at:
            _, number = heapq.heappop(self._timers)
            listener = self._listeners.get(number)
            again = None if listener is None else listener.wake(at=at)
            if again is not None:
                heapq.heappush(self._timers, (at + again, number))


def _figures_of(joined: list[Listener]) -> dict[str, object]:
    heard = [one for one in joined if one.first_at]
    return {
        "joined": len(heard),
        "failed": dict(Counter(one.why for one in joined if one.stage is Stage.FAILED)),
        "profiles": dict(Counter(one.profile for one in heard)),
        "to_connected_ms": _spread([(one.connected_at - one.offered_at) * 1000 for one in heard]),
        "to_first_packet_ms": _spread([(one.first_at - one.offered_at) * 1000 for one in heard]),
        "seconds": round(max((one.first_at for one in heard), default=0.0) - joined[0].offered_at, 3),
    }


def _spread(values: list[Any]) -> dict[str, float]:
    """Return the smallest, the middle, the 95th of a hundred and the largest."""
    if len(values) < 2:
        values = values * 2 or [0.0, 0.0]
    cuts = statistics.quantiles(values, n=100, method="inclusive")
    return {
        "least": round(min(values), 1),
        "p50": round(cuts[49], 1),
        "p95": round(cuts[94], 1),
        "most": round(max(values), 1),
    }
