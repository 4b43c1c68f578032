"""The outside half of WHIP (RFC 9725) and WHEP: what a player or a listener of our own does at the door."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final
from urllib.parse import urljoin

import httpx
from aiortc import RTCPeerConnection, RTCRtpTransceiver, RTCSessionDescription

from rooms.media import machine, wire

CONNECT_SECONDS: Final = 15.0
HTTP_SECONDS: Final = 15.0


class Refused(Exception):
    """The door answered anything but 201. `status` is the HTTP status; the text is the door's own."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class NeverConnected(Exception):
    """The door answered, but no connection came about within fifteen seconds."""


@asynccontextmanager
async def connect(
    *, url: str, grant: str, add: Callable[[RTCPeerConnection], RTCRtpTransceiver]
) -> AsyncIterator[RTCPeerConnection]:
    """Hold a connection to `url`, with the one transceiver that `add` gives it, until the block ends.

    Yields as soon as the door has answered, so that the caller hears the first packet; wait for it with `up`.
    At the end the session is deleted and the connection closed. Raises Refused, or httpx.HTTPError when
    nobody answers at all.
    """
    connection = wire.new_connection()
    wire.bind(add(connection), machine.near())
    bearer = {"Authorization": f"Bearer {grant}"}
    async with httpx.AsyncClient(timeout=HTTP_SECONDS, trust_env=False) as http:
        try:
            await connection.setLocalDescription(await connection.createOffer())
            place = await _post(http, url, headers=bearer, connection=connection)
            try:
                yield connection
            finally:
                await _delete(http, place, headers=bearer)
        finally:
            await wire.hang_up(connection)


async def up(connection: RTCPeerConnection) -> None:
    """Return when `connection` is connected. Raises NeverConnected."""
    changed = asyncio.Event()
    connection.on("connectionstatechange", changed.set)
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            while connection.connectionState != "connected":
                if connection.connectionState in {"failed", "closed"}:
                    raise NeverConnected("The connection failed before it was up.")
                await changed.wait()
                changed.clear()
    except TimeoutError:
        raise NeverConnected("No connection came about within fifteen seconds.") from None
    finally:
        connection.remove_listener("connectionstatechange", changed.set)


async def _post(
    http: httpx.AsyncClient, url: str, *, headers: dict[str, str], connection: RTCPeerConnection
) -> str | None:
    """Send the offer, take the answer, and return where the session can be deleted."""
    answered = await http.post(
        url,
        content=connection.localDescription.sdp,
        headers={**headers, "Content-Type": "application/sdp"},
    )
    if answered.status_code != httpx.codes.CREATED:
        raise Refused(answered.status_code, answered.text)
    await connection.setRemoteDescription(RTCSessionDescription(sdp=answered.text, type="answer"))
    location = answered.headers.get("Location")
    return urljoin(url, location) if location else None


async def _delete(http: httpx.AsyncClient, place: str | None, *, headers: dict[str, str]) -> None:
    if place is None:
        return
    try:
        await http.delete(place, headers=headers)
    except httpx.HTTPError:
        return  # the goodbye on the wire follows, and says the same
