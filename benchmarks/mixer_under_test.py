"""python -m benchmarks.mixer_under_test --door PATH: a mixer with its clock and no Redis, to be measured.

Who speaks asks at the door; who wants to be fed gives the abstract Unix name of a sender, and asks again
every few seconds, as an edge does.
"""

import argparse
import asyncio
import os
import time
from pathlib import Path
from typing import Any, Final

from benchmarks import door
from benchmarks.tone import ROOM
from rooms.media import clock
from rooms.media.gate import BadOffer
from rooms.media.house import House
from rooms.media.machine import Reach
from rooms.media.refusals import Refused
from rooms.media.room import Sound

EDGE: Final = "edge-of-{}"


def main() -> None:
    parser = argparse.ArgumentParser(description="A mixer, to be measured.")
    parser.add_argument("--door", type=Path, required=True)
    parser.add_argument("--host", default="127.0.0.1", help="this machine's address for speakers")
    parser.add_argument("--ptime", type=int, default=20, choices=(20, 40, 60), help="ms of a packet")
    given = parser.parse_args()
    asyncio.run(_run(given.door, host=given.host, frames=given.ptime // 20))


async def _run(path: Path, *, host: str, frames: int) -> None:
    house = House(reach=Reach([host]), tell=lambda _: None, publish=lambda _room, _datagram: None)
    house.room(ROOM, at=time.time()).sounds(Sound(frames=frames, music=False))
    async with asyncio.TaskGroup() as parts:
        parts.create_task(clock.run(house.tick))
        parts.create_task(door.serve(path, _Mixer(house).reply))


class _Mixer:
    def __init__(self, house: House) -> None:
        self._house = house

    async def reply(self, question: dict[str, Any]) -> dict[str, Any] | None:
        now = time.time()
        room = self._house.room(ROOM, at=now)
        match question:
            case {"op": "speak", "seat": str(seat), "offer": str(offer)}:
                try:
                    opened = await room.speak(seat=seat, epoch=1, muted=False, offer=offer, at=now)
                except (BadOffer, Refused) as no:
                    raise door.Refused(str(no)) from no
                return {"answer": opened.answer, "session": opened.session}
            case {"op": "end", "session": str(session)}:
                room.end(session)
                return {}
            case {"op": "mute", "seat": str(seat), "muted": bool(muted)}:
                room.mute(seat, muted=muted, at=now)
                return {}
            case {"op": "feed", "name": str(name)}:
                return {"via": room.feeds.renew(EDGE.format(name), name, at=now)}
            case {"op": "figures"}:
                return {"figures": [speaker.figures._asdict() for speaker in room.speakers]}
            case _:
                return {"mixer": os.getpid()}


if __name__ == "__main__":
    main()
