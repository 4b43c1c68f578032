"""One WebRTC connection of one seat, in one direction, from its offer to its end."""

import asyncio
import secrets
from collections.abc import Callable
from enum import StrEnum
from typing import ClassVar, Final

from aiortc import RTCRtpTransceiver, RTCSessionDescription

from rooms.media import gate, wire
from rooms.media.machine import Reach

CONNECT_SECONDS: Final = 15.0  # without the end-of-candidates mark ICE itself would try for ever


class Reason(StrEnum):
    """Why a session ended, as told in `session_ended`."""

    LEFT = "left"  # the other side hung up
    LOST = "lost"  # it never connected, or fell silent
    DROPPED = "dropped"  # revoked, removed, demoted, or unknown to the census
    CLOSED = "closed"  # the room or the process ended, or a newer session of the seat took over


class Session:
    """A connection that answers one offer and is never renegotiated.

    `ended` is called once, when the sound has stopped; the goodbyes on the wire follow by themselves.
    """

    purpose: ClassVar[gate.Purpose]

    def __init__(
        self,
        *,
        seat: str,
        epoch: int,
        reach: Reach,
        at: float,
        ended: Callable[["Session", Reason], None],
    ) -> None:
        self.id = secrets.token_urlsafe(16)
        self.seat = seat
        self.epoch = epoch
        self.opened_at = at  # unix seconds
        self.connected = False
        self.over = False
        self._ended = ended
        self._connection = wire.new_connection()
        self._connection.on("connectionstatechange", self._state_changed)
        transceiver = self._add_transceiver(reach)
        wire.serve_dtls(transceiver)
        self._deadline = asyncio.get_running_loop().call_later(CONNECT_SECONDS, self.stop, Reason.LOST)

    async def answer(self, offer: str) -> str:
        """Return the SDP answer to `offer`; the connection then comes about by itself. Raises BadOffer."""
        admitted = gate.admit(offer, self.purpose)
        await self._connection.setRemoteDescription(RTCSessionDescription(sdp=admitted, type="offer"))
        await self._connection.setLocalDescription(await self._connection.createAnswer())
        return gate.finish(self._connection.localDescription.sdp)

    def stop(self, reason: Reason) -> None:
        """End the session: no sound passes once this returns; the connection closes within five seconds."""
        if self.over:
            return
        self.over = True
        self._deadline.cancel()
        self._silence()
        _hanging_up.add(task := asyncio.get_running_loop().create_task(wire.hang_up(self._connection)))
        task.add_done_callback(_hanging_up.discard)
        self._ended(self, reason)

    def _add_transceiver(self, reach: Reach) -> RTCRtpTransceiver:
        """Return the connection's one transceiver, bound to what `reach` says."""
        raise NotImplementedError

    def _silence(self) -> None:
        raise NotImplementedError

    def _state_changed(self) -> None:
        match self._connection.connectionState:
            case "connected":
                self.connected = True
                self._deadline.cancel()
            case "failed":
                self.stop(Reason.LOST)
            case "closed":
                self.stop(Reason.LEFT)


async def all_hung_up() -> None:
    """Return when every session that was stopped in this process has said its goodbyes."""
    while _hanging_up:
        await asyncio.wait(_hanging_up)


# Nobody else holds these tasks, and asyncio itself holds them only weakly.
_hanging_up: set[asyncio.Task[None]] = set()
