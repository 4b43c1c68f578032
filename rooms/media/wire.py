"""All that this house touches of aiortc's and aioice's inside: the one file to read when they are upgraded.

Their exact versions are pinned; tests/rooms/media/test_tones.py sends tones through real connections and
fails when a name here has moved.
"""

import asyncio
import secrets
import socket
from collections.abc import Callable, Sequence
from copy import copy
from typing import Any, Final

import pylibsrtp
import structlog
from aioice import Candidate
from aioice.candidate import candidate_foundation, candidate_priority
from aioice.ice import Connection, StunProtocol
from aioice.stun import Class, Message, Method
from aiortc import RTCConfiguration, RTCPeerConnection, RTCRtpTransceiver
from aiortc.rtcrtpparameters import RTCRtpReceiveParameters
from aiortc.rtp import RtcpReceiverInfo, RtcpRrPacket

from rooms.media import dtls, rtcp, rtp, stun
from rooms.media.machine import Reach
from rooms.media.stun import Address

CLOSE_SECONDS: Final = 5.0
MOST_BYTES: Final = 1_500  # of a datagram; what is longer is cut, and then is nothing
MOST_WAITING: Final = 64  # DTLS and RTCP for aiortc to read; what comes then is lost, as on any network
_RTCP_BYTES: Final = 8 + 4 + 10  # the least: a head, an index, and the shorter tag
_SOCKET_BYTES: Final = 1 << 20

log = structlog.get_logger("rooms.media")


def new_connection() -> RTCPeerConnection:
    """Return a connection that asks no STUN server: None would mean Google's, and tell it who speaks here."""
    return RTCPeerConnection(RTCConfiguration(iceServers=[]))


def bind(transceiver: RTCRtpTransceiver, reach: Reach, *, door: "Door | None" = None) -> None:
    """Let the connection of `transceiver` gather on exactly what `reach` binds, and tell what browsers reach.

    Call it before there is a local description. With a `door`, nothing comes in but through it.

    aioice itself takes every address except 127.0.0.1, on which a machine without a network card lives.
    """
    ice = transceiver.sender.transport.transport.iceGatherer._connection  # noqa: SLF001 -- no option for it
    gather_on = ice.get_component_candidates if door is None else door.open

    async def gather(**given: Any) -> list[Candidate]:
        bound = await gather_on(**{**given, "addresses": list(reach.bound)})
        return [_at(candidate, host) for candidate in bound for host in reach.told(candidate.host)]

    # On this one connection, never on the class: clients in the same process keep their own.
    ice.get_component_candidates = gather  # type: ignore[method-assign,assignment]


def _at(candidate: Candidate, host: str) -> Candidate:
    """Return `candidate` as it is told to the other side; checks go on to be made from where it is bound."""
    told = copy(candidate)
    told.host = host
    return told


def serve_dtls(transceiver: RTCRtpTransceiver) -> None:
    """Answer as DTLS server (setup:passive), as RFC 9725 recommends; browsers as clients choose AES-GCM."""
    transceiver.sender.transport._set_role("server")  # noqa: SLF001 -- aiortc answers as client otherwise


async def hang_up(connection: RTCPeerConnection) -> None:
    """Close `connection` (RTCP BYE, DTLS close, sockets) within five seconds, whatever state it is in.

    aiortc's close() waits for ever once one part has failed to stop; then the sockets go without a word.
    """
    try:
        await asyncio.wait_for(connection.close(), CLOSE_SECONDS)
    except TimeoutError:
        for transceiver in connection.getTransceivers():
            ice = transceiver.sender.transport.transport._connection  # noqa: SLF001 -- its sockets
            await asyncio.wait_for(ice.close(), CLOSE_SECONDS)


