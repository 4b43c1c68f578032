"""All that this house touches of aiortc's and aioice's inside: the one file to read when they are upgraded.

Their exact versions are pinned; tests/rooms/media/test_tones.py sends tones through real connections and
fails when a name here has moved.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from aioice import Candidate
from aioice.ice import get_host_addresses
from aiortc import RTCConfiguration, RTCPeerConnection, RTCRtpTransceiver

CLOSE_SECONDS: Final = 5.0
LOOPBACK: Final = "127.0.0.1"


def host_addresses() -> list[str]:
    """Return the addresses of this machine's network cards, or loopback's if there is none."""
    return get_host_addresses(use_ipv4=True, use_ipv6=True) or [LOOPBACK]


def near_addresses() -> list[str]:
    """Return this machine's addresses with loopback's, where a house on the same machine may be."""
    return list(dict.fromkeys([*host_addresses(), LOOPBACK]))


def new_connection() -> RTCPeerConnection:
    """Return a connection that asks no STUN server: None would mean Google's, and tell it who speaks here."""
    return RTCPeerConnection(RTCConfiguration(iceServers=[]))


def bind(transceiver: RTCRtpTransceiver, addresses: Sequence[str]) -> None:
    """Let the connection of `transceiver` gather on exactly `addresses`, before it has a local description.

    aioice itself takes every address except 127.0.0.1, on which a machine without a network card lives.
    """
    ice = transceiver.sender.transport.transport.iceGatherer._connection  # noqa: SLF001 -- no option for it
    gather_on = ice.get_component_candidates
    ours = list(addresses)

    async def gather(**given: Any) -> list[Candidate]:
        return await gather_on(**{**given, "addresses": ours})

    # On this one connection, never on the class: clients in the same process keep their own.
    ice.get_component_candidates = gather  # type: ignore[method-assign,assignment]


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
