"""All the rooms that one mixer carries."""

from collections.abc import Callable
from typing import Final

from rooms.media.feeds import Feeds, Lines
from rooms.media.machine import Reach
from rooms.media.refusals import Closing
from rooms.media.room import Room, Tell
from rooms.media.tally import Tally

IDLE_SECONDS: Final = (
    600.0  # a room without people or calls for so long was closed by somebody who could not say so
)


class House:
    """Rooms come with the first call about them, and go when closed or when nobody speaks of them."""

    def __init__(self, *, reach: Reach, tell: Tell, publish: Callable[[str, bytes], None]) -> None:
        self.draining = False
        self.tally = Tally()
        self._reach = reach
        self._tell = tell
        self._publish = publish
        self._lines = Lines()
        self._rooms: dict[str, Room] = {}
        self._touched: dict[str, float] = {}
        self._speaking: dict[str, list[str]] = {}
        self._audible: dict[str, set[str]] = {}  # who spoke since presence was told last

    @property
    def rooms(self) -> list[Room]:
        return list(self._rooms.values())

    @property
    def speakers(self) -> int:
        """How many upstreams are here or about to be."""
        return sum(len(room.speakers) for room in self._rooms.values())

    def room(self, name: str, *, at: float) -> Room:
        """Return the room, made if need be. `at` is unix seconds. Raises Closing while the house empties."""
        if self.draining and name not in self._rooms:
            raise Closing("This server is being replaced. Connect again in a moment.")
        self._touched[name] = at
        if name not in self._rooms:
            feeds = Feeds(self._lines, publish=self._publish)
            self._rooms[name] = Room(name, reach=self._reach, tell=self._tell, feeds=feeds, tally=self.tally)
        return self._rooms[name]

    def close_room(self, name: str) -> None:
        """Put everybody out of the room and forget it. One that is not here is closed already."""
        room = self._rooms.pop(name, None)
        self._touched.pop(name, None)
        self._speaking.pop(name, None)
        self._audible.pop(name, None)
        if room is not None:
            room.close()

    def close(self) -> None:
        """Close every room and let nobody in any more."""
        self.draining = True
        for name in list(self._rooms):
            self.close_room(name)
        self._lines.close()

    def tick(self, number: int) -> None:
        """Give every room its next 20 ms."""
        for room in self._rooms.values():
            room.tick(number)

    def tell_who_speaks(self) -> None:
        """Announce `speaking` for each room in which the set of audible speakers has changed."""
        for name, room in self._rooms.items():
            seats = room.speaking()
            self._audible.setdefault(name, set()).update(seats)
            if seats != self._speaking.get(name, []):
                self._speaking[name] = seats
                self._tell({"event": "speaking", "room": name, "seats": seats})

    def tell_presence(self, *, seconds: float) -> None:
        """Announce `presence` for each room on whose stage packets arrive, over the last `seconds`.

        `audible` are those of them who were above silence at some moment since it was told before.
        """
        for name, room in self._rooms.items():
            audible = self._audible.pop(name, set())
            if upstream := room.sending():
                self._tell(
                    {
                        "event": "presence",
                        "room": name,
                        "hearing": [],
                        "upstream": upstream,
                        "audible": sorted(audible.intersection(upstream)),
                        "seconds": round(seconds, 3),
                    }
                )

    def forget_idle(self, *, at: float) -> None:
        """Let go of edges that ask no more, of what was said long ago, and of rooms that were left."""
        for name, room in list(self._rooms.items()):
            room.feeds.forget_late(at=at)
            room.ring.trim(now=at)
            if at - self._touched[name] > IDLE_SECONDS and not room.speakers and not len(room.feeds):
                self.close_room(name)
