"""A real listener of a real edge, who records what their own decoder makes of the packets that came."""

import asyncio
import time
from typing import Final

from aiortc import RTCSessionDescription

from benchmarks.ears import HouseEar, Tape
from benchmarks.onsets import Arrivals
from benchmarks.relay import LOOPBACK
from rooms.media import whip_client, wire
from rooms.media.edge import Edge
from rooms.media.machine import Reach
from rooms.media.opus import Decoder

_MOST: Final = 10  # listeners


class EdgeEar:
    """An aiortc client of an edge with its sender. Its packets come before aiortc's own buffer."""

    def __init__(self) -> None:
        self._edge = Edge(
            bind=LOOPBACK, port=0, public_ips=[LOOPBACK], tell=lambda _: None, most_listeners=_MOST
        )
        self._arrivals = Arrivals(asyncio.get_running_loop().time)
        self._connection = wire.new_connection()

    @property
    def feed_name(self) -> str:
        """The abstract Unix name at which the sender takes the room's packets."""
        return self._edge.feed_name

    async def open(self, room: str) -> None:
        """Start the edge and connect."""
        await self._edge.start()
        transceiver = self._connection.addTransceiver("audio", direction="recvonly")
        wire.bind(transceiver, Reach([LOOPBACK]))
        self._arrivals.take_from(transceiver.receiver)
        await self._connection.setLocalDescription(await self._connection.createOffer())
        offer = self._connection.localDescription.sdp
        opened = self._edge.audience.listen(room=room, seat="ear", epoch=1, offer=offer, at=time.time())
        await self._connection.setRemoteDescription(RTCSessionDescription(sdp=opened.answer, type="answer"))
        await whip_client.up(self._connection)

    async def close(self) -> None:
        await wire.hang_up(self._connection)
        await self._edge.close()

    def tape(self, house: HouseEar) -> Tape:
        """Return what was heard, in the places that the mixer's numbers give it."""
        decoder, tape = Decoder(), Tape()
        numbers = self._arrivals.numbers(house.sent_at)
        for one in self._arrivals.packets:
            number = numbers.get(one.rtp.timestamp)
            if number is None:
                continue
            tape.record(number, decoder.decode(one.rtp.payload))
            if house.tape().has(number):
                tape.is_real(number)
        return tape
