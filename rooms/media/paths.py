"""The way to each listener: ICE as its lite half (RFC 8445 §2.5), DTLS as its server, and their reports.

Nothing is sent to anybody before a STUN request has come from there that carries the password of our answer,
and nothing that answers one is larger than it.
"""

import time
from collections import deque
from collections.abc import Callable
from typing import Final, Protocol

from rooms.media import dtls, rtcp, srtp, stun
from rooms.media.counters import Counters
from rooms.media.gate import Offer
from rooms.media.stun import Address

CONNECT_SECONDS: Final = 15.0
SILENT_SECONDS: Final = 30.0  # without an authenticated request; RFC 7675 §5.1
MOVE_SECONDS: Final = 3.0  # of silence at the old address before a request that does not nominate moves us
LINGER_SECONDS: Final = 5.0  # for a last flight that got lost
REPORT_SECONDS: Final = 5.0
FORGED_SECONDS: Final = 1.0  # no report is looked at for so long after one that was none


class Path:
    """The way to one listener. Small, for there are thousands; `Paths` does everything with it."""

    __slots__ = (
        "address",
        "arrived_at",
        "asked_at",
        "farewell",
        "fingerprints",
        "handshake",
        "heard_at",
        "here_at",
        "highest",
        "id",
        "keys",
        "known",
        "last_words",
        "name",
        "opened_at",
        "password",
        "recent",
        "report_index",
        "ssrc",
        "them",
    )

    def __init__(self, number: int, offer: Offer, *, ssrc: int, now: float) -> None:
        self.id = number
        self.ssrc = ssrc
        self.name = stun.new_name()
        self.password = stun.new_password().encode("ascii")
        self.them = offer.said("ice-ufrag")
        self.fingerprints = offer.fingerprints
        self.opened_at = self.heard_at = self.here_at = now
        self.address: Address | None = None  # where packets go
        self.known: tuple[Address, ...] = ()  # from where authenticated requests have come
        self.recent = b""  # the last transactions, the newest first
        self.handshake: dtls.Handshake | None = None
        self.keys: dtls.Keys | None = None
        self.farewell: dtls.Farewell | None = None
        self.last_words = b""  # a DTLS record
        self.asked_at = 0.0  # when the next report may be read
        self.report_index = -1
        self.highest = -1
        self.arrived_at = 0.0  # unix seconds of the last report that said packets had arrived


class Owner(Protocol):
    """Who is told what becomes of a path."""

    def expecting(self) -> None:
        """Say that somebody may come from now on."""

    def connected(self, path: Path) -> None:
        """Say that keys are agreed: packets may be sent to `path.address`."""

    def moved(self, path: Path) -> None:
        """Say that packets must go to another `path.address` from now on."""

    def left(self, path: Path) -> None:
        """Say that the listener has hung up."""

    def lost(self, path: Path) -> None:
        """Say that the listener never came, or has fallen silent."""