class Door:
    """Hears one speaker, at every socket of their connection, and nobody else.

    Nothing goes anywhere before a STUN request with the password of our answer has come, and then only from
    where such a request came. aioice and aiortc are handed what they would believe and can read: they answer
    strangers with more bytes than came, and end at a datagram that is shorter than they expect.
    """

    def __init__(self, ice: Connection) -> None:
        self.known: tuple[Address, ...] = ()  # from where signed requests have come
        self.strays = 0  # datagrams of no use
        self.sound: Callable[[bytes], None] = self._too_soon
        self._ice = ice
        self._recent = b""

    async def open(self, *, component: int, addresses: Sequence[str]) -> list[Candidate]:
        """Open one socket on each of these addresses that there is, as aioice would."""
        loop = asyncio.get_running_loop()
        candidates = []
        for address in addresses:
            try:
                _, protocol = await loop.create_datagram_endpoint(
                    lambda: _Socket(self._ice, self), local_addr=(address, 0)
                )
            except OSError:
                continue  # an address that is gone, or of a family the kernel does not have
            host, port = protocol.transport.get_extra_info("sockname")[:2]
            protocol.local_candidate = Candidate(
                foundation=candidate_foundation("host", "udp", host),
                component=component,
                transport="udp",
                priority=candidate_priority(component, "host"),
                host=host,
                port=port,
                type="host",
            )
            self._ice._protocols.append(protocol)  # noqa: SLF001 -- its sockets
            candidates.append(protocol.local_candidate)
        return candidates

    def take(self, datagram: bytes, address: Address, protocol: StunProtocol) -> None:
        """Read one datagram that is no RTP. Its first byte says what it is (RFC 7983)."""
        first = datagram[0] if datagram else 255
        if first <= 3:
            known = self._take_request(datagram, address, protocol) or self._take_answer(
                datagram, address, protocol
            )
        elif address not in self.known:
            known = False
        elif 20 <= first <= 63:
            known = dtls.is_handshake(datagram) and self._pass_on(datagram)
        else:
            known = 128 <= first <= 191 and len(datagram) >= _RTCP_BYTES and self._pass_on(datagram)
        self.strays += not known

    def _too_soon(self, _: bytes) -> None:
        """Sound before there are keys."""
        self.strays += 1

    def _pass_on(self, datagram: bytes) -> bool:
        ice = self._ice
        if ice._queue.qsize() >= MOST_WAITING:  # noqa: SLF001 -- has no bound of its own
            return False
        ice.data_received(datagram, 1)
        return True

    def _take_request(self, datagram: bytes, address: Address, protocol: StunProtocol) -> bool:
        """Answer a check, and have aioice know of it. A request seen before teaches no address."""
        ice, request = self._ice, stun.read_request(datagram)
        if request is None or ice._closing or not ice._early_checks_done:  # noqa: SLF001 -- whether it listens
            return False
        if (request.us, request.them) != (ice.local_username, ice.remote_username):
            return False
        password = ice.local_password.encode("ascii")
        if not stun.is_signed(datagram, integrity_at=request.integrity_at, password=password):
            return False
        fresh = request.transaction not in self._recent
        if address not in self.known:
            if not fresh:
                return False
            self._learn(address)
        protocol.transport.sendto(
            stun.answer(request.transaction, address=address, password=password), address
        )
        if fresh:
            self._recent = stun.remember(request.transaction, self._recent)
            said: dict[str, Any] = {"PRIORITY": request.priority}
            if request.nominates:
                said["USE-CANDIDATE"] = None
            check = Message(Method.BINDING, Class.REQUEST, request.transaction, said)
            ice.check_incoming(check, address[:2], protocol)
        return True

    def _take_answer(self, datagram: bytes, address: Address, protocol: StunProtocol) -> bool:
        """Have aioice know that a check of ours was answered."""
        transaction = protocol.transactions.get(datagram[8:20])
        if transaction is None or self._ice.remote_password is None:
            return False
        if stun.read_answer(datagram, password=self._ice.remote_password.encode("ascii")) is None:
            return False
        transaction.response_received(_Proved(Method.BINDING, Class.RESPONSE, datagram[8:20]), address[:2])
        return True

    def _learn(self, address: Address) -> None:
        if len(self.known) == stun.MOST_ADDRESSES:
            used = {pair.remote_addr for pair in self._ice._nominated.values()}  # noqa: SLF001 -- where we send
            self._forget(next(one for one in self.known if one[:2] not in used))
        self.known = (*self.known, address)

    def _forget(self, address: Address) -> None:
        """Let an address go, and what aioice keeps of it: a speaker could fill the memory with them."""
        ice, place = self._ice, address[:2]
        self.known = tuple(one for one in self.known if one != address)
        for pair in [pair for pair in ice._check_list if pair.remote_addr == place]:  # noqa: SLF001 -- no method
            if pair.task is not None:
                pair.task.cancel()
            ice._check_list.remove(pair)  # noqa: SLF001 -- the same
        others = [one for one in ice._remote_candidates if (one.host, one.port) != place]  # noqa: SLF001 -- the same
        ice._remote_candidates[:] = others  # noqa: SLF001 -- the same


class _Proved(Message):
    """An answer whose signature has been found right already."""

    def check_message_integrity(self, key: bytes) -> bool:  # noqa: ARG002 -- as aioice asks
        return True


class _Socket(StunProtocol):
    """One of a connection's sockets, with the door before it."""

    def __init__(self, ice: Connection, door: Door) -> None:
        super().__init__(ice)
        self._door = door

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        # asyncio makes room for 256 kB before each datagram, which costs more than all we do with it.
        transport.max_size = MOST_BYTES  # type: ignore[attr-defined]
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SOCKET_BYTES)

    def datagram_received(self, data: bytes, addr: Address) -> None:  # type: ignore[override]
        door = self._door
        # What rtp.is_rtp says, without the call: this runs for each packet of each speaker.
        if len(data) > 1 and 128 <= data[0] < 192 and not 64 <= data[1] & 127 < 96:
            if addr in door.known:
                door.sound(data)
            else:
                door.strays += 1
        else:
            door.take(data, addr, self)


