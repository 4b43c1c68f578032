"""All the rooms that one process carries."""

from collections.abc import Sequence
from typing import Final

from rooms.media.room import Closing, Full, Room, Tell

MOST_LISTENERS: Final = 400  # one core was measured to carry 490 to 700 on this path
IDLE_SECONDS: Final = (
    600.0  # a room without people or calls for so long was closed by somebody who could not say so
)


class House:
    """Rooms come with the first call about them, and go when closed or when nobody speaks of them."""

    def __init__(self, *, addresses: Sequence[str], tell: Tell, most_listeners: int = MOST_LISTENERS) -> None:
        self._addresses = addresses
        self._tell = tell
        self._most_listeners = most_listeners
        self._rooms: dict[str, Room] = {}
        self._touched: dict[str, float] = {}
        self._speaking: dict[str, list[str]] = {}
        self._draining = False

    @property
    def rooms(self) -> int:
        """How many rooms are open here."""
        return len(self._rooms)

    @property
    def listeners(self) -> int:
        """How many sessions listen here or are about to."""
        return sum(room.listeners for room in self._rooms.values())

    def room(self, name: str, *, at: float) -> Room:
        """Return the room, made if need be. `at` is unix seconds. Raises Closing while the house empties."""
        if self._draining:
            raise Closing("This server is being replaced. Connect again in a moment.")
        self._touched[name] = at
        if name not in self._rooms:
            self._rooms[name] = Room(name, addresses=self._addresses, tell=self._tell)
        return self._rooms[name]

    def check_capacity(self) -> None:
        """Raise Full when one listener more would be felt by the others."""
        if self.listeners >= self._most_listeners:
            raise Full("This server has no room for another listener.")

    def close_room(self, name: str) -> None:
        """Put everybody out of the room and forget it. One that is not here is closed already."""
        room = self._rooms.pop(name, None)
        self._touched.pop(name, None)
        self._speaking.pop(name, None)
        if room is not None:
            room.close()

    def close(self) -> None:
        """Close every room and let nobody in any more."""
        self._draining = True
        for name in list(self._rooms):
            self.close_room(name)

    def tick(self, number: int) -> None:
        """Give every room its next 20 ms."""
        for room in self._rooms.values():
            room.tick(number)

    def tell_who_speaks(self) -> None:
        """Announce `speaking` for each room in which the set of audible speakers has changed."""
        for name, room in self._rooms.items():
            seats = room.speaking()
            if seats != self._speaking.get(name, []):
                self._speaking[name] = seats
                self._tell({"event": "speaking", "room": name, "seats": seats})

    async def tell_presence(self, *, at: float, seconds: float) -> None:
        """Announce `presence` for each room: who hears and who sends, over the last `seconds`."""
        for name, room in list(self._rooms.items()):
            self._tell(
                {
                    "event": "presence",
                    "room": name,
                    "hearing": await room.hearing(at=at),
                    "upstream": room.sending(),
                    "seconds": round(seconds, 3),
                }
            )

    def forget_idle(self, *, at: float) -> None:
        """Close the rooms that nobody is in and nobody has spoken of for ten minutes."""
        for name, touched in list(self._touched.items()):
            if at - touched > IDLE_SECONDS and not self._rooms[name].sessions:
                self.close_room(name)