class Paths:
    """All paths of one socket. `now` is seconds on the monotonic clock everywhere."""

    def __init__(self, owner: Owner, *, write: Callable[[bytes, Address], None], counters: Counters) -> None:
        self.identity = dtls.Identity()
        self._owner = owner
        self._write = write
        self._counters = counters
        self._by_id: dict[int, Path] = {}
        self._by_name: dict[str, Path] = {}
        self._by_address: dict[Address, Path] = {}
        self._shaking: dict[Path, float] = {}  # handshakes, and when to say their last flight again
        self._lingering: deque[tuple[float, Path]] = deque()
        self._coming: set[Path] = set()  # who have no keys yet
        self._last = 0
        self.ended = 0  # handshakes that are over, so that their memory is free

    @property
    def is_calm(self) -> bool:
        """Whether everybody has come who was expected."""
        return not self._coming

    @property
    def are_shaking(self) -> bool:
        """Whether handshakes are under way or have just been done."""
        return bool(self._shaking or self._lingering)

    def open(self, offer: Offer, *, ssrc: int, now: float) -> Path:
        """Return a new path for who made `offer`. It is over when `close` is called, and not before."""
        self._last += 1
        path = Path(self._last, offer, ssrc=ssrc, now=now)
        self._by_id[path.id] = self._by_name[path.name] = path
        self._coming.add(path)
        self._owner.expecting()
        return path

    def get(self, number: int) -> Path | None:
        """Return the path of this number, if it is still open."""
        return self._by_id.get(number)

    def close(self, path: Path) -> bytes:
        """Forget `path`, and return the DTLS record that says goodbye on it, if there can be one."""
        del self._by_id[path.id], self._by_name[path.name]
        self._coming.discard(path)
        for address in path.known:
            self._forget_address(path, address)
        self._end_handshake(path)
        return path.last_words

    def take(self, datagram: bytes, address: Address, *, now: float) -> None:
        """Read one datagram. Its first byte says what it is (RFC 7983)."""
        self._counters.datagrams += 1
        first = datagram[0] if datagram else 255
        if first <= 3:
            self._take_request(datagram, address, now)
            return
        path = self._by_address.get(address)
        if path is None:
            self._counters.strays += 1
        elif 20 <= first <= 63:
            self._take_record(path, datagram, address, now)
        elif 128 <= first <= 191:
            self._take_report(path, datagram, now)
        else:
            self._counters.strays += 1

    def say_again(self, *, now: float) -> None:
        """Repeat what handshakes wait for, and give back those that are done. To be called often."""
        for path in [path for path, due in self._shaking.items() if due <= now]:
            self._repeat(path, now)
        while self._lingering and self._lingering[0][0] <= now:
            self._end_handshake(self._lingering.popleft()[1])

    def look_for_lost(self, *, now: float) -> None:
        """Tell the owner who never came and who has fallen silent. To be called every second or so."""
        for path in list(self._by_id.values()):
            never = path.keys is None and now - path.opened_at > CONNECT_SECONDS
            if never or now - path.heard_at > SILENT_SECONDS:
                self._owner.lost(path)

    def _take_request(self, datagram: bytes, address: Address, now: float) -> None:
        request = stun.read_request(datagram)
        path = None if request is None else self._by_name.get(request.us)
        if request is None or path is None or request.them != path.them:
            self._counters.stun_failures += 1
            return
        signed = stun.is_signed(datagram, integrity_at=request.integrity_at, password=path.password)
        fresh = request.transaction not in path.recent
        if not signed or not self._may_come_from(path, address, fresh=fresh, now=now):
            self._counters.stun_failures += 1
            return
        answer = stun.answer(request.transaction, address=address, password=path.password)
        self._write(answer, address)
        self._counters.stun_requests += 1
        if fresh:
            path.recent = stun.remember(request.transaction, path.recent)
            path.heard_at = now
            self._hear_from(path, address, nominated=request.nominates, now=now)

    def _may_come_from(self, path: Path, address: Address, *, fresh: bool, now: float) -> bool:
        """Note a new address of `path`. A request seen before teaches none; none is taken from another."""
        if address in path.known:
            return True
        holder = self._by_address.get(address)
        if not fresh or (holder is not None and now - holder.heard_at < MOVE_SECONDS):
            return False
        if holder is not None:
            holder.known = tuple(one for one in holder.known if one != address)
        if len(path.known) == stun.MOST_ADDRESSES:
            oldest = next(one for one in path.known if one != path.address)
            path.known = tuple(one for one in path.known if one != oldest)
            self._forget_address(path, oldest)
        path.known = (*path.known, address)
        self._by_address[address] = path
        return True

    def _hear_from(self, path: Path, address: Address, *, nominated: bool, now: float) -> None:
        """Send to `address` from now on, if that is what an authenticated request from there means."""
        if address != path.address:
            if path.address is not None and not nominated and now - path.here_at <= MOVE_SECONDS:
                return
            self._move(path, address)
        path.here_at = now

    def _move(self, path: Path, address: Address) -> None:
        first, path.address = path.address is None, address
        if not first:
            self._counters.address_moves += 1
            if path.keys is not None:
                self._owner.moved(path)

    def _forget_address(self, path: Path, address: Address) -> None:
        if self._by_address.get(address) is path:
            del self._by_address[address]

    def _take_record(self, path: Path, datagram: bytes, address: Address, now: float) -> None:
        if not dtls.is_handshake(datagram):
            self._counters.strays += 1
            return
        if path.handshake is None:
            if path.farewell is not None:
                if path.farewell.is_said_in(datagram):
                    self._owner.left(path)
                return
            path.handshake = self.identity.handshake(path.fingerprints)
        self._shake(path, path.handshake, datagram, address, now)

    def _shake(
        self, path: Path, handshake: dtls.Handshake, datagram: bytes, address: Address, now: float
    ) -> None:
        try:
            keys = handshake.take(datagram)
        except dtls.HungUp:
            self._owner.left(path)
            return
        except dtls.Failed:
            self._fail(path, handshake, address)
            return
        self._flush(handshake, address)
        if keys is not None:
            del self._shaking[path]
            self._coming.discard(path)
            path.keys = keys
            path.heard_at = now
            self._lingering.append((now + LINGER_SECONDS, path))
            if path.address != address:
                self._move(path, address)
            self._owner.connected(path)
        elif path.keys is None:
            self._shaking[path] = now + (handshake.wait() or CONNECT_SECONDS)

    def _repeat(self, path: Path, now: float) -> None:
        handshake, address = path.handshake, path.address
        if handshake is None or address is None:
            del self._shaking[path]
            return
        try:
            handshake.say_again()
        except dtls.Failed:
            self._fail(path, handshake, address)
            return
        self._flush(handshake, address)
        self._shaking[path] = now + (handshake.wait() or CONNECT_SECONDS)

    def _fail(self, path: Path, handshake: dtls.Handshake, address: Address) -> None:
        self._counters.dtls_failures += 1
        self._flush(handshake, address)
        self._shaking.pop(path, None)
        path.handshake = None
        self._owner.lost(path)

    def _flush(self, handshake: dtls.Handshake, address: Address) -> None:
        for datagram in handshake.to_send():
            self._write(datagram, address)

    def _end_handshake(self, path: Path) -> None:
        """Keep of a handshake what its goodbyes need, and give the rest back."""
        handshake, path.handshake = path.handshake, None
        self._shaking.pop(path, None)
        self.ended += handshake is not None
        if handshake is not None and path.keys is not None:
            path.last_words, path.farewell = handshake.end()
            path.fingerprints = []

    def _take_report(self, path: Path, datagram: bytes, now: float) -> None:
        """Read one receiver report every few seconds, and drop the others unread."""
        if path.keys is None or now < path.asked_at:
            return
        profile = path.keys.profile
        index = srtp.rtcp_index(profile, datagram)
        if index is None or index <= path.report_index:
            return
        packet = srtp.read_rtcp(profile, path.keys.theirs, datagram)
        if packet is None:
            path.asked_at = now + FORGED_SECONDS
            self._counters.reports_forged += 1
            return
        path.report_index = index
        report = rtcp.read_report(packet, ssrc=path.ssrc)
        if report is None:
            return
        path.asked_at = now + REPORT_SECONDS
        self._counters.reports += 1
        self._counters.lost_share_sum += report.lost
        self._counters.jitter_seconds_sum += report.jitter
        if report.highest != path.highest:
            path.highest = report.highest
            path.arrived_at = time.time()
