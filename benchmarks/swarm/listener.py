"""One light listener: a socket, ICE as the controlling side, DTLS as the client, then the least possible."""

import secrets
import socket
import struct
from enum import StrEnum
from typing import Final

from pylibsrtp import Session

from benchmarks.swarm import description, sieve
from benchmarks.swarm.ear import Ear
from benchmarks.swarm.handshake import Handshake, HandshakeFailed, Papers
from rooms.media import stun

JOIN_SECONDS: Final = 20.0
CONSENT_SECONDS: Final = 5.0  # RFC 7675; each check comes with a receiver report
LOST_SECONDS: Final = 30.0
_FIRST_PATIENCE: Final = 0.1  # seconds until a check is repeated; doubled each time
_SHAKING_PATIENCE: Final = 0.25  # how often OpenSSL's timer is looked at
_PRIORITY: Final = 1_862_270_975  # peer-reflexive, RFC 8445 §5.1.2
_MOST_WILFUL: Final = (1 << 64) - 1  # the tie-breaker that wins, so that we nominate (RFC 8445 §7.3.1.1)
_SO_TIMESTAMPNS: Final = 35  # Linux; Python gives it no name
_TIMESPEC: Final = struct.Struct("@qq")
_REPORT: Final = struct.Struct("!BBHIIIIIII")  # RFC 3550 §6.4.2, with one block
_MOST_BYTES: Final = 2_048


class Stage(StrEnum):
    OFFERED = "offered"
    CHECKING = "checking"
    SHAKING = "shaking"
    CONNECTED = "connected"
    HEARING = "hearing"
    FAILED = "failed"


