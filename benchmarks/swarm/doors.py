"""Where a swarm takes its offers: the door of a server under test, or Janus's own."""

import json
import socket
from collections.abc import Iterator
from typing import Final, Protocol

_MOST_BYTES: Final = 65_536


class Door(Protocol):
    """A listener's number and offer go in; in any order its answer comes out, or None if it was refused."""

    setup: str  # what the offers say of DTLS

    def fileno(self) -> int: ...

    def ask(self, number: int, offer: str) -> None: ...

    def answers(self) -> Iterator[tuple[int, str | None]]: ...

    def leave(self, number: int) -> None: ...


class ServerDoor:
    """A Unix socket of datagrams in JSON, as benchmarks/door.py answers it."""

    def __init__(self, path: str, *, setup: str) -> None:
        self.setup = setup
        self._line = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._line.connect(path)

    def fileno(self) -> int:
        return self._line.fileno()

    def ask(self, number: int, offer: str) -> None:
        self._tell({"op": "listen", "number": number, "offer": offer})

    def leave(self, number: int) -> None:
        self._tell({"op": "leave", "number": number})

    def answers(self) -> Iterator[tuple[int, str | None]]:
        while letter := _next(self._line):
            told = json.loads(letter)
            if "number" in told:
                yield int(told["number"]), told.get("answer")

    def _tell(self, question: dict[str, object]) -> None:
        self._line.send(json.dumps(question).encode())


def _next(line: socket.socket) -> bytes:
    """Return the next datagram, or nothing when none waits. Raises EOFError when the door has gone."""
    try:
        letter = line.recv(_MOST_BYTES, socket.MSG_DONTWAIT)
    except BlockingIOError:
        return b""
    if not letter:
        raise EOFError("The server has closed its door.")
    return letter
