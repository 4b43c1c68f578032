"""The sender: a process beside its edge that does nothing but send (`python -m rooms.media.sender`).

It has the edge's UDP socket, one end of a pipe to the edge, and a door at which mixers hand in packets. The
mixer's clock drives it. Keys are in here and nowhere else, and they go when it ends.
"""

import contextlib
import gc
import os
import resource
import secrets
import select
import signal
import socket
import struct
import sys
import time
from collections import deque
from collections.abc import Callable
from typing import Final

from rooms.media import feed, memory, pipe, srtp
from rooms.media.lateness import Lateness
from rooms.media.sending import QUIET_SECONDS, Press, Stream
from rooms.media.timeline import Timeline

BEAT_SECONDS: Final = 1.0
LOOK_SECONDS: Final = 0.05  # how often quiet rooms are looked for
MOST_MIXERS: Final = 64
MOST_TICKS: Final = 16  # taken from one mixer before the others and the edge are heard again
MOST_UNSAID: Final = 100  # to an edge that does not listen; beats are then left out
MOST_PAYLOAD: Final = 1_300  # bytes of Opus: more would not pass most paths in one piece
_CREDENTIALS: Final = struct.Struct("3i")  # pid, uid, gid (unix(7), SO_PEERCRED)
_READ: Final = select.EPOLLIN
_RETRY_SECONDS: Final = 0.01


class Ended(Exception):
    """The edge has gone, and with it all reason to be here."""


