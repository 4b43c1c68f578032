"""All that this house touches of aiortc's and aioice's inside: the one file to read when they are upgraded.

Their exact versions are pinned; tests/rooms/media/test_tones.py sends tones through real connections and
fails when a name here has moved.
"""

import asyncio
import secrets
from collections.abc import Callable
from copy import copy
from typing import Any, Final

import pylibsrtp
from aioice import Candidate
from aioice.ice import StunProtocol
from aiortc import RTCConfiguration, RTCPeerConnection, RTCRtpTransceiver
from aiortc.rtcrtpparameters import RTCRtpReceiveParameters
from aiortc.rtp import RtcpByePacket, RtcpPacket, RtcpReceiverInfo, RtcpRrPacket, RtcpSrPacket

from rooms.media import rtp
from rooms.media.machine import Reach

CLOSE_SECONDS: Final = 5.0
MOST_BYTES: Final = 4_096  # of a datagram: Opus, STUN and DTLS stay well below 1,500


def new_connection() -> RTCPeerConnection:
    """Return a connection that asks no STUN server: None would mean Google's, and tell it who speaks here."""
    return RTCPeerConnection(RTCConfiguration(iceServers=[]))


def bind(transceiver: RTCRtpTransceiver, reach: Reach) -> None:
    """Let the connection of `transceiver` gather on exactly what `reach` binds, and tell what browsers reach.

    Call it before there is a local description.

    aioice itself takes every address except 127.0.0.1, on which a machine without a network card lives.
    """
    ice = transceiver.sender.transport.transport.iceGatherer._connection  # noqa: SLF001 -- no option for it
    gather_on = ice.get_component_candidates

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


class Uplink:
    """Takes a transceiver's packets as they come off the wire, before aiortc does anything with them.

    aiortc would start a thread per track, hold packets in a buffer that grows after each loss, and decode
    what is muted. Here `heard` gets each RTP packet with its time of arrival (the loop's), and `left` is
    called when the sender says goodbye (RTCP BYE). Receiver reports go out about once a second (RFC 3550
    §6.4.2).
    """

    def __init__(
        self,
        transceiver: RTCRtpTransceiver,
        *,
        heard: Callable[[rtp.Packet, float], None],
        left: Callable[[], None],
    ) -> None:
        self.reception = rtp.Reception()
        self._heard = heard
        self._left = left
        self._loop = asyncio.get_running_loop()
        self._payload_types: frozenset[int] = frozenset()
        self._level_id: int | None = None
        self._source: int | None = None
        self._last_report: tuple[int, float] | None = None  # the middle of its NTP time, and when it came
        self._reporting: asyncio.Task[None] | None = None
        self._own_source = transceiver.sender._ssrc  # noqa: SLF001 -- reports are signed with it
        self._dtls = transceiver.receiver.transport
        self._ice = self._dtls.transport._connection  # noqa: SLF001 -- where datagrams come in
        # On this one connection, never on the classes: clients in the same process keep their own.
        self._dtls._handle_rtcp_data = self._take_rtcp  # type: ignore[method-assign] # noqa: SLF001 -- the same
        transceiver.receiver.receive = self._begin  # type: ignore[method-assign]

    def close(self) -> None:
        """Take nothing more, and report nothing more."""
        self._payload_types = frozenset()
        if self._reporting is not None:
            self._reporting.cancel()

    async def _begin(self, parameters: RTCRtpReceiveParameters) -> None:
        """Begin where aiortc would have started its thread: DTLS is done, and the far side is who it said."""
        self._payload_types = frozenset(codec.payloadType or 0 for codec in parameters.codecs)
        ids = [one.id for one in parameters.headerExtensions if one.uri == rtp.AUDIO_LEVEL]
        self._level_id = ids[0] if ids else None
        for protocol in self._ice._protocols:  # noqa: SLF001 -- its sockets
            self._take_from(protocol)
        self._reporting = self._loop.create_task(self._report())

    def _take_from(self, protocol: StunProtocol) -> None:
        pass_on = protocol.datagram_received

        def received(data: bytes, address: tuple[Any, ...]) -> None:
            if rtp.is_rtp(data):
                self._take_rtp(data)
            else:
                pass_on(data, address)

        protocol.datagram_received = received  # type: ignore[method-assign,assignment]
        # asyncio makes room for 256 kB before each datagram, which costs more than all we do with it.
        protocol.transport.max_size = MOST_BYTES  # type: ignore[attr-defined]

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
        try:
            packets = RtcpPacket.parse(data)
        except ValueError:
            return
        for packet in packets:
            if isinstance(packet, RtcpSrPacket) and packet.ssrc == self._source:
                middle = packet.sender_info.ntp_timestamp >> 16 & 0xFFFFFFFF
                self._last_report = (middle, self._loop.time())
            elif isinstance(packet, RtcpByePacket) and self._source in packet.sources:
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
