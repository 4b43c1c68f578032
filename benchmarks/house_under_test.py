"""python -m benchmarks.house_under_test --door PATH: an edge and its sender alone, to be measured.

Who listens asks at the door; what they hear comes from whoever feeds the sender, as a mixer does.
"""

import argparse
import asyncio
import os
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks import door, meter
from benchmarks.limit import room_for_files
from benchmarks.tone import ROOM
from rooms.media.edge import Edge
from rooms.media.gate import BadOffer
from rooms.media.refusals import Refused


def main() -> None:
    parser = argparse.ArgumentParser(description="An edge and its sender, to be measured.")
    parser.add_argument("--door", type=Path, required=True)
    parser.add_argument("--host", default="127.0.0.1", help="this machine's address to listen on")
    parser.add_argument("--most", type=int, default=20_000, help="listeners")
    given = parser.parse_args()
    room_for_files(4_096)
    asyncio.run(_run(given.door, host=given.host, most=given.most))


async def _run(path: Path, *, host: str, most: int) -> None:
    edge = Edge(bind=host, port=0, public_ips=[host], tell=lambda _: None, most_listeners=most)
    await edge.start()
    await door.serve(path, _House(edge).reply)


class _House:
    def __init__(self, edge: Edge) -> None:
        self._edge = edge
        self._sessions: dict[int, str] = {}

    async def reply(self, question: dict[str, Any]) -> dict[str, Any] | None:
        match question:
            case {"op": "listen", "number": int(number), "offer": str(offer)}:
                return {"answer": self._listen(number, offer)}
            case {"op": "leave", "number": int(number)}:
                self._edge.audience.end(self._sessions.pop(number))
                return None
            case {"op": "counters"}:
                return {"counters": asdict(self._edge.counters)}
            case _:
                own = os.getpid()
                return {"feed": self._edge.feed_name, "edge": own, "sender": meter.children(own)}

    def _listen(self, number: int, offer: str) -> str:
        try:
            opened = self._edge.audience.listen(
                room=ROOM, seat=f"seat-{number}", epoch=1, offer=offer, at=time.time()
            )
        except (BadOffer, Refused) as no:
            raise door.Refused(str(no)) from no
        self._sessions[number] = opened.session
        return opened.answer


if __name__ == "__main__":
    main()