class Sender:
    """`edge` is the pipe, `out` the UDP socket, `high` begins all sequence numbers just below their wrap."""

    def __init__(self, *, edge: socket.socket, out: socket.socket, high: bool) -> None:
        self._edge = edge
        self._high = high
        self._press = Press(out.fileno(), out.family)
        self._door = _open_door()
        self._streams: dict[str, Stream] = {}
        self._rooms: dict[int, str] = {}
        self._of: dict[int, Stream] = {}  # each listener's
        self._late = Lateness()
        self._unread = 0
        self._to_say: deque[pipe.Message] = deque()
        self._poll = select.epoll()
        self._handlers: dict[int, Callable[[], None]] = {}
        self._mixers: dict[int, socket.socket] = {}
        self._listen_to(edge, self._hear_edge)
        self._listen_to(self._door, self._let_in)

    def run(self) -> None:
        """Send until the edge is gone."""
        self._say(pipe.Ready(self._door.getsockname()[1:].decode()))
        look_at = beat_at = time.monotonic()
        with contextlib.suppress(Ended):
            while True:
                due = min(look_at, beat_at) - time.monotonic()
                for number, _ in self._poll.poll(_RETRY_SECONDS if self._to_say else max(0.0, due)):
                    self._handlers.get(number, _nothing)()
                now = time.monotonic()
                if now >= look_at:
                    look_at = now + LOOK_SECONDS
                    self._fill_silence(now)
                if now >= beat_at:
                    beat_at = now + BEAT_SECONDS
                    self._beat()
                self._speak()

    def _listen_to(self, line: socket.socket, handler: Callable[[], None]) -> None:
        self._handlers[line.fileno()] = handler
        self._poll.register(line.fileno(), _READ)

    def _hear_edge(self) -> None:
        """Do all that the edge has said. It is asked before each tick, so that who is out hears no more."""
        while True:
            try:
                packet = self._edge.recv(pipe.MOST_BYTES)
            except BlockingIOError:
                return
            except ConnectionError:
                raise Ended from None
            if not packet:
                raise Ended
            self._do(pipe.unpack(packet))

    def _do(self, message: pipe.Message) -> None:
        match message:
            case pipe.Add():
                self._add(message)
            case pipe.Move() if message.listener in self._of:
                self._of[message.listener].move(message.listener, message.name)
            case pipe.Remove() if message.listener in self._of:
                self._remove(message)
            case pipe.Ping():
                self._say(pipe.Pong(message.token))

    def _add(self, new: pipe.Add) -> None:
        stream = self._streams.get(new.room_name)
        if stream is None:
            stream = Stream(new.ssrc, new.cname, self._press, Timeline(high=self._high), time.monotonic())
            self._streams[new.room_name] = stream
            self._rooms[new.room] = new.room_name
        try:
            stream.add(new)
        except srtp.Broken:
            self._say(pipe.Lost((new.listener,)))
        else:
            self._of[new.listener] = stream

    def _remove(self, gone: pipe.Remove) -> None:
        stream = self._of.pop(gone.listener)
        stream.remove(gone.listener, gone.last_words)
        if not stream.members:
            self._forget(stream)

    def _forget(self, stream: Stream) -> None:
        name = next(name for name, one in self._streams.items() if one is stream)
        del self._streams[name]
        self._rooms = {number: room for number, room in self._rooms.items() if room != name}

    def _let_in(self) -> None:
        """Take a mixer's connection, if it runs as the same user as we do."""
        try:
            mixer, _ = self._door.accept()
        except OSError:
            return
        credentials = mixer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        if _CREDENTIALS.unpack(credentials)[1] != os.geteuid() or len(self._mixers) >= MOST_MIXERS:
            mixer.close()
            return
        mixer.setblocking(False)
        number = mixer.fileno()
        self._mixers[number] = mixer
        self._listen_to(mixer, lambda: self._hear_mixer(number))

    def _hear_mixer(self, number: int) -> None:
        mixer = self._mixers[number]
        for _ in range(MOST_TICKS):
            try:
                datagram = mixer.recv(feed.MOST_BYTES)
            except BlockingIOError:
                return
            except ConnectionError:
                datagram = b""
            if not datagram:
                self._poll.unregister(number)
                del self._mixers[number], self._handlers[number]
                mixer.close()
                return
            self._hear_edge()
            self._take(datagram)

    def _take(self, datagram: bytes) -> None:
        try:
            tick = feed.unpack(datagram)
        except feed.BadTick:
            self._unread += 1
            return
        stream = self._streams.get(tick.room)
        if stream is None or not _is_sendable(tick):
            self._unread += 1
            return
        now = time.monotonic()
        if stream.play(tick, at=now):
            self._after(stream, now)
            self._late.note(tick, began=now, sent=time.monotonic())

    def _fill_silence(self, now: float) -> None:
        for stream in self._streams.values():
            if now - stream.sent_at >= QUIET_SECONDS:
                stream.fill(at=now)
                self._after(stream, now)

    def _after(self, stream: Stream, now: float) -> None:
        stream.report(at=now, unix=time.time())
        while stream.started:
            self._say(pipe.Flowing(tuple(stream.started[: pipe.MOST_NUMBERS])))
            del stream.started[: pipe.MOST_NUMBERS]
        if stream.broken:
            self._say(pipe.Lost(tuple(stream.broken)))
            stream.broken.clear()

    def _beat(self) -> None:
        fed = tuple(number for number, name in self._rooms.items() if self._streams[name].fed)
        for stream in self._streams.values():
            stream.fed = False
        if len(self._to_say) < MOST_UNSAID:
            self._say(pipe.Beat(self._figures(), fed[: pipe.MOST_NUMBERS]))

    def _figures(self) -> pipe.Figures:
        press = self._press
        used = resource.getrusage(resource.RUSAGE_SELF)
        return pipe.Figures(
            packets=press.packets,
            control_packets=press.control_packets,
            octets=press.octets,
            full=press.sheet.full,
            failed=press.sheet.failed,
            late_5ms=self._late.over_5ms,
            late_20ms=self._late.over_20ms,
            late_40ms=self._late.over_40ms,
            unread=self._unread,
            cpu_ms=round(1_000 * (used.ru_utime + used.ru_stime)),
            rss_bytes=memory.resident_bytes(),
        )

    def _say(self, message: pipe.Message) -> None:
        self._to_say.append(message)

    def _speak(self) -> None:
        """Tell the edge what is waiting; what it has no room for now is told the next time."""
        while self._to_say:
            try:
                self._edge.send(pipe.pack(self._to_say[0]))
            except BlockingIOError:
                return
            except ConnectionError:
                raise Ended from None
            self._to_say.popleft()


def main(arguments: list[str]) -> None:
    """Run as the child of an edge: `arguments` are the pipe's number, the socket's, and "high" or "low"."""
    # Ctrl-C reaches the whole group; it is the edge that says goodbye, and then this pipe ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    edge, out = (socket.socket(fileno=int(number)) for number in arguments[:2])
    edge.setblocking(False)
    # Nothing here makes circles, and a collection would be heard.
    gc.freeze()
    gc.disable()
    Sender(edge=edge, out=out, high=arguments[2] == "high").run()


def _open_door() -> socket.socket:
    """Return a socket at a random abstract name, where mixers connect."""
    door = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    door.bind(f"\0stagedoor-{secrets.token_hex(16)}")
    door.listen(MOST_MIXERS)
    door.setblocking(False)
    return door


def _is_sendable(tick: feed.Tick) -> bool:
    payloads = (tick.house, *tick.own.values())
    return 1 <= tick.frames <= 3 and all(0 < len(payload) <= MOST_PAYLOAD for payload in payloads)


def _nothing() -> None:
    """Stand in for the handler of a line that was closed in the same round."""


if __name__ == "__main__":
    main(sys.argv[1:])
