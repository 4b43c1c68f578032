"""An edge: one UDP port at which listeners connect, and the sender beside it, which carries the sound."""

import asyncio
import contextlib
import os
import secrets
import socket
import sys
import time
from collections.abc import Sequence
from pathlib import Path as FilePath
from typing import Final

from rooms.media import datagrams, listener_sdp, memory, pipe, running
from rooms.media.audience import Audience, Tell
from rooms.media.counters import Counters
from rooms.media.intake import Intake
from rooms.media.paths import Path, Paths
from rooms.media.stun import Address

READY_SECONDS: Final = 15.0
TOLD_SECONDS: Final = 2.0  # a sender that does not take a word for so long is ended
GOODBYE_SECONDS: Final = 2.0
MOST_AT_ONCE: Final = 64  # words of the sender, before others in this process have their turn
AGAIN_SECONDS: Final = 0.1
LOST_SECONDS: Final = 1.0
MOST_KEPT: Final = 1_000  # handshakes whose memory is not given back yet
PIPE_BYTES: Final = 1 << 20
_HOME: Final = FilePath(__file__).resolve().parents[2]


class NotStarted(Exception):
    """The sender did not come up."""


class Edge:
    """Listeners' connections on one port. `bind` None means every address, IPv6's too where there is any.

    `public_ips` are told to listeners, the best first. `start_high` has all sequence numbers wrap within
    seconds, for tests. `nice` puts this process behind its sender, so that a storm of joins does not hold up
    the sound.
    """

    def __init__(
        self,
        *,
        bind: str | None,
        port: int,
        public_ips: Sequence[str],
        tell: Tell,
        most_listeners: int,
        start_high: bool = False,
        nice: int = 0,
    ) -> None:
        self.counters = Counters()
        self.died = asyncio.Event()
        self.feed_name = ""
        self._tell = tell
        self._most_listeners = most_listeners
        self._public_ips = public_ips
        self._start_high = start_high
        self._nice = nice
        self._socket = datagrams.open_socket(bind=bind, port=port)
        self._family = self._socket.family
        self.port: int = self._socket.getsockname()[1]
        self._paths = Paths(_Owner(self), write=self._write, counters=self.counters)
        self.audience = self._new_audience()
        self._sender: asyncio.subprocess.Process | None = None
        self._pipe: socket.socket | None = None
        self._intake: Intake | None = None
        self._ready = asyncio.Event()
        self._pongs: dict[int, asyncio.Event] = {}
        self._parts: list[asyncio.Task[None]] = []
        self._closing = False

    async def start(self) -> None:
        """Start the sender, and return when listeners and mixers can come. Raises NotStarted."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        for end in (ours, theirs):
            end.setblocking(False)
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, PIPE_BYTES)
        self._pipe = ours
        with theirs:
            self._sender = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-m", "rooms.media.sender", str(theirs.fileno()), str(self._socket.fileno())),
                "high" if self._start_high else "low",
                pass_fds=(theirs.fileno(), self._socket.fileno()),
                stdin=asyncio.subprocess.DEVNULL,
                cwd=_HOME,
            )
        loop = asyncio.get_running_loop()
        loop.add_reader(ours, self._hear_sender)
        await self._until_ready()
        if self._nice:
            os.nice(self._nice)
        self._intake = Intake(self._socket, take=self._hear, is_calm=lambda: self._paths.is_calm)
        self._parts = [asyncio.create_task(part) for part in (self._repeat(), self._look())]

    async def close(self) -> None:
        """Say goodbye to everybody (RTCP BYE, DTLS close_notify), and end the sender. May be called twice."""
        self._closing = True
        self.audience.close()
        if not self.died.is_set() and self._sender is not None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.settled(), GOODBYE_SECONDS)
        await running.end(*self._parts)
        self._hang_up()
        if self._sender is not None:
            try:
                await asyncio.wait_for(self._sender.wait(), GOODBYE_SECONDS)
            except TimeoutError:
                self._kill()
                await self._sender.wait()
        if self._intake is not None:
            self._intake.close()
        self._socket.close()

    async def settled(self) -> None:
        """Return when the sender has done all that it has been told, or has died."""
        token = secrets.randbits(32)
        self._pongs[token] = done = asyncio.Event()
        self.tell_sender(pipe.Ping(token))
        if self._pipe is not None:
            await done.wait()
        self._pongs.pop(token, None)

    def expect_somebody(self) -> None:
        """Keep nobody waiting who is about to come."""
        if self._intake is not None:
            self._intake.hurry()

    def tell_sender(self, message: pipe.Message) -> None:
        """Have the sender do this before it sends anything more. One that does not listen is ended."""
        if self._pipe is None or self.died.is_set():
            return
        packet = pipe.pack(message)
        try:
            self._pipe.send(packet)
        except BlockingIOError:
            self._insist(self._pipe, packet)
        except OSError:
            self._mourn()

    def name_of(self, path: Path) -> bytes:
        """Return where `path` leads, as the kernel reads it."""
        if path.address is None:
            raise ValueError("The path leads nowhere yet.")
        return datagrams.pack_name(path.address, self._family)

    def _new_audience(self) -> Audience:
        dual_stack = self._family == socket.AF_INET6
        place = listener_sdp.Place(
            addresses=listener_sdp.usable(self._public_ips, dual_stack=dual_stack),
            port=self.port,
            fingerprint=self._paths.identity.fingerprint,
        )
        return Audience(
            self,
            paths=self._paths,
            answers=listener_sdp.Answers(place),
            tell=self._tell,
            most_listeners=self._most_listeners,
            counters=self.counters,
        )

    async def _until_ready(self) -> None:
        waits = [asyncio.create_task(event.wait()) for event in (self._ready, self.died)]
        await asyncio.wait(waits, timeout=READY_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
        if not self._ready.is_set():
            await self.close()
            raise NotStarted("The sender did not come up.")

    def _hear(self, datagram: bytes, address: Address) -> None:
        self._paths.take(datagram, address, now=time.monotonic())

    def _write(self, datagram: bytes, address: Address) -> None:
        try:
            self._socket.sendto(datagram, address)
        except OSError:
            self.counters.unsent += 1

    def _insist(self, line: socket.socket, packet: bytes) -> None:
        """Wait for a sender that is behind: what is taken from somebody must be taken when we return."""
        line.settimeout(TOLD_SECONDS)
        try:
            line.send(packet)
        except OSError:
            self._kill()
            self._mourn()
        finally:
            line.setblocking(False)

    def _hear_sender(self) -> None:
        for _ in range(MOST_AT_ONCE):
            try:
                packet = self._pipe.recv(pipe.MOST_BYTES) if self._pipe is not None else b""
            except BlockingIOError:
                return
            except OSError:
                packet = b""
            if not packet:
                self._mourn()
                return
            self._take(pipe.unpack(packet))

    def _take(self, message: pipe.Message) -> None:
        match message:
            case pipe.Flowing():
                self.audience.flowing(message.listeners, at=time.time())
            case pipe.Lost():
                self.audience.broken(message.listeners)
            case pipe.Beat():
                self.counters.sender = message.figures
                self.audience.fed(message.fed, at=time.time())
            case pipe.Pong():
                if (done := self._pongs.get(message.token)) is not None:
                    done.set()
            case pipe.Ready():
                self.feed_name = message.feed_name
                self._ready.set()

    def _mourn(self) -> None:
        """Note that the sender is gone. Its keys are gone with it, and nobody here can be served any more."""
        self._hang_up()
        self.died.set()
        for done in self._pongs.values():
            done.set()

    def _hang_up(self) -> None:
        if self._pipe is not None:
            asyncio.get_running_loop().remove_reader(self._pipe)
            self._pipe.close()
            self._pipe = None

    def _kill(self) -> None:
        if self._sender is not None and self._sender.returncode is None:
            self._sender.kill()

    async def _repeat(self) -> None:
        while True:
            await asyncio.sleep(AGAIN_SECONDS)
            self._paths.say_again(now=time.monotonic())

    async def _look(self) -> None:
        given_back = 0
        while True:
            await asyncio.sleep(LOST_SECONDS)
            self._paths.look_for_lost(now=time.monotonic())
            self.audience.forget_idle(at=time.time())
            self.counters.rss_bytes = memory.resident_bytes()
            # Once a storm is over, or has gone on for a while: it takes some milliseconds.
            ended = self._paths.ended
            if ended - given_back >= MOST_KEPT or (ended > given_back and not self._paths.are_shaking):
                memory.give_back()
                given_back = ended


class _Owner:
    """Passes on what becomes of paths to the audience, which does not exist yet when the paths begin."""

    def __init__(self, edge: Edge) -> None:
        self._edge = edge

    def expecting(self) -> None:
        self._edge.expect_somebody()

    def connected(self, path: Path) -> None:
        self._edge.audience.connected(path)

    def moved(self, path: Path) -> None:
        self._edge.audience.moved(path)

    def left(self, path: Path) -> None:
        self._edge.audience.left(path)

    def lost(self, path: Path) -> None:
        self._edge.audience.lost(path)