class Listener:
    """Times are unix seconds. `why` says what ended it; `delivered` counts RTP packets of all its life."""

    __slots__ = (
        "_answer", "_asked", "_ear", "_handshake", "_name", "_password", "_patience", "_read", "_reports",
        "_sampled", "_silent_since", "_source", "_ssrc", "_to", "connected_at", "first_at", "number",
        "offered_at", "profile", "sock", "stage", "why",
    )  # fmt: skip

    def __init__(self, number: int, *, host: str, sampled: bool) -> None:
        self.number = number
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self.sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        self.sock.bind((host, 0))
        self.stage = Stage.OFFERED
        self.why = ""
        self.profile = ""
        self.offered_at = self.connected_at = self.first_at = 0.0
        self._name, self._password = stun.new_name(), stun.new_password().encode("ascii")
        self._ssrc = secrets.randbits(32)
        self._sampled = sampled
        self._answer: description.Answer | None = None
        self._asked = b""
        self._patience = _FIRST_PATIENCE
        self._handshake: Handshake | None = None
        self._to: tuple[str, int] = ("", 0)
        self._ear: Ear | None = None
        self._reports: Session | None = None
        self._source = (0, 0)  # SSRC and sequence number of the first packet
        self._silent_since = 0.0
        self._read = 0

    @property
    def is_waiting(self) -> bool:
        return self.stage not in {Stage.HEARING, Stage.FAILED}

    @property
    def ear(self) -> Ear | None:
        """The sample's ear; None for everybody else."""
        return self._ear if self._sampled else None

    @property
    def delivered(self) -> int:
        return self._read + sieve.dropped(self.sock)

    def offer(self, papers: Papers, *, setup: str, at: float) -> str:
        self.offered_at = at
        host, port = self.sock.getsockname()
        return description.offer(
            name=self._name,
            password=self._password.decode("ascii"),
            fingerprint=papers.fingerprint,
            address=(host, port),
            setup=setup,
        )

    def answered(self, text: str) -> None:
        """Begin to check the addresses of the answer."""
        try:
            self._answer = description.read(text)
        except description.BadAnswer as wrong:
            self.fail(str(wrong))
            return
        self.stage = Stage.CHECKING
        self._check()

    def fail(self, why: str) -> None:
        self.stage, self.why = Stage.FAILED, why
        self._handshake = None

    def close(self) -> None:
        self.sock.close()

    def wake(self, *, at: float) -> float | None:
        """Do what is due and return the seconds until the next time; None when there is none."""
        if self.stage is Stage.FAILED:
            return None
        if self.is_waiting and at - self.offered_at > JOIN_SECONDS:
            self.fail(f"still {self.stage} after {JOIN_SECONDS:g} s")
            return None
        match self.stage:
            case Stage.OFFERED:
                return 1.0
            case Stage.CHECKING:
                self._check()
                self._patience *= 2
                return self._patience / 2
            case Stage.SHAKING if self._handshake is not None:
                self._handshake.repeat()
                return _SHAKING_PATIENCE
            case _:
                return self._stay(at)

    def readable(self, papers: Papers, *, at: float) -> None:
        """Read all that has come."""
        while True:
            try:
                if self.stage is Stage.HEARING and not self._sampled:
                    datagram, come_from = self.sock.recvfrom(_MOST_BYTES)
                    arrived = at
                else:
                    datagram, extra, _, come_from = self.sock.recvmsg(_MOST_BYTES, 64)
                    arrived = _arrival(extra, at)
            except BlockingIOError:
                return
            except OSError:
                continue  # a port of the far side that is closed tells us so; the checks will say it too
            self._take(datagram, come_from, papers, at=arrived)

    def _take(self, datagram: bytes, come_from: tuple[str, int], papers: Papers, *, at: float) -> None:
        """Tell the kinds apart by the first octet (RFC 7983)."""
        first = datagram[0] if datagram else 255
        if first >> 6 == 0b10:
            if not 192 <= datagram[1] < 224:
                self._take_sound(datagram, at=at)
        elif first < 4:
            self._take_check(datagram, come_from, papers, at=at)
        elif 19 < first < 64:
            self._take_dtls(datagram, at=at)

    def _take_sound(self, packet: bytes, *, at: float) -> None:
        self._read += 1
        if self._ear is None:
            return
        if self.stage is Stage.HEARING:
            if self._sampled:
                self._ear.take(packet, at=at)
        elif self._ear.take(packet, at=at):
            self.first_at, self.stage = at, Stage.HEARING
            self._source = (int.from_bytes(packet[8:12], "big"), int.from_bytes(packet[2:4], "big"))
            if not self._sampled:
                sieve.drop_rtp(self.sock)
                self._ear = None

    def _take_check(self, datagram: bytes, come_from: tuple[str, int], papers: Papers, *, at: float) -> None:
        request = stun.read_request(datagram)
        if request is not None:
            ours = stun.is_signed(datagram, integrity_at=request.integrity_at, password=self._password)
            if ours and request.us == self._name:
                self._send_to(
                    stun.answer(request.transaction, address=come_from, password=self._password), come_from
                )
            return
        if self._answer is None or datagram[8:20] != self._asked:
            return
        if stun.read_answer(datagram, password=self._answer.password) is None:
            return
        self._silent_since = at
        if self.stage is Stage.CHECKING:
            self._to, self.stage = come_from, Stage.SHAKING
            self._handshake = Handshake(papers, fingerprint=self._answer.fingerprint, send=self._send)
            self._go_on(None, at=at)

    def _take_dtls(self, datagram: bytes, *, at: float) -> None:
        if self._handshake is not None:
            self._go_on(datagram, at=at)
        elif datagram[0] == 21 and self.stage in {Stage.CONNECTED, Stage.HEARING}:  # an alert: it closes
            self.fail("the far side hung up")

    def _go_on(self, datagram: bytes | None, *, at: float) -> None:
        if self._handshake is None:
            return
        try:
            self._handshake.go_on(datagram)
        except HandshakeFailed as wrong:
            self.fail(str(wrong))
            return
        keys = self._handshake.keys
        if keys is not None:
            self._handshake = None
            self._ear, self._reports = Ear(keys), keys.to_encrypt()
            self.connected_at, self.profile, self.stage = at, keys.profile, Stage.CONNECTED

    def _check(self) -> None:
        """Ask every address of the answer, or the one that answered, and nominate it at once."""
        if self._answer is None:
            return
        self._asked = stun.new_transaction()
        request = stun.ask(
            name=f"{self._answer.name}:{self._name}",
            password=self._answer.password,
            transaction=self._asked,
            priority=_PRIORITY,
            tie_breaker=_MOST_WILFUL,
            nominate=True,
        )
        for address in [self._to] if self._to[1] else self._answer.addresses:
            self._send_to(request, address)

    def _stay(self, at: float) -> float:
        """Renew consent and report, at times that drift apart from everybody else's."""
        if at - self._silent_since > LOST_SECONDS:
            self.fail("nobody answers our checks")
        self._check()
        if self._reports is not None and self.stage is Stage.HEARING:
            self._send(self._reports.protect_rtcp(self._report()))
        return CONSENT_SECONDS * (0.8 + 0.4 * secrets.randbelow(1_000) / 1_000)

    def _report(self) -> bytes:
        """Return a receiver report that says all packets came, which the count at the end proves or not."""
        source, first = self._source
        return _REPORT.pack(0x81, 201, 7, self._ssrc, source, 0, first + self.delivered - 1, 0, 0, 0)

    def _send(self, datagram: bytes) -> None:
        self._send_to(datagram, self._to)

    def _send_to(self, datagram: bytes, address: tuple[str, int]) -> None:
        try:
            self.sock.sendto(datagram, address)
        except OSError:
            return  # an address we have no way to, or a full buffer: the next check repeats it


def _arrival(extra: list[tuple[int, int, bytes]], at: float) -> float:
    """Return when the kernel received the datagram, by its own stamp."""
    for _, kind, stamp in extra:
        if kind == _SO_TIMESTAMPNS:
            seconds, nanoseconds = _TIMESPEC.unpack(stamp)
            return float(seconds + nanoseconds / 1e9)
    return at