class Uplink:
    """Takes a transceiver's packets as they come off the wire, before aiortc does anything with them.

    aiortc would start a thread per track, hold packets in a buffer that grows after each loss, and decode
    what is muted. Here `heard` gets each RTP packet with its time of arrival (the loop's), `left` is called
    when the sender says goodbye (RTCP BYE), and `broke` when a part of the connection has ended by a bug.
    Receiver reports go out about once a second (RFC 3550 §6.4.2).
    """

    def __init__(
        self,
        transceiver: RTCRtpTransceiver,
        *,
        heard: Callable[[rtp.Packet, float], None],
        left: Callable[[], None],
        broke: Callable[[], None],
    ) -> None:
        self.reception = rtp.Reception()
        self._heard = heard
        self._left = left
        self._broke = broke
        self._loop = asyncio.get_running_loop()
        self._payload_types: frozenset[int] = frozenset()
        self._level_id: int | None = None
        self._source: int | None = None
        self._last_report: tuple[int, float] | None = None  # the middle of its NTP time, and when it came
        self._reporting: asyncio.Task[None] | None = None
        self._own_source = transceiver.sender._ssrc  # noqa: SLF001 -- reports are signed with it
        self._dtls = transceiver.receiver.transport
        self.door = Door(self._dtls.transport._connection)  # noqa: SLF001 -- where datagrams come in
        # On this one connection, never on the classes: clients in the same process keep their own.
        self._read_next = self._dtls._recv_next  # noqa: SLF001 -- reads DTLS and RTCP
        self._dtls._recv_next = self._read  # type: ignore[method-assign] # noqa: SLF001 -- the same
        self._dtls._handle_rtcp_data = self._take_rtcp  # type: ignore[method-assign] # noqa: SLF001 -- the same
        transceiver.receiver.receive = self._begin  # type: ignore[method-assign]

    def close(self) -> None:
        """Take nothing more, and report nothing more."""
        self._payload_types = frozenset()
        if self._reporting is not None:
            self._reporting.cancel()

    async def _read(self) -> None:
        """Read one datagram. A bug in there ends this session in order; aiortc's task would just die."""
        try:
            await self._read_next()
        except ConnectionError:
            raise
        except Exception as problem:
            self._break(problem)
            raise ConnectionError from problem

    async def _begin(self, parameters: RTCRtpReceiveParameters) -> None:
        """Begin where aiortc would have started its thread: DTLS is done, and the far side is who it said."""
        self._payload_types = frozenset(codec.payloadType or 0 for codec in parameters.codecs)
        ids = [one.id for one in parameters.headerExtensions if one.uri == rtp.AUDIO_LEVEL]
        self._level_id = ids[0] if ids else None
        self.door.sound = self._take_rtp
        self._reporting = self._loop.create_task(self._report())
        self._reporting.add_done_callback(self._look_at_end)

    def _look_at_end(self, task: "asyncio.Task[None]") -> None:
        if not task.cancelled() and (problem := task.exception()) is not None:
            self._break(problem)

    def _break(self, problem: BaseException) -> None:
        log.error("speaker_connection_broke", problem=type(problem).__name__)
        self._broke()

    def _take_rtp(self, data: bytes) -> None:
        try:
            plain = self._dtls._rx_srtp.unprotect(data)  # noqa: SLF001 -- the keys are there since _begin
        except (pylibsrtp.Error, ValueError):
            return  # forged, damaged, come twice, or longer than any packet of ours
        packet = rtp.parse(plain, level_id=self._level_id)
        if packet is None or packet.payload_type not in self._payload_types:
            return
        if packet.source != self._source:
            self._source, self._last_report = packet.source, None
            self.reception = rtp.Reception()
        at = self._loop.time()
        self.reception.note(packet, at=at)
        self._heard(packet, at)

    async def _take_rtcp(self, data: bytes) -> None:
        if self._source is None:
            return
        said = rtcp.read_speaker(data, ssrc=self._source)
        if said.sent_at is not None:
            self._last_report = (said.sent_at, self._loop.time())
        if said.left:
            self._left()

    async def _report(self) -> None:
        while True:
            await asyncio.sleep(0.5 + secrets.randbelow(1_000) / 1_000)
            if self._source is None:
                continue
            try:
                await self._dtls._send_rtp(bytes(self._receiver_report()))  # noqa: SLF001 -- it knows RTCP too
            except ConnectionError:
                return

    def _receiver_report(self) -> RtcpRrPacket:
        told = self.reception.report()
        middle, at = self._last_report or (0, 0.0)
        block = RtcpReceiverInfo(
            ssrc=self._source or 0,
            fraction_lost=told.fraction_lost,
            packets_lost=told.packets_lost,
            highest_sequence=told.highest_sequence,
            jitter=told.jitter,
            lsr=middle,
            dlsr=int((self._loop.time() - at) * 65_536) & 0xFFFFFFFF if middle else 0,
        )
        return RtcpRrPacket(ssrc=self._own_source, reports=[block])
