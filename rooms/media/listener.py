"""A listener's connection: packets that were encoded once, passed on to each."""

import asyncio
from collections.abc import Callable, Sequence
from typing import ClassVar, Final

from aiortc import MediaStreamTrack, RTCRtpTransceiver
from aiortc.mediastreams import MediaStreamError

from rooms.media.gate import Purpose
from rooms.media.opus import OpusPacket
from rooms.media.session import Reason, Session

MOST_WAITING: Final = 5  # packets, 100 ms: a connection that cannot keep up loses the oldest, not the beat
HEARD_BACK_SECONDS: Final = (
    15.0  # browsers report at most every 7.5 s; two reports missing is a listener gone
)


class Listener(Session):
    """Carries one mix to one seat. Which mix is the room's choice, packet by packet, on one clock."""

    purpose: ClassVar[Purpose] = Purpose.LISTEN

    def __init__(
        self,
        *,
        seat: str,
        epoch: int,
        addresses: Sequence[str],
        at: float,
        ended: Callable[[Session, Reason], None],
        flowing: Callable[["Listener"], None],
    ) -> None:
        self._track = _PassThrough(lambda: flowing(self))
        super().__init__(seat=seat, epoch=epoch, addresses=addresses, at=at, ended=ended)

    def play(self, packet: OpusPacket) -> None:
        """Send `packet` next. Before the connection is up, and after it has ended, nothing is kept."""
        self._track.play(packet)

    async def hears(self, *, at: float) -> bool:
        """Return whether packets flow and the far side says that they arrive (RTCP receiver reports)."""
        if self.over or not self.connected or not self._track.asked:
            return False
        if at - self.opened_at < HEARD_BACK_SECONDS:
            return True
        (sender,) = self._connection.getSenders()
        reports = [one for one in (await sender.getStats()).values() if one.type == "remote-inbound-rtp"]
        return any(at - one.timestamp.timestamp() < HEARD_BACK_SECONDS for one in reports)

    def _add_transceiver(self) -> RTCRtpTransceiver:
        return self._connection.addTransceiver(self._track, direction="sendonly")

    def _silence(self) -> None:
        self._track.stop()


class _PassThrough(MediaStreamTrack):
    """Hands ready packets to aiortc's sender, which passes them on as they are."""

    kind = "audio"

    def __init__(self, started: Callable[[], None]) -> None:
        super().__init__()
        self.asked = False
        self._started = started
        self._packets: asyncio.Queue[OpusPacket] = asyncio.Queue(maxsize=MOST_WAITING)

    def play(self, packet: OpusPacket) -> None:
        if not self.asked or self.readyState != "live":
            return
        if self._packets.full():
            self._packets.get_nowait()
        self._packets.put_nowait(packet)

    async def recv(self) -> OpusPacket:
        if not self.asked:
            # The sender asks first when DTLS is done: from here on packets would arrive.
            self.asked = True
            self._started()
        if self.readyState != "live":
            raise MediaStreamError
        return await self._packets.get()

    def stop(self) -> None:
        super().stop()
        while not self._packets.empty():
            self._packets.get_nowait()
